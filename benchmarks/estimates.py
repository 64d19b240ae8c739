"""What is said of a tuning before it starts, beside what happened: memory at its peak, and time, of twenty jobs.

Each job is estimated as the page does it, after a short step was measured on this machine, and then run as a job of the
app is, in a process of its own. They differ in base, rank, length of rows, batch, packing, checkpointing, precision and
method. Rows are pieces of the documentation. A job that fails is told and counts as missed. It takes about 15 minutes
on two cores; only a whole run is kept:

    python -m benchmarks.estimates
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.results import RESULTS, number, save_table
from multi_llm_comparator.core.exceptions import MultiLLMError, TrainingError
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.spec import make_spec
from multi_llm_comparator.training.costs import measured_costs
from multi_llm_comparator.training.data.prepare import prepare
from multi_llm_comparator.training.data.tokens import ModelTokens
from multi_llm_comparator.training.estimate import Estimate, estimate
from multi_llm_comparator.training.model_facts import model_facts
from multi_llm_comparator.training.tuning_options import TuningOptions, tuning_options

ROOT = Path(__file__).parents[1]
SMOL, DEMOS = "models/bench/pytorch/SmolLM2-135M-Instruct", "models/pytorch"
MEMORY_WITHIN, TIME_WITHIN = 0.20, 0.30
# Rows are pieces of text: nothing is to be left out of them for being alike.
AS_IT_IS = dict.fromkeys(("exact_duplicates", "near_duplicates", "encoding", "leftovers"), False)


@dataclass(frozen=True)
class Trial:
    """One job: ``rows`` answers of about ``words`` words each, and what differs from the usual options."""

    name: str
    base: str
    rows: int
    words: int
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return str(self.changes.get("method", "lora"))


def _trials() -> list[Trial]:
    small, large, planner = (f"{DEMOS}/demo-{name}" for name in ("small", "large", "planner"))
    aside = {"share": 0.2}
    return [
        Trial("as usual", SMOL, 48, 50),
        Trial("rank 64", SMOL, 48, 50, {"rank": 64}),
        Trial("long rows, rank 4", SMOL, 12, 300, {"rank": 4, "batch_size": 4}),
        Trial("batches of 16, packs of 2,048", SMOL, 64, 60, {"batch_size": 16, "pack_tokens": 2048}),
        Trial("not packed", SMOL, 40, 40, {"packing": False}),
        Trial("values computed again", SMOL, 40, 50, {"checkpointing": True}),
        Trial("evaluations with answers", SMOL, 30, 40, {"evaluate_every": 2, "split": aside, "sample_tokens": 32}),
        Trial("pairs of answers", SMOL, 16, 40, {"method": "dpo"}),
        Trial("float32", SMOL, 40, 50, {"precision": "float32"}),
        Trial("float32, computed again", SMOL, 32, 50, {"precision": "float32", "checkpointing": True}),
        Trial("float32, long, not packed", SMOL, 10, 250, {"precision": "float32", "packing": False, "batch_size": 4}),
        Trial("float32, packs of 512", SMOL, 32, 40, {"precision": "float32", "pack_tokens": 512, "batch_size": 16}),
        Trial("as usual", small, 300, 15, {"epochs": 4}),
        Trial("rank 64, steps of 32", small, 400, 20, {"rank": 64, "batch_size": 32, "pack_tokens": 4096, "epochs": 4}),
        Trial("as usual", large, 300, 20, {"epochs": 4}),
        Trial("long rows", large, 60, 150, {"epochs": 4, "pack_tokens": 2048}),
        Trial("not packed", large, 150, 20, {"packing": False, "epochs": 4}),
        Trial("evaluations with answers", large, 120, 20, {"split": aside, "epochs": 4, "evaluate_every": 10}),
        Trial("values computed again", large, 200, 25, {"checkpointing": True, "epochs": 4, "pack_tokens": 4096}),
        Trial("as usual", planner, 300, 20, {"epochs": 4, "rank": 16}),
    ]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What was said of a trial, and what happened."""

    trial: Trial
    said: Estimate
    peak_bytes: int
    seconds: float

    @property
    def memory_error(self) -> float:
        return self.said.peak_bytes / self.peak_bytes - 1

    @property
    def time_error(self) -> float:
        return self.said.seconds / self.seconds - 1

    @property
    def parts(self) -> dict[str, int]:
        return self.said.parts

    def cells(self) -> list[str]:
        said, happened = self.said, (self.peak_bytes, self.seconds)
        return [
            Path(self.trial.base).name,
            self.trial.name,
            f"{number(said.peak_bytes / 1e9)} GB",
            f"{number(happened[0] / 1e9)} GB",
            f"{self.memory_error:+.0%}",
            f"{number(said.seconds)} s",
            f"{number(happened[1])} s",
            f"{self.time_error:+.0%}",
        ]


@dataclass(frozen=True)
class Failure:
    """A trial that came to no figures, and why: it counts as missed."""

    trial: Trial
    why: str
    memory_error: float = math.inf
    time_error: float = math.inf

    @property
    def parts(self) -> dict[str, int]:
        return {}

    def cells(self) -> list[str]:
        return [Path(self.trial.base).name, self.trial.name, "failed", self.why, "", "", "", ""]


HEADING = ["base", "job", "memory, said", "was", "off by", "time, said", "was", "off by"]


def pieces(words: int, count: int) -> list[str]:
    """Texts of the documentation, of half to one and a half times so many words."""
    drawn = random.Random(words)
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))).split()
    found = []
    for _ in range(count):
        length = max(2, round(words * drawn.uniform(0.5, 1.5)))
        begin = drawn.randrange(len(text) - length)
        found.append(" ".join(text[begin : begin + length]))
    return found


def write_rows(trial: Trial, path: Path) -> None:
    """The trial's data set."""
    answers = pieces(trial.words, trial.rows)
    if trial.method == "dpo":
        others = pieces(trial.words + 1, trial.rows)
        rows = [
            {"prompt": f"Go on with text {place}.", "chosen": one, "rejected": other}
            for place, (one, other) in enumerate(zip(answers, others, strict=True))
        ]
    else:
        rows = [{"prompt": f"Go on with text {place}.", "completion": one} for place, one in enumerate(answers)]
    path.write_text(json.dumps(rows), encoding="utf-8")


def options_of(trial: Trial, data: Path) -> TuningOptions:
    changes = dict(trial.changes)
    split = changes.pop("split", {"share": 0.0})
    source = {"source": str(data), "cleaning": AS_IT_IS, "split": split}
    usual = {"model_path": str((ROOT / trial.base).absolute()), "data": source, "epochs": 1, "checkpointing": False}
    return tuning_options(usual | changes)


def expected(options: TuningOptions, home: Path) -> Estimate:
    """As the page says it, once this machine was measured."""
    base = Path(options.model_path)
    facts = model_facts(base)
    tokens = ModelTokens(base, min(options.max_tokens, facts.context or options.max_tokens))
    with tempfile.TemporaryDirectory() as folder:
        statistics = prepare(options.data, Path(folder), tokens=tokens).statistics
    assert statistics is not None
    return estimate(options, statistics, facts, measured_costs(base, options, facts, home))


def happened(options: TuningOptions, folder: Path) -> tuple[int, float]:
    """Bytes at the peak and seconds of the job, run as the app does."""
    job = JobFolder(folder)
    job.make(make_spec({"kind": "tuning", "title": "estimated", "options": options.to_dict()}))
    began = time.monotonic()
    with (folder / "printed.txt").open("wb") as printed:
        command = [sys.executable, "-m", "multi_llm_comparator.jobs.run", str(folder)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    if status:
        raise TrainingError((folder / "printed.txt").read_text(errors="replace").strip().rpartition("\n")[2][-200:])
    return used.ru_maxrss * 1024, seconds


def tried(trial: Trial, home: Path, folder: Path) -> Outcome | Failure:
    folder.mkdir()
    write_rows(trial, folder / "rows.json")
    options = options_of(trial, folder / "rows.json")
    try:
        return Outcome(trial, expected(options, home), *happened(options, folder / "job"))
    except MultiLLMError as exc:
        # One of twenty must not cost the others.
        return Failure(trial, str(exc))


def note_of(outcomes: Sequence[Outcome | Failure]) -> tuple[str, dict[str, str]]:
    """A sentence on all of them, and what documents quote of it."""
    memory = sum(abs(one.memory_error) <= MEMORY_WITHIN for one in outcomes)
    seconds = sum(abs(one.time_error) <= TIME_WITHIN for one in outcomes)
    headlines = {"memory": f"{memory} of {len(outcomes)}", "time": f"{seconds} of {len(outcomes)}"}
    said = f"Memory was within {MEMORY_WITHIN:.0%} for {headlines['memory']} jobs, time within {TIME_WITHIN:.0%} for "
    return f"{said}{headlines['time']}.", headlines


def main() -> None:
    trials = _trials()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", type=int, nargs="*", help=f"numbers of jobs, from 0 to {len(trials) - 1}; all if none"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    chosen = given.only if given.only else range(len(trials))
    outcomes: list[Outcome | Failure] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for place in chosen:
            outcomes.append(tried(trials[place], Path(folder), Path(folder) / f"trial{place}"))
            print("  ".join([f"{place:2}", *outcomes[-1].cells()]), flush=True)
            print(f"      {json.dumps({name: round(size / 1e6) for name, size in outcomes[-1].parts.items()})} MB")
    note, headlines = note_of(outcomes)
    print(f"{note} It took {(time.monotonic() - began) / 60:.0f} minutes.")
    if len(outcomes) == len(trials):
        details = {"headlines": headlines, "parts": [one.parts for one in outcomes]}
        rows = [HEADING, *(one.cells() for one in outcomes)]
        print(f"written to {save_table('estimates', rows, note, details, given.results)}")


if __name__ == "__main__":
    main()
