from __future__ import annotations

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.server.access import MIN_TOKEN_CHARS, access_for, host_name, machine_names

OWN_TOKEN = "t" * MIN_TOKEN_CHARS


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8501", "localhost"),
        ("LocalHost.", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:8501", "::1"),
        ("lab_1.example.org:80", "lab_1.example.org"),
        ("", None),
        (":8501", None),
        ("localhost:port", None),
        ("localhost:8501:8501", None),
        ("user@localhost", None),
        ("localhost/evil.test", None),
        ("localhost, evil.test", None),
        ("[::1", None),
        ("evil.test#localhost", None),
        ("localhost\n", None),
        ("a" * 300, None),
    ],
)
def test_a_host_header_is_a_name_and_maybe_a_port(host: str, name: str | None) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_on_loopback_no_token_is_needed_and_only_loopback_names_are_answered(address: str) -> None:
    access = access_for(address, (), "")
    assert access.token is None
    assert access.allows("localhost:1", "127.0.0.1") and access.allows("[::1]:1", "::1")
    assert not access.allows("evil.test", "127.0.0.1")
    assert not access.allows("192.0.2.1", "192.0.2.1")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "", "192.0.2.1", "lab.example.org"])
def test_beyond_loopback_there_is_always_a_token(address: str) -> None:
    first, second = access_for(address, (), ""), access_for(address, (), "")
    assert first.token and second.token and first.token != second.token
    assert len(first.token) >= 40
    assert access_for(address, (), OWN_TOKEN).token == OWN_TOKEN
    assert first.token not in repr(first)


def test_beyond_loopback_the_machines_own_names_are_answered_and_no_others() -> None:
    access = access_for("0.0.0.0", ["Lab.Example.org"], "")
    for name in [*machine_names(), "localhost", "lab.example.org"]:
        assert access.allows(f"[{name}]:8501" if ":" in name else f"{name}:8501", None)
    # An address that the machine got after the start.
    assert access.allows("192.0.2.7:8501", "192.0.2.7") and access.allows("192.0.2.7", "::ffff:192.0.2.7")
    assert not access.allows("192.0.2.8:8501", "192.0.2.7")
    assert not access.allows("evil.test:8501", "192.0.2.7")


def test_one_address_is_answered_under_that_address() -> None:
    access = access_for("192.0.2.1", (), "")
    assert access.allows("192.0.2.1:8501", "192.0.2.1")
    assert not access.allows("192.0.2.2:8501", "192.0.2.2")


@pytest.mark.parametrize("token", ["short", "with spaces in the middle", "x" * 20 + "&", "é" * 20])
def test_a_token_that_is_easily_guessed_or_broken_in_a_link_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError, match="access_token"):
        access_for("0.0.0.0", (), token)


@pytest.mark.parametrize("host", ["", "http://lab.example.org", "*.example.org", "a b"])
def test_an_allowed_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="allowed host"):
        access_for("127.0.0.1", [host], "")


def test_an_allowed_host_may_be_an_address_of_ipv6() -> None:
    assert access_for("127.0.0.1", ["2001:db8::1", "[2001:db8::2]"], "").allows("[2001:db8::1]:80", None)
