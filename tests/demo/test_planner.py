"""The shipped demo planner: its shape, its card, and that it plans about as well as the card says."""

import json
from typing import Any

import torch
from safetensors import safe_open

from demo.composed.measuring import figures, measure
from demo.evaluate import load
from demo.shapes import PLANNER, SMALL

CHECK_QUESTIONS = 54
CHECK_SEED = 77
"""Other questions than the card's."""


def report() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PLANNER.folder / "evaluation.json").read_text())
    return read


def test_checkpoint_has_the_documented_shape() -> None:
    config = json.loads((PLANNER.folder / "config.json").read_text())
    assert config["model_type"] == PLANNER.family.model_type
    assert {name: config[name] for name in PLANNER.sizes} == PLANNER.sizes
    assert config["dtype"] == "float16"


def test_weights_are_finite_and_small() -> None:
    weights_file = PLANNER.folder / "model.safetensors"
    assert weights_file.stat().st_size < 6e6
    with safe_open(weights_file, framework="pt") as weights:
        assert all(bool(torch.isfinite(weights.get_tensor(name)).all()) for name in weights.keys())  # noqa: SIM118


def test_it_reads_as_the_other_demo_models_do() -> None:
    assert (PLANNER.folder / "tokenizer.json").read_bytes() == (SMALL.folder / "tokenizer.json").read_bytes()


def test_nine_in_ten_plans_are_the_expected_ones() -> None:
    overall = report()["overall"]
    assert overall["questions"] >= 900
    assert overall["same_dag"] >= 0.9 * overall["questions"]


def test_card_states_the_measured_figures() -> None:
    measured = report()
    text = (PLANNER.folder / "README.md").read_text()
    groups = [measured["overall"], *measured["languages"].values(), *measured["families"].values()]
    for group in [*groups, *measured["steps"].values()]:
        for count in ("valid", "same_dag", "same_models", "comes_to"):
            assert f"{group[count] / group['questions']:.1%} ({group[count]}/{group['questions']})" in text


def test_it_plans_fresh_questions_about_as_well_as_its_card_says() -> None:
    model, tokenizer = load(PLANNER.folder)
    fresh = figures(measure(model, tokenizer, CHECK_QUESTIONS, CHECK_SEED))
    overall = report()["overall"]
    # Three standard errors of a share near 0.95 over this many questions are about 0.07.
    assert fresh["same_dag"] / fresh["questions"] > overall["same_dag"] / overall["questions"] - 0.08
