"""What votes and cascades are worth, on recorded answers: no model is asked.

    python -m benchmarks.cooperation --data FOLDER

FOLDER has ``zeroeval/*.json.gz`` (``questions`` with ``answer``, ``models`` with ``pred``) and ``mmlu_pro/*.json.gz``
(``questions`` with ``answer``, ``pred`` by model). Weights are made from the first half of the questions and everything
is scored on the second. Of each file all members vote; of those in SMALL some small ones too, and a cascade asks a
large one where two small ones differ. The best member is the one that was best in the first half.

Prints a table and writes ``benchmarks/results/cooperation.json``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.results import save_table
from multi_llm_comparator.cooperation.votes import Vote, chance_of_leader, is_decided, tally
from multi_llm_comparator.cooperation.weighting import Record, accuracies, weights_from

CONFIDENCE = 0.95
# Of the members, stopping early may ask so many on average.
MOST_CALLS = 0.7
# Small models of the recorded ones, the better first: by their size, not by how they do here.
SMALL = {
    "gsm": (
        "gemma-2-9b-it",
        "Meta-Llama-3.1-8B-Instruct",
        "Qwen2-7B-Instruct",
        "Phi-3.5-mini-instruct",
        "Mistral-Nemo-Instruct-2407",
    ),
    "crux": (
        "Qwen2.5-7B-Instruct",
        "gemma-2-9b-it",
        "Yi-1.5-9B-Chat",
        "Phi-3-mini-4k-instruct",
        "Meta-Llama-3.1-8B-Instruct",
        "Qwen2-7B-Instruct",
    ),
}
LARGE = "gpt-4o-2024-08-06"


def recorded_vote(
    votes: Sequence[str | None], weights: Sequence[float], *, stop_early: bool = True, confidence: float | None = None
) -> tuple[str | None, int]:
    """What a vote comes to if the members are asked one by one, the weightiest first, and how many were asked.

    Args:
        votes: what each member says, None where nothing counts.
        weights: 0 or more; who has 0 is not asked.
        stop_early: whether to end as soon as the rest cannot change it.
        confidence: ends it also once the leader stays ahead with this chance, with two votes at least.
    """
    order = sorted((m for m, weight in enumerate(weights) if weight > 0), key=lambda m: (-weights[m], m))
    cast: list[Vote] = []
    for asked, m in enumerate(order, 1):
        if votes[m] is not None:
            cast.append(Vote(str(m), votes[m], weights[m]))
        if not stop_early or not cast:
            continue
        is_sure = confidence is not None and len(cast) > 1 and chance_of_leader(cast) >= confidence
        if is_sure or is_decided(cast, [weights[n] for n in order[asked:]]):
            return tally(cast).winner, asked
    return tally(cast).winner, len(order)


@dataclass(frozen=True)
class Recorded:
    """What each model answered to each question of one data set."""

    name: str
    answers: Mapping[str, Sequence[str | None]]
    right: Sequence[str]

    def records(self, members: Sequence[str]) -> list[Record]:
        return [Record(tuple(self.answers[m][n] for m in members), right) for n, right in enumerate(self.right)]


@dataclass(frozen=True)
class Measured:
    """One set of members on the second half of the questions; shares of right answers, calls for each question."""

    data: str
    members: int
    best: float
    best_afterwards: float
    majority: float
    weighted: float
    scheme: str
    calls: float
    stopped: float
    sure_calls: float
    sure: float
    oracle: float


def read(path: Path) -> Recorded:
    """A recorded data set in one of the two forms."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        data = json.load(file)
    right = [str(question["answer"]) for question in data["questions"]]
    if "models" in data:
        answers: dict[str, Sequence[str | None]] = {name: one["pred"] for name, one in data["models"].items()}
    else:
        # A letter for each question; another sign where there was none.
        answers = {name: [p if p.isalnum() else None for p in letters] for name, letters in data["pred"].items()}
    return Recorded(path.name.split(".")[0], answers, right)


def measure(recorded: Recorded, members: Sequence[str]) -> Measured:
    """Weights from the first half, everything else from the second."""
    records = recorded.records(members)
    half = len(records) // 2
    known, scored = records[:half], records[half:]
    found, before, after = weights_from(known), accuracies(known), accuracies(scored)
    best = max(range(len(members)), key=lambda m: before[m])
    plain = [recorded_vote(r.votes, [1.0] * len(members), stop_early=False)[0] for r in scored]
    whole = [recorded_vote(r.votes, found.weights, stop_early=False)[0] for r in scored]
    early = [recorded_vote(r.votes, found.weights) for r in scored]
    sure = [recorded_vote(r.votes, found.weights, confidence=CONFIDENCE) for r in scored]
    return Measured(
        data=recorded.name,
        members=len(members),
        best=after[best],
        best_afterwards=max(after),
        majority=_share(plain, scored),
        weighted=_share(whole, scored),
        scheme=f"{found.scheme}, {found.heard} heard, lead {found.lead:g}",
        calls=fmean(calls for _, calls in early),
        stopped=_share([choice for choice, _ in early], scored),
        sure_calls=fmean(calls for _, calls in sure),
        sure=_share([choice for choice, _ in sure], scored),
        oracle=fmean(r.right in r.votes for r in scored),
    )


def cascade(recorded: Recorded, small: Sequence[str], large: str) -> tuple[float, float, float]:
    """Two small ones, the large one where they differ: right, the share of questions that the large one was asked, and
    the large one alone; on the second half."""
    records = recorded.records([*small[:2], large])
    scored = records[len(records) // 2 :]
    agreed = [r.votes[0] is not None and r.votes[0] == r.votes[1] for r in scored]
    said = [r.votes[0] if same else r.votes[2] for r, same in zip(scored, agreed, strict=True)]
    return _share(said, scored), 1 - fmean(agreed), fmean(r.votes[2] == r.right for r in scored)


def _share(said: Sequence[str | None], records: Sequence[Record]) -> float:
    return fmean(one == record.right for one, record in zip(said, records, strict=True))


HEADING = [
    "recorded answers",
    "members",
    "best member",
    "best afterwards",
    "plain majority",
    "weighted",
    "stopped early",
    "calls",
    f"stopped at {CONFIDENCE:.0%}",
    "calls",
    "oracle",
]


def row(found: Measured) -> list[str]:
    calls = f"{found.calls:.2f} ({found.calls / found.members:.0%})"
    sure_calls = f"{found.sure_calls:.2f} ({found.sure_calls / found.members:.0%})"
    shares = (found.best, found.best_afterwards, found.majority, found.weighted, found.stopped)
    return [
        found.data,
        str(found.members),
        *(f"{share:.3f}" for share in shares),
        calls,
        f"{found.sure:.3f}",
        sure_calls,
        f"{found.oracle:.3f}",
    ]


def missed(found: Measured) -> bool:
    """Whether the vote is below the best member, stopping early changes it, or it takes more calls than it should."""
    calls = found.calls / found.members if found.members > 1 else 0.0
    return found.weighted < found.best or found.stopped < found.weighted or calls > MOST_CALLS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recorded answers")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    given = parser.parse_args()
    files = sorted(given.data.rglob("*.json.gz"))
    if not files:
        print(f"{given.data} has no *.json.gz", file=sys.stderr)
        return 2
    rows, cascades = [HEADING], list[str]()
    measured: list[Measured] = []
    for path in files:
        recorded = read(path)
        small = [name for name in SMALL.get(recorded.name, ()) if name in recorded.answers]
        for members in filter(None, (small, sorted(recorded.answers))):
            found = measure(recorded, members)
            measured.append(found)
            rows.append(row(found))
            print(" | ".join(rows[-1]), found.scheme, flush=True)
        if len(small) > 1 and LARGE in recorded.answers:
            right, asked, alone = cascade(recorded, small, LARGE)
            cascades.append(
                f"{recorded.name} {right:.3f} asking it in {asked:.1%} of the questions (alone {alone:.3f})"
            )
            print("cascade", cascades[-1])
    note = "Cascade of two small models and " + LARGE + ": " + "; ".join(cascades) + "." if cascades else ""
    if not given.dry:
        details = {"measured": [asdict(found) for found in measured], "cascades": cascades}
        save_table("cooperation", rows, note, details)
    return 1 if any(map(missed, measured)) else 0


if __name__ == "__main__":
    sys.exit(main())
