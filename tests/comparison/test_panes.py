"""What a person chose for a pane, and what came from a model's makers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from multi_llm_comparator.comparison.documents import PaneDocument, pane_document, pane_from, validated
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig

NOTHING: frozenset[str] = frozenset()
OLD = ModelConfig(temperature=0.7, top_k=20)
NEW = ModelConfig(temperature=0.2, top_p=0.5)


def pane(by_hand: frozenset[str] | None, **chosen: Any) -> Pane:
    return Pane("a", "m1", replace(OLD, **chosen), by_hand)


def test_what_was_chosen_stays_with_another_model_and_the_rest_is_as_its_makers_recommend() -> None:
    chosen: dict[str, Any] = {"temperature": 0.0, "system_prompt": "Be brief.", "n_ctx": 4096, "max_tokens": 99}
    changed = pane(frozenset(chosen), **chosen).with_model("m2", OLD, NEW)
    assert changed.target == "m2"
    assert changed.config == replace(NEW, **chosen, reproducible=True)
    assert changed.by_hand == frozenset(chosen)


def test_a_value_chosen_stays_also_where_it_is_what_was_recommended() -> None:
    assert pane(frozenset({"temperature"})).with_model("m2", OLD, NEW).config.temperature == 0.7
    assert pane(NOTHING).with_model("m2", OLD, NEW).config == NEW


def test_without_an_account_what_is_not_as_recommended_was_chosen() -> None:
    changed = pane(None, temperature=0.9, seed=42).with_model("m2", OLD, NEW)
    assert (changed.config.temperature, changed.config.seed, changed.config.top_k) == (0.9, 42, NEW.top_k)
    assert changed.by_hand == {"temperature", "seed"}


def test_the_leave_to_run_a_models_own_code_never_goes_to_another_model() -> None:
    trusting = pane(frozenset({"trust_remote_code"}), trust_remote_code=True)
    assert not trusting.with_model("m2", OLD, NEW).config.trust_remote_code


@pytest.mark.parametrize(
    ("chosen", "is_on"),
    [
        ({}, False),
        ({"temperature": 0.0}, True),
        ({"temperature": 0.3}, False),
        ({"seed": 42}, True),
        ({"temperature": 0.3, "seed": 0}, True),
        ({"seed": None}, False),
        ({"temperature": 0.0, "reproducible": False}, False),
        ({"seed": 42, "reproducible": False}, False),
        ({"temperature": 0.3, "reproducible": True}, True),
    ],
)
def test_it_is_reproducible_by_itself_where_temperature_0_or_a_seed_was_chosen(
    chosen: dict[str, Any], is_on: bool
) -> None:
    set_up = pane(NOTHING).with_parameters(replace(OLD, **chosen), frozenset(chosen))
    assert set_up.config.reproducible is is_on


def test_a_temperature_of_0_that_the_makers_recommend_was_not_chosen() -> None:
    assert not pane(NOTHING).with_parameters(replace(OLD, temperature=0.0), NOTHING).config.reproducible


def test_switched_off_it_stays_off_whatever_is_set_afterwards() -> None:
    off = pane(NOTHING).with_parameters(replace(OLD, temperature=0.0), frozenset({"temperature", "reproducible"}))
    assert off.by_hand is not None
    warm = off.with_parameters(OLD, off.by_hand)
    assert warm.by_hand is not None
    seeded = warm.with_parameters(replace(OLD, seed=42), warm.by_hand | {"seed"})
    assert not seeded.with_model("m2", OLD, NEW).config.reproducible


@pytest.mark.parametrize("by_hand", [None, NOTHING, frozenset({"seed", "stop"})])
def test_the_account_is_kept_with_the_pane(by_hand: frozenset[str] | None) -> None:
    stored = validated(PaneDocument, pane_document(pane(by_hand)), "it")
    assert pane_from(stored) == pane(by_hand)


def test_a_pane_of_an_earlier_version_has_none_and_names_of_a_later_one_are_left_out() -> None:
    earlier = {name: value for name, value in pane_document(pane(NOTHING)).items() if name != "by_hand"}
    assert pane_from(validated(PaneDocument, earlier, "it")).by_hand is None
    later = {**pane_document(pane(NOTHING)), "by_hand": ["seed", "telepathy"]}
    assert pane_from(validated(PaneDocument, later, "it")).by_hand == {"seed"}
