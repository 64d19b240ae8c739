from __future__ import annotations

import pytest

from multi_llm_comparator.ui.kit import figures


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (0.0352, "35 ms"),
        (0.42, "0.42 s"),
        (3.14, "3.1 s"),
        (48.4, "48 s"),
        (125, "2 min 05 s"),
        (3780, "1 h 03 min"),
    ],
)
def test_seconds_have_a_unit_that_fits(value: float | None, shown: str) -> None:
    assert figures.seconds(value) == shown


@pytest.mark.parametrize("edge", [0.0995, 0.995, 9.95, 99.5, 3600])
def test_no_duration_is_rounded_into_the_next_unit(edge: float) -> None:
    for value in (edge - 1e-6, edge, edge + 1e-6):
        assert not figures.seconds(value).startswith(("1000", "100 ms", "1.00", "10.0", "60 min"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0, "0 B"),
        (812, "812 B"),
        (4_100_000, "4.1 MB"),
        (213_400_000, "213 MB"),
        (7_400_000_000, "7.4 GB"),
        (999_999, "1.0 MB"),
    ],
)
def test_sizes_have_a_unit_that_fits(value: int | None, shown: str) -> None:
    assert figures.size(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (950, "950"), (260_000, "260 K"), (4_900_000, "4.9 M"), (7_240_000_000, "7.2 B")]
)
def test_parameters_are_counted_as_models_are_named(value: int | None, shown: str) -> None:
    assert figures.parameters(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (8.04, "8.0"), (87.66, "87.7"), (99.96, "100"), (1234.5, "1,234")]
)
def test_speeds_are_rounded_to_what_they_mean(value: float | None, shown: str) -> None:
    assert figures.speed(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (512, "512"), (1024, "1K"), (131072, "128K"), (4000, "4,000")]
)
def test_context_lengths_are_powers_of_two(value: int | None, shown: str) -> None:
    assert figures.context(value) == shown


@pytest.mark.parametrize(
    ("ago", "unit", "n"),
    [
        (0, "just_now", 0),
        (59, "just_now", 0),
        (61, "minutes", 1),
        (7200, "hours", 2),
        (200_000, "days", 2),
        (-5, "just_now", 0),
    ],
)
def test_ages_are_relative(ago: int, unit: str, n: int) -> None:
    assert figures.age(1000.0, 1000.0 + ago) == (unit, n)


def test_moments_are_told_in_the_readers_time_zone() -> None:
    assert figures.moment(0, "Asia/Shanghai") == "1970-01-01 08:00:00 CST"
    assert figures.moment(0, "nowhere/at all").startswith("1970-01-01 00:00:00")


def test_devices_are_called_what_people_call_them() -> None:
    assert [figures.device(name) for name in ("cpu", "cuda", "cuda:1", "mps", "xpu:0")] == [
        "CPU",
        "GPU 0",
        "GPU 1",
        "Apple GPU",
        "xpu:0",
    ]
