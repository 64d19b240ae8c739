"""Whether a weighted vote is at least its best member whoever takes part, on recorded answers: no model is asked.

    python -m benchmarks.cooperation_subsets --data FOLDER [--draws 6]

FOLDER as for :mod:`benchmarks.cooperation`. A set is a data set, or a category of one that has some; of each, groups of
three, five, eight and twelve members are drawn (always the same ones), and all members are one more. Weights are made
from every other question of the set, and scored on those between.

Prints a table and writes ``benchmarks/results/cooperation_subsets.json``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.cooperation import MOST_CALLS, Recorded, read, recorded_vote
from benchmarks.results import save_table
from multi_llm_comparator.cooperation.weighting import Record, accuracies, weights_from

SIZES = (3, 5, 8, 12)
HEADING = [
    "members",
    "groups",
    "a vote was chosen",
    "mean gain of these",
    "below the best member",
    "worst",
    "changed by stopping early",
    "calls",
    "calls of the votes",
    "above 70% of the calls",
]


@dataclass(frozen=True)
class Group:
    """One group on one set; shares of right answers, calls as a share of the members. ``best`` is the member that was
    best in the half that weights were made from, ``best_afterwards`` that of the half that is scored."""

    data: str
    members: int
    scored: int
    scheme: str
    heard: int
    lead: float
    best: float
    best_afterwards: float
    weighted: float
    stopped: float
    calls: float

    @property
    def gain(self) -> float:
        return self.weighted - self.best

    @property
    def is_vote(self) -> bool:
        return self.scheme != "best"


def sets_of(path: Path) -> list[Recorded]:
    """The data set whole, and each of its categories."""
    whole = read(path)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        kinds = [question.get("category") for question in json.load(file)["questions"]]
    found = [whole]
    for kind in sorted({kind for kind in kinds if kind}):
        rows = [n for n, one in enumerate(kinds) if one == kind]
        answers = {name: [given[n] for n in rows] for name, given in whole.answers.items()}
        found.append(Recorded(f"{whole.name}: {kind}", answers, [whole.right[n] for n in rows]))
    return found


def groups_of(names: Sequence[str], draws: int, seed: str) -> Iterator[list[str]]:
    draw = random.Random(seed)
    for size in SIZES:
        for _ in range(draws if size < len(names) else 0):
            yield sorted(draw.sample(list(names), size))
    yield sorted(names)


def judged(recorded: Recorded, members: Sequence[str]) -> Group:
    """Weights from every other question, scored on those between."""
    records = recorded.records(members)
    known, scored = records[::2], records[1::2]
    found, before, after = weights_from(known), accuracies(known), accuracies(scored)
    best = max(range(len(members)), key=lambda m: before[m])
    whole = [recorded_vote(r.votes, found.weights, stop_early=False)[0] for r in scored]
    early = [recorded_vote(r.votes, found.weights) for r in scored]
    return Group(
        data=recorded.name,
        members=len(members),
        scored=len(scored),
        scheme=found.scheme,
        heard=found.heard,
        lead=found.lead,
        best=after[best],
        best_afterwards=max(after),
        weighted=_share(whole, scored),
        stopped=_share([choice for choice, _ in early], scored),
        calls=fmean(calls for _, calls in early) / len(members),
    )


def _share(said: Sequence[str | None], records: Sequence[Record]) -> float:
    return fmean(one == record.right for one, record in zip(said, records, strict=True))


def row(name: str, groups: Sequence[Group]) -> list[str]:
    votes = [group for group in groups if group.is_vote]
    return [
        name,
        str(len(groups)),
        str(len(votes)),
        f"{fmean(group.gain for group in votes):+.3f}" if votes else "",
        str(sum(group.gain < 0 for group in groups)),
        f"{min(group.gain for group in groups):+.3f}",
        str(sum(group.stopped != group.weighted for group in groups)),
        f"{fmean(group.calls for group in groups):.0%}",
        f"{fmean(group.calls for group in votes):.0%}" if votes else "",
        str(sum(group.calls > MOST_CALLS for group in groups)),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recorded answers")
    parser.add_argument("--draws", type=int, default=6, help="groups of each size on each set")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    given = parser.parse_args()
    found: list[Group] = []
    for path in sorted(given.data.rglob("*.json.gz")):
        for recorded in sets_of(path):
            for members in groups_of(sorted(recorded.answers), given.draws, recorded.name):
                found.append(judged(recorded, members))
            print(" | ".join(row(recorded.name, [one for one in found if one.data == recorded.name])), flush=True)
    if not found:
        print(f"{given.data} has no *.json.gz", file=sys.stderr)
        return 2
    sizes = {str(size): [one for one in found if one.members == size] for size in SIZES}
    sizes["all there are"] = [one for one in found if one.members not in SIZES]
    rows = [HEADING, *(row(name, groups) for name, groups in sizes.items() if groups), row("together", found)]
    print("\n".join(" | ".join(cells) for cells in rows))
    lowest = [
        f"{one.gain:+.3f} of {one.members} on {one.data} ({one.scored} questions)" for one in found if one.gain < 0
    ]
    note = f"{len({one.data for one in found})} sets. Below the best member: {'; '.join(sorted(lowest)) or 'none'}."
    if not given.dry:
        save_table("cooperation_subsets", rows, note, {"groups": [asdict(one) for one in found]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
