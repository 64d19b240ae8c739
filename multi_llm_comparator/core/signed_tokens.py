"""Signed tokens (JWT, RFC 7519) with HMAC-SHA-256 and an expiry: made and read here, in that one form only.

The header is compared as a whole and never chooses how a token is checked, so that ``none`` and other algorithms have
no way in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError

AUDIENCE = "multi-llm-comparator"
MAX_CHARS, MAX_SUBJECT_CHARS = 4096, 90
MIN_SECRET_CHARS = 32
# Clocks of two machines differ by some seconds.
LEEWAY_S = 10.0
_HEADERS: tuple[dict[str, Any], ...] = ({"alg": "HS256", "typ": "JWT"}, {"alg": "HS256"})


@dataclass(frozen=True, slots=True)
class SignedToken:
    """Who shows it, and what for. ``scopes`` is empty where the token does not say."""

    subject: str
    scopes: frozenset[str]
    expires_at: float


def check_secret(secret: str) -> None:
    """Raises ConfigurationError: too short to sign with (RFC 7518, 3.2)."""
    if len(secret.encode()) < MIN_SECRET_CHARS:
        raise ConfigurationError(
            f"jwt_secret has {len(secret)} characters; give at least {MIN_SECRET_CHARS} random ones, such as "
            "'openssl rand -base64 32' makes, or none to take no signed tokens"
        )


def make_token(secret: str, subject: str, scopes: frozenset[str], valid_s: float) -> str:
    """A token for ``subject``.

    Raises:
        ConfigurationError: no secret to sign with.
    """
    check_secret(secret)
    claims = {
        "sub": subject,
        "aud": AUDIENCE,
        "scope": " ".join(sorted(scopes)),
        "iat": int(now()),
        "exp": int(now() + valid_s),
    }
    signed = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (_HEADERS[0], claims))
    return f"{signed}.{_encoded(_signature(secret, signed))}"


def looks_signed(text: str) -> bool:
    return text.startswith("eyJ") and text.count(".") == 2


def read_token(secret: str, token: str) -> SignedToken | None:
    """What a token says; None for one that is not signed with ``secret``, has expired, or is for somebody else."""
    if len(token) > MAX_CHARS or token.count(".") != 2 or not token.isascii():
        return None
    signed, _, signature = token.rpartition(".")
    given = _decoded(signature)
    if given is None or not hmac.compare_digest(given, _signature(secret, signed)):
        return None
    header, claims = (_object(part) for part in signed.split("."))
    if header not in _HEADERS or claims is None:
        return None
    return _checked(claims)


def _checked(claims: dict[str, Any]) -> SignedToken | None:
    expires_at, begins_at = _time(claims.get("exp")), _time(claims.get("nbf", 0))
    subject, audience = claims.get("sub", claims.get("user_id")), claims.get("aud", AUDIENCE)
    if expires_at is None or begins_at is None or not isinstance(subject, str | int):
        return None
    if expires_at <= now() - LEEWAY_S or begins_at > now() + LEEWAY_S:
        return None
    if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        return None
    scope, name = claims.get("scope", ""), str(subject)
    if not isinstance(scope, str) or not 1 <= len(name) <= MAX_SUBJECT_CHARS:
        return None
    return SignedToken(name, frozenset(scope.split()), expires_at)


def _time(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e12 else None


def _signature(secret: str, signed: str) -> bytes:
    return hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes | None:
    """Strictly: one signature must not have several spellings."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    return data if _encoded(data) == text else None


def _object(part: str) -> dict[str, Any] | None:
    data = _decoded(part)
    if data is None:
        return None
    try:
        found = read_json(data, "a signed token", MAX_CHARS)
    except DocumentError:
        return None
    return found if isinstance(found, dict) else None
