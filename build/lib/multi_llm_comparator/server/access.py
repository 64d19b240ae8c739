"""Under which names the app may be asked for, and who may ask beyond this machine."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

import psutil

from multi_llm_comparator.core.exceptions import ConfigurationError

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
WILDCARDS = ("", "0.0.0.0", "::")
MIN_TOKEN_CHARS = 16
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]{2,45})\]|(?P<name>[a-z0-9_](?:[a-z0-9._-]{0,252})))(?::\d{1,5})?")


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        hosts: names and addresses that a request may be for, lower case, without ports and brackets.
        takes_own_address: also the address at which a connection arrived: a machine can get new ones while it runs.
        token: what a visitor must show; None on a machine's own loopback.
        is_own_token: the token was given by who started the app, not made here.
    """

    hosts: frozenset[str] = LOOPBACK_HOSTS
    takes_own_address: bool = False
    token: str | None = field(default=None, repr=False)
    is_own_token: bool = False

    def allows(self, host: str, own_address: str | None) -> bool:
        """Whether a request may be for ``host``, a Host header. ``own_address`` is this end of the connection."""
        name = host_name(host)
        if name is None:
            return False
        # A socket of both families gives addresses of IPv4 in the form of IPv6.
        own = (own_address or "").removeprefix("::ffff:")
        return name in self.hosts or (self.takes_own_address and name == own)


def access_for(address: str, extra_hosts: Iterable[str], own_token: str) -> Access:
    """What holds for an app that listens at ``address``: beyond loopback there is a token, made here if none is given.

    Raises:
        ConfigurationError: a host or token that cannot be meant.
    """
    hosts = {*LOOPBACK_HOSTS, *map(_checked_host, extra_hosts)}
    if is_loopback(address):
        return Access(frozenset(hosts))
    if own_token and (len(own_token) < MIN_TOKEN_CHARS or not re.fullmatch(r"[\w.~-]+", own_token, re.ASCII)):
        raise ConfigurationError(
            f"access_token must have at least {MIN_TOKEN_CHARS} letters, digits and any of '-_.~'; "
            "leave it out to have one made"
        )
    hosts |= {name.lower() for name in (machine_names() if address in WILDCARDS else [address])}
    token = own_token or secrets.token_urlsafe(32)
    return Access(frozenset(hosts), address in WILDCARDS, token, bool(own_token))


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def host_name(host: str) -> str | None:
    """The name or address in a Host header; None if it is not one."""
    match = _HOST.fullmatch(host.lower())
    return match and (match["six"] or match["name"].rstrip("."))


def machine_names() -> list[str]:
    """This machine's addresses and name, as the machine itself knows them: nobody is asked."""
    found = []
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family in (socket.AF_INET, socket.AF_INET6) and "%" not in one.address:
                found.append(ip_address(one.address))
    shown = [str(one) for one in sorted(found, key=_usual_first) if not one.is_loopback and not one.is_link_local]
    name = socket.gethostname().lower()
    return [*shown, name] if host_name(name) and name not in LOOPBACK_HOSTS else shown


def _usual_first(address: IPv4Address | IPv6Address) -> tuple[int, bool]:
    return address.version, not address.is_private


def _checked_host(host: str) -> str:
    name = host_name(f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host.strip())
    if name is None:
        raise ConfigurationError(f"allowed host {host!r} is not a name or address, such as 'lab.example.org'")
    return name
