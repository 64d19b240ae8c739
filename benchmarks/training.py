"""How fast a model is tuned by LoRA: ours beside trl's ``SFTTrainer`` on the same rows.

Two ways stand in processes of their own and take steps in turn, so that whatever slows the machine slows both. Tokens
are counted without padding. Gradient checkpointing is off everywhere; dropout too, so that losses can be compared: all
see each row once, packed trainers in other steps, so what is compared is the mean over all learnt tokens of the round:

    python -m benchmarks.training --model models/bench/pytorch/SmolLM2-135M-Instruct --data alpaca.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.results import RESULTS, Figure, ratio_figure, save
from multi_llm_comparator.core.cpus import available_cpus, multiplies_bfloat16

# Ours, the peer, how many times its speed is wanted, and the name of the figure.
PAIRS = (
    ("ours bfloat16", "plain", 5.0, "tuning in bfloat16, beside plain SFTTrainer in float32"),
    ("ours bfloat16", "packed bfloat16", 1.5, "tuning in bfloat16, beside packed SFTTrainer in bfloat16"),
    ("ours", "plain", 2.5, "tuning in float32, beside plain SFTTrainer in float32"),
    ("ours", "packed", 1.0, "tuning in float32, beside packed SFTTrainer in float32"),
    ("ours", "grouped", 1.0, "tuning in float32, beside SFTTrainer grouped by length"),
)


@dataclass
class Course:
    """What one contestant did: for each step its loss, tokens, learnt tokens and seconds."""

    losses: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    learnt: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    @property
    def loss(self) -> float:
        """The mean over all learnt tokens: steps that have more of them weigh more."""
        return sum(loss * learnt for loss, learnt in zip(self.losses, self.learnt, strict=True)) / sum(self.learnt)

    def speed(self, steps: slice) -> float:
        return sum(self.tokens[steps]) / sum(self.seconds[steps])


class Contestant:
    """A process that takes a step when told. Use as a context manager."""

    def __init__(self, way: str, words: Sequence[str]) -> None:
        command = [sys.executable, "-m", "benchmarks.training_contestant", way, *words]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.course = Course()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def step(self) -> None:
        told = self._told("\n")
        self.course.losses.append(told["loss"])
        self.course.tokens.append(told["tokens"])
        self.course.learnt.append(told["learnt"])
        self.course.seconds.append(told["seconds"])

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self.course.peak_bytes = self._told("")["peak_bytes"]

    def _told(self, line: str) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        if line:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        while answer := self._process.stdout.readline():
            if answer.startswith('{"'):
                told: dict[str, Any] = json.loads(answer)
                return told
        raise SystemExit(f"a contestant ended with code {self._process.wait()}; run it by itself to see why")


def raced(ways: tuple[str, str], words: Sequence[str], steps: int) -> tuple[Course, Course]:
    """Both ways, step by step in turn; the first step of each warms up and counts for its loss alone."""
    with Contestant(ways[0], words) as ours, Contestant(ways[1], words) as peer:
        for _ in range(steps):
            ours.step()
            peer.step()
        ours.end()
        peer.end()
        return ours.course, peer.course


def figures_of(id: str, name: str, wanted: float, courses: tuple[Course, Course]) -> list[Figure]:
    """Speed, memory and loss of one pair."""
    ours, peer = courses
    counted = range(1, len(ours.seconds))
    rounds = [(ours.speed(slice(n, n + 1)), peer.speed(slice(n, n + 1))) for n in counted]
    means = [course.loss for course in courses]
    return [
        ratio_figure(id, name, rounds, unit="tokens/s", wanted=wanted),
        Figure(
            id=f"{id}-memory",
            name=f"{name}: peak memory",
            value=ours.peak_bytes / peer.peak_bytes,
            wanted=1.0,
            sense="at most",
            ours=ours.peak_bytes / 1e9,
            peer=peer.peak_bytes / 1e9,
            unit="GB",
        ),
        Figure(
            id=f"{id}-loss",
            name=f"{name}: mean loss of the same rows",
            value=abs(means[0] / means[1] - 1),
            wanted=0.02,
            sense="at most",
            value_unit="difference",
            ours=means[0],
            peer=means[1],
            unit="nats per token",
            rounds=[list(pair) for pair in zip(ours.losses, peer.losses, strict=True)],
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/bench/pytorch/SmolLM2-135M-Instruct"))
    parser.add_argument("--data", type=Path, required=True, help="chats in any form that the trainer reads")
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--steps", type=int, default=6, help="one round through the rows has rows / 8")
    parser.add_argument("--pairs", type=int, nargs="*", help="numbers of pairs, from 0; all if none")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    words = ["--model", str(given.model), "--data", str(given.data), "--rows", str(given.rows)]
    words += ["--threads", str(available_cpus())]
    figures: list[Figure] = []
    for number, (ours, peer, wanted, name) in enumerate(PAIRS):
        if given.pairs and number not in given.pairs:
            continue
        if "bfloat16" in ours and not multiplies_bfloat16():
            print(f"{name}: this processor has no instructions for bfloat16")
            continue
        courses = raced((ours, peer), words, given.steps)
        id = f"{ours}-{peer}".replace(" ", "-")
        figures += figures_of(id, name, wanted, courses)
        for figure in figures[-3:]:
            print(
                f"{figure.name}: {figure.value:.3g} ({figure.ours:.4g} and {figure.peer:.4g} {figure.unit}), ", end=""
            )
            print(f"wanted {figure.sense} {figure.wanted}: {'yes' if figure.met else 'NO'}", flush=True)
    save("training", figures, given.results)


if __name__ == "__main__":
    main()
