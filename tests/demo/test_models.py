"""The shipped demo models: their shape, their cards, and that they answer about as well as the cards say."""

import json
from typing import Any

import pytest
import torch
from safetensors import safe_open

from demo.checkpoints import parameter_count
from demo.evaluate import load
from demo.measuring import measure, score
from demo.shapes import LARGE, SHAPES, SMALL, Shape

SHAPE_LIST = list(SHAPES.values())
CHECK_ITEMS = 136
CHECK_SEED = 77
"""Other questions than the card's."""


def config_of(shape: Shape) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((shape.folder / "config.json").read_text())
    return config


def report_of(shape: Shape) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((shape.folder / "evaluation.json").read_text())
    return report


@pytest.mark.parametrize("shape", SHAPE_LIST, ids=lambda shape: shape.name)
def test_checkpoint_has_the_documented_shape(shape: Shape) -> None:
    config = config_of(shape)
    assert config["model_type"] == shape.family.model_type
    assert {name: config[name] for name in shape.sizes} == shape.sizes
    assert config["tie_word_embeddings"]
    assert config["dtype"] == "float16"


def test_sizes_are_about_one_and_four_million() -> None:
    assert 0.9e6 < parameter_count(SMALL.folder) < 1.2e6
    assert 3.8e6 < parameter_count(LARGE.folder) < 6e6


def test_weights_leave_room_in_the_repository() -> None:
    assert sum((shape.folder / "model.safetensors").stat().st_size for shape in SHAPE_LIST) < 14e6


@pytest.mark.parametrize("shape", SHAPE_LIST, ids=lambda shape: shape.name)
def test_weights_are_finite_float16_in_widths_that_quantise(shape: Shape) -> None:
    with safe_open(shape.folder / "model.safetensors", framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118 - not a mapping
            tensor = weights.get_tensor(name)
            assert tensor.dtype == torch.float16
            assert bool(torch.isfinite(tensor).all()), name
            if tensor.ndim == 2:
                assert tensor.shape[1] % (256 if shape is LARGE else 32) == 0, name


@pytest.mark.parametrize("shape", SHAPE_LIST, ids=lambda shape: shape.name)
def test_card_states_the_measured_figures(shape: Shape) -> None:
    report = report_of(shape)
    text = (shape.folder / "README.md").read_text()
    figures = [report["overall"], *report["halves"].values(), *report["languages"].values(), *report["tasks"].values()]
    for figure in figures:
        assert f"{figure['right'] / figure['items']:.0%} ({figure['right']}/{figure['items']})" in text
    assert report["overall"]["items"] >= 2000


def test_the_large_model_is_clearly_better_where_it_is_hard() -> None:
    small, large = report_of(SMALL), report_of(LARGE)
    assert large["halves"]["hard"]["accuracy"] > small["halves"]["hard"]["accuracy"] + 0.1


@pytest.mark.parametrize("shape", SHAPE_LIST, ids=lambda shape: shape.name)
def test_model_answers_fresh_questions_about_as_well_as_its_card_says(shape: Shape) -> None:
    model, tokenizer = load(shape.folder)
    answered = measure(model, tokenizer, CHECK_ITEMS, CHECK_SEED)
    # Three standard errors of a share near 0.8 over this many questions are about 0.1.
    assert score(answered)["accuracy"] > report_of(shape)["overall"]["accuracy"] - 0.1
