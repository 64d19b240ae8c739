from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from multi_llm_comparator.core.callers import KeyLimits
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.keys import scrub
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.tracking.tables import api_keys as KEYS


def test_a_key_is_shown_once_and_kept_as_a_digest(store: Store) -> None:
    key, secret = store.api_keys.create("laptop", limits=KeyLimits(rpm=5, priority="low"), valid_s=60)
    shown = secret.get_secret_value()
    assert shown.startswith(f"{key.prefix}-") and len(shown) > 50
    assert store.api_keys.verify(shown) == key == store.api_keys.list()[0]
    assert (key.limits.rpm, key.limits.priority, key.state) == (5, "low", "valid")
    with store._engine.connect() as connection:
        row = dict(connection.execute(select(KEYS)).one()._mapping)
    assert shown not in json.dumps(row, default=str) and shown[len(key.prefix) + 1 :] not in repr(store.api_keys.list())
    assert shown not in scrub(f"it said {shown} is wrong")


def test_what_is_not_the_whole_key_is_not_it(store: Store) -> None:
    key, secret = store.api_keys.create("one")
    shown = secret.get_secret_value()
    other = "A" if shown[-1] != "A" else "B"
    for wrong in ("", key.prefix, shown[:-1], shown[:-1] + other, shown + "A", shown.upper(), f" {shown}", "mlc-é"):
        assert store.api_keys.verify(wrong) is None
    assert store.api_keys.verify(f"mlc-00000000-{shown[13:]}") is None


def test_revoked_and_expired_keys_are_refused_and_can_be_deleted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    key, secret = store.api_keys.create("one")
    with pytest.raises(ConfigurationError, match="revoke it first"):
        store.api_keys.delete(key.id)
    assert store.api_keys.revoke(key.prefix).state == "revoked"
    assert store.api_keys.verify(secret.get_secret_value()) is None
    store.api_keys.delete(key.prefix)
    assert store.api_keys.list() == []
    brief, secret = store.api_keys.create("two", valid_s=10)
    monkeypatch.setattr("multi_llm_comparator.tracking.api_keys.now", lambda: brief.created_at + 11)
    assert (store.api_keys.verify(secret.get_secret_value()), store.api_keys.list()[0].state) == (None, "expired")
    with pytest.raises(ConfigurationError, match="there is no key"):
        store.api_keys.revoke("mlc-nowhere")


@pytest.mark.parametrize(
    "given",
    [
        {"name": " "},
        {"name": "x" * 101},
        {"name": "x", "scopes": ()},
        {"name": "x", "scopes": ("models", "all")},
        {"name": "x", "valid_s": 0},
        {"name": "x", "limits": KeyLimits(rpm=0)},
        {"name": "x", "limits": KeyLimits(budget_per_day_usd=-1)},
        {"name": "x", "limits": KeyLimits(priority="first")},  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_refused(store: Store, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        store.api_keys.create(**given)
