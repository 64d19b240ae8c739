"""``llm-config key``: keys of the API in the store."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from multi_llm_comparator.cli.consoles import messages, print_json, print_table, say
from multi_llm_comparator.core.callers import KeyLimits
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.signed_tokens import make_token
from multi_llm_comparator.tracking.api_keys import ApiKey, ApiKeys
from multi_llm_comparator.tracking.store import Store

DAY_S, HOUR_S = 86_400, 3600


@contextlib.contextmanager
def _keys() -> Iterator[ApiKeys]:
    store = Store(get_settings().resolved_database_url)
    try:
        yield store.api_keys
    finally:
        store.close()


async def add(name: str, scopes: Sequence[str], days: float | None, limits: Mapping[str, Any], as_json: bool) -> None:
    """Make a key; its secret is on standard output alone."""
    with _keys() as keys:
        key, secret = keys.create(name, scopes, valid_s=days and days * DAY_S, limits=KeyLimits(**limits))
    if as_json:
        print_json({**_plain(key), "key": secret.get_secret_value()})
    else:
        print(secret.get_secret_value())
        messages.print("this key is not shown again")


async def list_all(as_json: bool) -> None:
    """All keys, without secrets."""
    with _keys() as keys:
        found = keys.list()
    if as_json:
        print_json([_plain(key) for key in found])
        return
    rows = []
    for key in found:
        limits = ", ".join(f"{name} {value}" for name, value in asdict(key.limits).items() if value)
        cells = (key.prefix, key.name, key.state, " ".join(sorted(key.scopes)), _moment(key.expires_at))
        rows.append((*cells, _moment(key.last_used_at), limits))
    print_table(("key", "name", "state", "scopes", "expires", "last used", "limits"), rows)


async def revoke(key_id: str, as_json: bool) -> None:
    """Refuse a key from now on."""
    with _keys() as keys:
        key = keys.revoke(key_id)
    say(f"{key.prefix} ({key.name}) is refused from now on", as_json, _plain(key))


async def delete(key_id: str, as_json: bool) -> None:
    """Forget a key that is not valid any more."""
    with _keys() as keys:
        keys.delete(key_id)
    say("deleted", as_json, {"deleted": key_id})


async def token(key_id: str, minutes: float, scopes: Sequence[str] | None, as_json: bool) -> None:
    """Sign a token for a key.

    Raises:
        ConfigurationError: no such valid key, scopes that it has not, or no secret to sign with.
    """
    with _keys() as keys:
        key = keys.get(key_id)
    if key is None or key.state != "valid":
        raise ConfigurationError(f"there is no valid key {key_id!r}; see: llm-config key list")
    wanted = frozenset(scopes or key.scopes)
    if wanted - key.scopes:
        raise ConfigurationError(f"the key {key.prefix!r} has the scopes {sorted(key.scopes)}, not {sorted(wanted)}")
    signed = make_token(get_settings().jwt_secret, key.prefix, wanted, minutes * 60)
    print(json.dumps({"token": signed, "key": key.prefix, "minutes": minutes}) if as_json else signed)


async def usage(hours: float, as_json: bool) -> None:
    """What was asked, as the page Usage shows it."""
    store = Store(get_settings().resolved_database_url)
    try:
        totals = store.usage.totals(now() - hours * HOUR_S)
        names = {key.id: f"{key.prefix} ({key.name})" for key in store.api_keys.list()}
    finally:
        store.close()
    if as_json:
        print(json.dumps([asdict(one) for one in totals], ensure_ascii=False))
        return
    columns = ("key", "model", "requests", "failed", "tokens read", "written", "dollars", "median s", "95% s")
    rows = []
    for one in totals:
        named = names.get(one.caller, one.caller or "this machine")
        times = ("" if seconds is None else f"{seconds:.2f}" for seconds in (one.p50_s, one.p95_s))
        dollars = f"{one.micro_usd / 1e6:.4f}" + (f" (of {one.unpriced} no price is known)" if one.unpriced else "")
        counts = (one.requests, one.failed, one.prompt_tokens, one.completion_tokens)
        rows.append((named, one.model, *map(str, counts), dollars, *times))
    print_table(columns, rows)


def _plain(key: ApiKey) -> dict[str, Any]:
    return {**asdict(key), "scopes": sorted(key.scopes), "prefix": key.prefix, "state": key.state}


def _moment(at: float | None) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M}" if at is not None else ""
