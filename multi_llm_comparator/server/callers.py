"""Who asks: the token of this start, an API key, or a signed token."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import Scope

from multi_llm_comparator.core.callers import OPEN, SCOPES, Caller
from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.core.requests import Priority
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.signed_tokens import looks_signed, read_token
from multi_llm_comparator.tracking.api_keys import ApiKey, ApiKeys, digest, looks_like_key

# How long a key that was found valid is believed: a revoked one is refused at the latest after so long.
BELIEVED_S = 2.0
MAX_REMEMBERED = 1000
MAX_SECRET_CHARS = 8192
# A caller of this priority is refused where more than this share of the requests that are taken at once are in work, so
# that the rest is left to those of higher priority.
SHARE_OF: dict[Priority, float] = {"low": 0.5, "normal": 0.9, "high": 1.0}
_STATE = "mlc.caller"


def caller_of(scope: Scope) -> Caller:
    """Who sent a request that passed the guard."""
    found = scope.get(_STATE)
    return found if isinstance(found, Caller) else OPEN


def put_caller(scope: Scope, caller: Caller) -> None:
    scope[_STATE] = caller


class Callers:
    """Finds who shows a secret.

    Args:
        token: what lets in whoever started the server; None on an open loopback.
        keys: the stored keys, asked for at each look; None while no store is open.
    """

    def __init__(self, token: str | None, keys: Callable[[], ApiKeys | None] = lambda: None) -> None:
        self._token = None if token is None else token.encode()
        self._keys = keys
        self._believed: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    async def who(self, secret: str) -> Caller | None:
        """Whose secret this is; None for a wrong, revoked or expired one.

        Raises:
            StoreError: the keys cannot be read.
        """
        if len(secret) > MAX_SECRET_CHARS:
            return None
        if self._token is not None and hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), self._token):
            return Caller("token", "token", limits=OPEN.limits)
        if looks_like_key(secret):
            return await self._believe(digest(secret), lambda keys: keys.verify(secret))
        return await self._signed(secret) if looks_signed(secret) else None

    async def still(self, caller: Caller) -> Caller | None:
        """The same caller as of now; None if its key has been revoked or has expired."""
        if caller.id == "token":
            return caller
        return await self._believe(caller.id, lambda keys: keys.get(caller.id))

    async def _signed(self, secret: str) -> Caller | None:
        """Whoever a signed token names: a key, which must be valid and bounds its scopes, or anybody else."""
        jwt_secret = get_settings().jwt_secret
        token = read_token(jwt_secret, secret) if jwt_secret else None
        if token is None:
            return None
        scopes = token.scopes or frozenset({"models"})
        if looks_like_key(token.subject):
            key = await self._believe(token.subject, lambda keys: keys.get(token.subject))
            return key and Caller(key.id, key.name, key.scopes & scopes, key.limits)
        return Caller(f"jwt:{token.subject}", token.subject, scopes & frozenset(SCOPES))

    async def _believe(self, name: str, look: Callable[[ApiKeys], ApiKey | None]) -> Caller | None:
        at, found = self._believed.get(name, (0.0, None))
        if found is not None and time.monotonic() - at < BELIEVED_S:
            return found
        keys = self._keys()
        if keys is None:
            raise StoreError("the keys are not there yet; try again in a moment")
        key = await asyncio.to_thread(look, keys)
        self._believed.pop(name, None)
        if key is None or key.state != "valid":
            return None
        caller = Caller(key.id, key.name, key.scopes, key.limits)
        self._believed[name] = (time.monotonic(), caller)
        while len(self._believed) > MAX_REMEMBERED:
            self._believed.popitem(last=False)
        return caller
