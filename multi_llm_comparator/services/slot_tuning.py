"""How many requests a model decodes together: learnt from how fast it was with so many, on this machine.

A step for several answers costs less than one for each, up to a number that depends on model and machine: a small model
that fits into a core's cache may be slower with eight than with four. So what each number of answers made together is
remembered, and a number is tried only while so many wait for it. Of numbers that are about as fast the largest is
taken: nobody waits for another's end to see a first word.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.files import write_atomically

# Numbers of requests that are compared; others are left out of the book.
RUNGS = (1, 2, 4, 8, 16, 32)
# A number is known after so many steps with it, and is left for a smaller one that makes so many times its tokens/s.
MIN_STEPS = 48
PAYS = 1.05
# What one report counts against those before it: the machine may be busy with other work for a while.
WEIGHT = 0.2
MAX_MODELS = 200
MAX_FILE_BYTES = 256 * 1024

log = logging.getLogger(__name__)


@dataclass
class Speeds:
    """Of one model on one machine: tokens/s of all answers together, and decode steps, by how many were written."""

    tokens_per_s: dict[int, float] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)

    def note(self, rows: int, steps: int, seconds: float) -> None:
        """``steps`` decode steps of ``rows`` answers took ``seconds``."""
        if rows not in RUNGS or steps < 1 or seconds <= 0:
            return
        rate, known = rows * steps / seconds, self.tokens_per_s.get(rows)
        share = max(WEIGHT, steps / (self.steps.get(rows, 0) + steps))
        self.tokens_per_s[rows] = rate if known is None else known + share * (rate - known)
        self.steps[rows] = min(self.steps.get(rows, 0) + steps, 10 * MIN_STEPS)

    @property
    def known(self) -> dict[int, float]:
        """The numbers that were seen for long enough, in order."""
        return {rows: self.tokens_per_s[rows] for rows in RUNGS if self.steps.get(rows, 0) >= MIN_STEPS}

    def best(self, first: int, most: int) -> int:
        """How many to decode together: the most that are not known to be slower than fewer; next to them, a number that
        was not tried yet. ``first`` until that is known.
        """
        known = {rows: rate for rows, rate in self.known.items() if rows <= most}
        if first not in known:
            return first
        fewer = [rows for rows in known if rows < first and known[rows] >= PAYS * known[first]]
        if fewer:
            return max(fewer, key=known.__getitem__)
        best, fastest = first, known[first]
        for rows in (rung for rung in RUNGS if first < rung <= most):
            if rows not in known:
                return rows
            if PAYS * known[rows] < fastest:
                return best
            best, fastest = rows, max(fastest, known[rows])
        return best


class SpeedBook:
    """A small file that outlives the app: the speeds of each model, for the machine that they were measured on."""

    def __init__(self, path: Path, machine: str) -> None:
        self._path, self._machine = path, machine
        self._models: dict[str, Speeds] | None = None

    def of(self, key: str) -> Speeds:
        """The speeds of the model ``key``, to be read and noted in."""
        models = self._read()
        # The last one used is the last one to go.
        models[key] = models.pop(key, Speeds())
        while len(models) > MAX_MODELS:
            del models[next(iter(models))]
        return models[key]

    def save(self) -> None:
        """Raises OSError: it cannot be written."""
        models = {
            key: {str(rows): [round(rate, 2), speeds.steps.get(rows, 0)] for rows, rate in speeds.tokens_per_s.items()}
            for key, speeds in self._read().items()
            if speeds.tokens_per_s
        }
        write_atomically(self._path, json.dumps({"machine": self._machine, "models": models}, indent=1))

    def _read(self) -> dict[str, Speeds]:
        if self._models is None:
            try:
                data = load_json(self._path, MAX_FILE_BYTES)
            except (OSError, ValueError):
                # Absent or damaged: it is learnt anew.
                data = {}
            same = isinstance(data, dict) and data.get("machine") == self._machine
            stored = data.get("models") if same else {}
            self._models = {
                str(key): _speeds(entry)
                for key, entry in list((stored if isinstance(stored, dict) else {}).items())[-MAX_MODELS:]
            }
        return self._models


def _speeds(entry: Any) -> Speeds:
    speeds = Speeds()
    for rows in RUNGS:
        match entry.get(str(rows)) if isinstance(entry, Mapping) else None:
            case [int() | float() as rate, int() as steps] if rate > 0 and steps > 0:
                speeds.tokens_per_s[rows], speeds.steps[rows] = float(rate), steps
    return speeds
