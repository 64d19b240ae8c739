from __future__ import annotations

import itertools
from typing import Any

import pytest

from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.palette import MODEL_TONES, STATE_TONES, UNKNOWN, model_tone, pane_tones

PAGES = {"light": "#ffffff", "dark": "#121419"}


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


# How colours look without one kind of cones (Machado 2009, severity 1).
CONES_MISSING = {
    "red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
}


def seen(colour: str, missing: str) -> tuple[float, ...]:
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple(sum(a * b for a, b in zip(row, rgb, strict=True)) for row in CONES_MISSING[missing])


@pytest.mark.parametrize("page", PAGES)
def test_every_colour_stands_out_from_the_page(page: Any) -> None:
    for tone in (*MODEL_TONES, *STATE_TONES.values()):
        assert contrast(tone.on(page), PAGES[page]) >= 3


@pytest.mark.parametrize("missing", CONES_MISSING)
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("count", "distance"), [(4, 0.2), (8, 0.12)])
def test_models_are_told_apart_also_with_a_colour_vision_deficiency(
    page: Any, missing: Any, count: int, distance: float
) -> None:
    colours = [seen(tone.on(page), missing) for tone in MODEL_TONES[:count]]
    for one, other in itertools.combinations(colours, 2):
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > distance


def test_a_model_keeps_its_colour() -> None:
    first = model_tone("aaaa")
    model_tone("bbbb")
    assert model_tone("aaaa") == first
    preferences.forget()
    assert model_tone("aaaa") == first


def test_the_first_eight_models_have_eight_colours() -> None:
    assert len({model_tone(f"model-{i}") for i in range(8)}) == 8


def test_the_colours_remembered_are_bounded() -> None:
    for i in range(preferences.MAX_COLOURS + 20):
        model_tone(f"model-{i}")
    assert len(preferences.load().colours) == preferences.MAX_COLOURS


def test_panes_keep_their_models_colours_where_they_differ() -> None:
    assert pane_tones(["a", "b", "c"]) == [model_tone("a"), model_tone("b"), model_tone("c")]


def test_panes_differ_when_models_share_a_colour_or_are_the_same() -> None:
    models = [f"model-{i}" for i in range(9)]
    colours = [model_tone(model) for model in models]
    assert colours[0] == colours[8]
    for shown in ([models[0], models[8], models[1], models[0]], ["m"] * 4):
        tones = pane_tones(shown)
        assert len(set(tones)) == 4
        assert tones[0] == model_tone(shown[0])
    assert pane_tones([models[0], models[8], models[1]])[2] == model_tone(models[1])


def test_panes_without_a_known_model_are_grey() -> None:
    assert pane_tones(["", "a", ""]) == [UNKNOWN, model_tone("a"), UNKNOWN]
