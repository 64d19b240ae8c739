from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.signed_tokens import make_token, read_token

SECRET = "s" * 32
HS256: dict[str, Any] = {"alg": "HS256", "typ": "JWT"}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: Any, header: Any = HS256, secret: str = SECRET, by: str = "sha256") -> str:
    head = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    return f"{head}.{encoded(hmac.digest(secret.encode(), head.encode(), by))}"


def test_a_token_says_who_shows_it_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    token = make_token(SECRET, "ann", frozenset({"models"}), 60)
    found = read_token(SECRET, token)
    assert found is not None
    assert (found.subject, found.scopes) == ("ann", frozenset({"models"}))
    assert read_token("t" * 32, token) is None
    later = now() + 100
    monkeypatch.setattr("multi_llm_comparator.core.signed_tokens.now", lambda: later)
    assert read_token(SECRET, token) is None


def test_tokens_of_other_makers_are_read_by_the_standards_names() -> None:
    found = read_token(SECRET, signed({"user_id": 7, "exp": now() + 60, "aud": ["x", "multi-llm-comparator"]}))
    assert found is not None and (found.subject, found.scopes) == ("7", frozenset())


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "ann"},
        {"sub": "ann", "exp": None},
        {"sub": "ann", "exp": "9999999999"},
        {"sub": "ann", "exp": True},
        {"sub": "ann", "exp": 1},
        {"exp": 9_999_999_999},
        {"sub": "", "exp": 9_999_999_999},
        {"sub": "ann", "exp": 9_999_999_999, "nbf": 9_999_999_990},
        {"sub": "ann", "exp": 9_999_999_999, "aud": "another server"},
        {"sub": "ann", "exp": 9_999_999_999, "scope": ["admin"]},
        ["sub", "exp"],
        "ann",
    ],
)
def test_claims_that_do_not_hold_are_refused(claims: Any) -> None:
    assert read_token(SECRET, signed(claims)) is None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "hs256"},
        {"alg": "HS512"},
        {"alg": "HS256", "kid": "../../dev/null"},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "jwk": {}},
        {"typ": "JWT"},
        [],
    ],
)
def test_no_header_chooses_how_a_token_is_checked(header: Any) -> None:
    assert read_token(SECRET, signed({"sub": "ann", "exp": now() + 60}, header)) is None


def test_a_signature_is_of_one_kind_and_spelt_in_one_way() -> None:
    claims = {"sub": "ann", "exp": now() + 60}
    assert read_token(SECRET, signed(claims, by="sha512")) is None
    good = signed(claims)
    head, body, signature = good.split(".")
    assert read_token(SECRET, f"{head}.{body}.") is None
    assert read_token(SECRET, f"{good}=") is None
    unused = base64.urlsafe_b64decode(signature + "=")
    assert len(unused) == hashlib.sha256().digest_size
    other = {c: chr(ord(c) + 1) for c in signature[-1]}[signature[-1]]
    assert read_token(SECRET, good[:-1] + other) is None


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert read_token(SECRET, text) is None


def test_a_short_secret_signs_nothing() -> None:
    with pytest.raises(ConfigurationError, match="jwt_secret"):
        make_token("short", "ann", frozenset(), 60)
