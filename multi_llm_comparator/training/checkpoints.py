"""Checkpoints of a tuning: which of them are whole, and which adapter was best.

A process may be killed at any moment, also while it writes. So a checkpoint counts from the moment that a small file
names it, which is written after all else has reached the disk; the best adapter appears under its name by a rename.
What else lies there is half of something, and is removed.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.files import write_atomically

LAST_FILE = "last_checkpoint.json"
STATE_FILE = "tuning_state.json"
MAX_STATE_BYTES = 16 * 2**20
BEST = "best-"
CURVE_POINTS = 1000


@dataclass
class TuningState:
    """What a tuning knows of itself beside the weights: it is part of each checkpoint.

    ``losses`` are [step, mean loss since the one before], ``validation`` [step, loss]; ``worse`` counts evaluations
    since the best one.
    """

    losses: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    best_step: int | None = None
    best_loss: float = math.inf
    worse: int = 0
    trained_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"best_loss": self.best_loss if self.best_step is not None else None}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TuningState:
        state = cls(**data)
        state.losses, state.validation = ([(int(s), float(v)) for s, v in c] for c in (state.losses, state.validation))
        if state.best_step is None:
            state.best_loss = math.inf
        return state


class Checkpoints:
    """Those in ``folder``; who ``tidies`` removes what is no whole one as soon as this is made."""

    def __init__(self, folder: Path, *, tidies: bool = True) -> None:
        self.folder = folder
        self.last, self.state = self._find()
        if tidies:
            self._tidy()

    def named(self, step: int, state: TuningState) -> None:
        """The checkpoint of ``step`` is all written: from now on it counts."""
        self.state = state
        made = self.folder / f"checkpoint-{step}"
        (made / STATE_FILE).write_text(json.dumps(state.to_json()), encoding="utf-8")
        _flush(made)
        write_atomically(self.folder / LAST_FILE, json.dumps({"step": step}))
        self.last = made
        self._tidy()

    def keep_best(self, model: Any, step: int) -> None:
        """Keep the adapter of ``model`` as the best one. The one before stays until a checkpoint knows of this."""
        part = self.folder / f".{BEST}{step}.part"
        shutil.rmtree(part, ignore_errors=True)
        model.save_pretrained(part)
        _flush(part)
        found = self.best(step)
        shutil.rmtree(found, ignore_errors=True)
        part.replace(found)

    def best(self, step: int) -> Path:
        return self.folder / f"{BEST}{step}"

    def forget(self) -> None:
        """Nothing here is to be resumed."""
        (self.folder / LAST_FILE).unlink(missing_ok=True)

    def _find(self) -> tuple[Path | None, TuningState]:
        try:
            step = int(load_json(self.folder / LAST_FILE, MAX_STATE_BYTES)["step"])
            found = self.folder / f"checkpoint-{step}"
            return found, TuningState.from_json(load_json(found / STATE_FILE, MAX_STATE_BYTES))
        except (OSError, ValueError, TypeError, KeyError):
            return None, TuningState()

    def _tidy(self) -> None:
        kept = {self.last, self.best(self.state.best_step) if self.state.best_step is not None else None}
        for pattern in ("checkpoint-*", f"{BEST}*", f".{BEST}*"):
            for other in self.folder.glob(pattern):
                if other not in kept:
                    shutil.rmtree(other, ignore_errors=True)


def has_checkpoint(folder: Path) -> bool:
    """Whether a tuning can be resumed from what is in ``folder``."""
    return (folder / LAST_FILE).is_file()


def _flush(folder: Path) -> None:
    for file in folder.iterdir():
        with file.open("rb") as written:
            os.fsync(written.fileno())
