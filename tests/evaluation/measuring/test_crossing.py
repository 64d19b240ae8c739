"""Models crossed with presets, temperatures and system prompts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.evaluation.measuring.crossing import Way, crossed, headings, ways_of
from multi_llm_comparator.evaluation.measuring.export import export_evaluation
from multi_llm_comparator.evaluation.measuring.outlook import count_line
from multi_llm_comparator.evaluation.measuring.report import remark_lines
from multi_llm_comparator.evaluation.measuring.spec import Crossing, EvaluationSpec, checked_spec
from tests.evaluation.measuring.making import Opened, Saying, asked_all, evaluation, prompt_set

BASE = ModelConfig(temperature=0.0, max_tokens=64)
SAVED: dict[str, dict[str, Any]] = {
    "warm": {"temperature": 0.9, "top_k": 7, "seed": 5, "max_tokens": 9},
    "wordy": {"system_prompt": "Say much."},
}


def ways(**chosen: Any) -> list[Way]:
    return ways_of(Crossing(base=BASE, **chosen), SAVED)


def asked_in_ways(**chosen: Any) -> EvaluationSpec:
    crossing = Crossing(base=BASE, **chosen)
    subjects = crossed(["x", "y"], ["X", "Y"], ways_of(crossing, SAVED))
    prompts = prompt_set(("2 + 2?", "4"), compare="contains")
    return checked_spec(subjects=subjects, prompts=prompts, crossing=crossing, repeats=2)


def test_each_model_is_asked_with_each_set_of_parameters_and_its_label_says_what_differs() -> None:
    found = ways(presets=("", "warm"), temperatures=(0.0, 0.5), systems=("", "Be brief."))
    assert len(found) == Crossing(base=BASE, presets=("", "warm"), temperatures=(0, 0.5), systems=("", "x")).count == 8
    subjects = crossed(["x", "y"], ["X", "Y"], found)
    assert [one.id for one in subjects] == list("abcdefghijklmnop")
    assert [(one.target, one.name) for one in subjects[:8]] == [
        ("x", "X · T=0"),
        ("x", "X · T=0 · “Be brief.”"),
        ("x", "X · T=0.5"),
        ("x", "X · T=0.5 · “Be brief.”"),
        ("x", "X · warm · T=0"),
        ("x", "X · warm · T=0 · “Be brief.”"),
        ("x", "X · warm · T=0.5"),
        ("x", "X · warm · T=0.5 · “Be brief.”"),
    ]
    assert subjects[7].config == ModelConfig(temperature=0.5, max_tokens=9, top_k=7, system_prompt="Be brief.")
    assert subjects[15].config == subjects[7].config


def test_a_preset_keeps_what_nothing_beside_it_says_and_its_seed_is_the_runs() -> None:
    warm, wordy = ways(presets=("warm", "wordy"))
    assert warm == Way(ModelConfig(temperature=0.9, max_tokens=9, top_k=7), "warm")
    assert wordy == Way(ModelConfig(temperature=0.0, max_tokens=64, system_prompt="Say much."), "wordy")
    (none,) = ways(presets=("wordy",), systems=("",))
    assert none == Way(BASE)


def test_where_there_is_but_one_set_of_parameters_a_label_is_the_models_name() -> None:
    assert [way.label for way in ways()] == [""]
    assert [way.label for way in ways(presets=("warm",), temperatures=(0.3,), systems=("Be brief.",))] == [""]
    assert [one.name for one in crossed(["x"], ["X" * 400], ways())] == ["X" * 300]


def test_system_prompts_that_begin_alike_are_told_apart_and_long_names_leave_room_for_it() -> None:
    long = "You are the most patient of all teachers, and answer"
    found = ways(systems=(f"{long} briefly.", f"{long}\nat length.", "No."))
    assert [way.label for way in found] == [
        "“You are the most patient of all teacher…” 1",
        "“You are the most patient of all teacher…” 2",
        "“No.”",
    ]
    first, second, _ = crossed(["x"], ["X" * 400], found)
    assert first.name != second.name and len(first.name) == 300


def test_where_names_are_cut_what_differs_comes_first() -> None:
    subjects = crossed(["x", "y"], ["X · GGUF", "Y"], ways(presets=("", "warm"), temperatures=(0.0, 0.7)))
    assert list(headings(subjects).values())[:4] == [
        "T=0 · X · GGUF",
        "T=0.7 · X · GGUF",
        "warm · T=0 · X · GGUF",
        "warm · T=0.7 · X · GGUF",
    ]
    assert headings(crossed(["x", "y"], ["X · GGUF", "X · F16"], ways())) == {"a": "X · GGUF", "b": "X · F16"}
    assert list(headings(crossed(["x"], ["X"], ways(systems=("", "No.")))).values()) == ["X", "“No.” · X"]


def test_more_than_fit_are_refused_and_counted() -> None:
    with pytest.raises(ConfigurationError, match=r"at most 16 .* not 18 \(9 models × 2 sets of parameters\)"):
        crossed([str(n) for n in range(9)], [str(n) for n in range(9)], ways(temperatures=(0.0, 1.0)))
    with pytest.raises(ConfigurationError, match=r"at most 16 .* not 18"):
        count_line({"prompts": 1}, 9, 2, 1, "en")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "12 prompts × 2 models × 3 sets of parameters × 2 times each = 144 answers"),
        ("zh", "12 条提示词 × 2 个模型 × 3 组参数 × 各 2 次 = 144 个回答"),
    ],
)
def test_it_is_said_how_many_answers_it_will_be(language: Language, said: str) -> None:
    assert count_line({"prompts": 12}, 2, 3, 2, language) == said
    assert (
        count_line({"prompts": 12, "mmlu": 100}, 2, 1, 1, "en") == "(12 prompts + 100 items) × 2 models = 224 answers"
    )


async def test_a_crossed_run_is_asked_as_it_says_kept_exported_and_opened_again(opened: Opened) -> None:
    source = Saying(lambda target, request: request.config.system_prompt or "4")
    run = await asked_all(opened(source), asked_in_ways(presets=("", "warm"), systems=("", "Be brief.")))
    assert [str(key) for key in sorted(run.cells, key=str)] == [f"0.{s}.{r}" for s in "abcdefgh" for r in (0, 1)]
    assert {(target, r.config.temperature, r.messages[0].content, r.config.seed) for target, r in source.asked} == {
        (target, temperature, first, seed)
        for target in "xy"
        for temperature in (0.0, 0.9)
        for first in ("2 + 2?", "Be brief.")
        for seed in (1, 2)
    }
    again = await opened(Saying(lambda *_: "")).get(run.id)
    assert again.spec == run.spec
    assert again.cells == run.cells
    text = export_evaluation(run.snapshot(), "markdown").decode()
    assert "X · warm · “Be brief.”" in text
    told = remark_lines(run.snapshot(), "en")
    assert len(told) == 4
    assert told[2] == "Parameters of X · warm: temperature 0.9, max_tokens 9, top_k 7, system_prompt ''."
    assert json.loads(export_evaluation(run.snapshot(), "json"))["spec"]["crossing"]["presets"] == ["", "warm"]


def test_a_run_that_crossed_nothing_is_stored_as_ever() -> None:
    assert "crossing" not in evaluation(prompt_set(("2?", "2")), "a").model_dump(mode="json")
