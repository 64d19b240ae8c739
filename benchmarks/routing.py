"""What routing is worth on recorded answers: learnt and by rules, beside single models, chance and the oracle.

    python -m benchmarks.routing FOLDER

FOLDER has ``zeroeval/gsm.json.gz``, ``zeroeval/crux.json.gz`` and ``mmlu_pro/mmlu_pro.json.gz``: questions, and what
many models answered to them. No model is asked. An answer costs what was computed for it, in billions of parameters
times thousands of characters, so only models whose names tell their size take part.

Prints a table and writes ``benchmarks/results/routing.json``, and the curves that the page Cooperate shows.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import multi_llm_comparator.routing
from benchmarks.results import number, save_table
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.routing import default_rules
from multi_llm_comparator.routing.candidates import size_in_name
from multi_llm_comparator.routing.curves import Curves, Point, curves_on
from multi_llm_comparator.routing.learnt import learn
from multi_llm_comparator.routing.outcomes import Outcomes
from multi_llm_comparator.routing.recorded import FILE

SETS = {"zeroeval/gsm": "GSM8K", "zeroeval/crux": "CRUXEval", "mmlu_pro/mmlu_pro": "MMLU-Pro"}
UNIT = "billion parameters x thousand characters"
# What a point of the table is chosen by.
SHOWN = (1.0, 0.9, 0.7, 0.5)
HEADING = ["set", "who answers", "right", "cost", "cost of the best single", "learnt better than rules and single"]


def recorded(path: Path) -> Outcomes:
    """The answers of a file, of the models whose size is known."""
    data: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    questions = data["questions"]
    if "models" in data:
        given = {name: one["pred"] for name, one in data["models"].items()}
        chars = {name: one["chars"] for name, one in data["models"].items()}
    else:
        given = {name: list(letters) for name, letters in data["pred"].items()}
        chars = {name: [data["mean_chars"][name]] * len(questions) for name in given}
    models = [name for name in given if size_in_name(name) is not None]
    values = np.array([[given[m][at] == one["answer"] for m in models] for at, one in enumerate(questions)], np.float32)
    costs = [
        [(size_in_name(m) or 0) / 1e9 * (chars[m][at] or 0) / 1000 for m in models] for at in range(len(questions))
    ]
    return Outcomes(tuple(q["question"] for q in questions), tuple(models), values, np.array(costs, np.float32), UNIT)


def halves(outcomes: Outcomes) -> tuple[Outcomes, Outcomes]:
    """Learnt from the first half, judged by the second, as the figures beside the data are."""
    middle = len(outcomes.questions) // 2
    return outcomes.rows(range(middle)), outcomes.rows(range(middle, len(outcomes.questions)))


def measure(outcomes: Outcomes) -> Curves:
    fitted, held_out = halves(outcomes)
    return curves_on(learn(fitted), fitted, held_out, default_rules())


def rows_of(name: str, curves: Curves) -> list[list[str]]:
    best, cheapest = curves.best_single, min(curves.singles, key=lambda point: point.cost)

    def row(who: str, point: Point, verdict: str = "") -> list[str]:
        return [name, who, f"{point.quality:.3f}", number(point.cost), f"{point.cost / best.cost:.0%}", verdict]

    rows = [row(f"best single: {best.name}", best), row(f"cheapest single: {cheapest.name}", cheapest)]
    rows.append(row("one drawn at random", curves.random))
    for priority in SHOWN:
        verdict = curves.verdict_at(priority)
        points = {p.quality_priority: p for p in curves.learnt}, {p.quality_priority: p for p in curves.rules}
        said = "yes" if verdict is not None and verdict.is_better else "no"
        rows.append(row(f"learnt, quality {priority:g}", points[0][priority], said))
        rows.append(row(f"rules, quality {priority:g}", points[1][priority]))
    return [*rows, row("oracle, quality 1", curves.oracle[-1])]


def keep(curves: Mapping[str, dict[str, Any]]) -> None:
    """Put the curves into the package, by the names of their data sets."""
    lines = [json.dumps({"set": name, "curves": _rounded(one)}, ensure_ascii=False) for name, one in curves.items()]
    write_atomically(Path(multi_llm_comparator.routing.__path__[0]) / FILE, "\n".join(lines) + "\n")


def _rounded(value: Any) -> Any:
    """Five digits are more than any of it means."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def main(folder: Path) -> None:
    rows, details = [HEADING], {}
    for name in SETS:
        curves = measure(recorded(folder / f"{name}.json.gz"))
        rows += rows_of(name.rpartition("/")[2], curves)
        details[name] = curves.to_dict()
    note = f"Costs are means for an answer, in {UNIT}. Learnt from the first half of each set, judged by the second."
    print("\n".join(" | ".join(row) for row in rows))
    save_table("routing", rows, note, details)
    keep({SETS[name]: curves for name, curves in details.items()})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
