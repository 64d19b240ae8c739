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
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.core.signed_tokens import check_secret

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
        token: what a visitor must show, unless it shows a key; None on a machine's own loopback, which is open.
        is_own_token: the token was given by who started the app, not made here.
        cors_origins: pages of these may ask the API, and nothing else.
    """

    hosts: frozenset[str] = LOOPBACK_HOSTS
    takes_own_address: bool = False
    token: str | None = field(default=None, repr=False)
    is_own_token: bool = False
    cors_origins: frozenset[str] = frozenset()

    def allows(self, host: str, own_address: str | None) -> bool:
        """Whether a request may be for ``host``, a Host header. ``own_address`` is this end of the connection."""
        name = host_name(host)
        if name is None:
            return False
        # A socket of both families gives addresses of IPv4 in the form of IPv6.
        own = (own_address or "").removeprefix("::ffff:")
        return name in self.hosts or (self.takes_own_address and name == own)


def access_for(
    address: str,
    extra_hosts: Iterable[str],
    own_token: str,
    *,
    requires_keys: bool = False,
    cors_origins: Iterable[str] = (),
) -> Access:
    """What holds for an app that listens at ``address``: beyond loopback there is a token, made here if none is given.

    Args:
        requires_keys: there is one on loopback too.

    Raises:
        ConfigurationError: a host, an origin or a token that cannot be meant.
    """
    hosts = {*LOOPBACK_HOSTS, *map(_checked_host, extra_hosts)}
    origins = frozenset(map(_checked_origin, cors_origins))
    if is_loopback(address) and not requires_keys:
        return Access(frozenset(hosts), cors_origins=origins)
    if own_token and (len(own_token) < MIN_TOKEN_CHARS or not re.fullmatch(r"[\w.~-]+", own_token, re.ASCII)):
        raise ConfigurationError(
            f"access_token must have at least {MIN_TOKEN_CHARS} letters, digits and any of '-_.~'; "
            "leave it out to have one made"
        )
    if not is_loopback(address):
        hosts |= {name.lower() for name in (machine_names() if address in WILDCARDS else [address])}
    token = own_token or secrets.token_urlsafe(32)
    return Access(frozenset(hosts), address in WILDCARDS, token, bool(own_token), origins)


def access_by_settings(address: str, settings: Settings, more_hosts: Iterable[str] = ()) -> Access:
    """What the settings say for an app that listens at ``address``.

    Raises:
        ConfigurationError: a setting that cannot be meant.
    """
    if settings.jwt_secret:
        check_secret(settings.jwt_secret)
    return access_for(
        address,
        (*settings.allowed_hosts, *more_hosts),
        settings.access_token,
        requires_keys=settings.require_keys,
        cors_origins=settings.cors_origins,
    )


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


def _checked_origin(origin: str) -> str:
    scheme, _, host = origin.strip().lower().partition("://")
    if scheme not in ("http", "https") or host_name(host) is None:
        raise ConfigurationError(f"cors_origins has {origin!r}, which is no origin such as 'https://lab.example.org'")
    return f"{scheme}://{host}"
