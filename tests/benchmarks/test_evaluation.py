"""What the benchmark of scoring says of each way of ours."""

from __future__ import annotations

from pathlib import Path

from benchmarks.evaluation import Way, figures


def test_every_way_tells_how_far_its_scores_are_apart_and_only_float32_promises_it() -> None:
    rounds = {600: [(30.0, 4.0)]}
    ways = [
        Way("PyTorch float32", Path("a"), "float32", "float32", rounds, 4e-5, 0, 144),
        Way("PyTorch bfloat16", Path("a"), "bfloat16", "bfloat16", rounds, 0.2, 1, 144),
        Way("GGUF Q8_0", Path("b"), "auto", "float32", rounds, 0.1, 0, 48),
    ]
    found = {figure.id: figure for figure in figures(ways)}
    assert {id: one.wanted for id, one in found.items() if id.endswith(("-nats", "-flips"))} == {
        "PyTorch float32-nats": 1e-3,
        "PyTorch float32-flips": 0,
        "PyTorch bfloat16-nats": None,
        "PyTorch bfloat16-flips": None,
        "GGUF Q8_0-nats": None,
        "GGUF Q8_0-flips": None,
    }
    assert found["GGUF Q8_0-nats"].name.endswith("48 items one by one")
