"""What modes of cooperation are worth on real small models, beside the best of their members.

    python -m benchmarks.cooperation_models MODEL MODEL [MODEL ...] [--modes voting council ...] [--limit 20]

The prompts are sums and products of small numbers, which the demo models were made for and SmolLM2 finds hard; each
member and each mode answers all of them through the same evaluation that the page Measure runs. Prints a table and
writes ``benchmarks/results/cooperation-models.json``; with ``--name`` another file.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.results import save_table
from multi_llm_comparator.cooperation.spec import MODES, PREFIX, checked_spec
from multi_llm_comparator.core import settings
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.evaluation.cooperation_worth import Worth
from multi_llm_comparator.evaluation.measuring.spec import SUBJECT_IDS
from multi_llm_comparator.evaluation.measuring.spec import checked_spec as evaluation_spec
from multi_llm_comparator.evaluation.prompt_sets import PromptSet, checked_set
from multi_llm_comparator.headless import opened_alone, scanned_models

HEADING = ["mode", "score", "best member", "gain over it", "95% interval", "tokens", "time"]


def sums(count: int) -> PromptSet:
    """So many questions, always the same."""
    draw, rows = random.Random(7), []
    for n in range(count):
        a, b = draw.randint(2, 60), draw.randint(2, 60)
        sign, right = (("+", a + b), ("-", a - b), ("*", a % 12 * (b % 12)))[n % 3]
        a, b = (a % 12, b % 12) if sign == "*" else (a, b)
        rows.append({"id": str(n), "prompt": f"What is {a} {sign} {b}?", "compare": "numeric", "expected": str(right)})
    return checked_set("the sums", name="sums", rows=rows)


async def measure(members: list[str], modes: list[str], limit: int, config: ModelConfig) -> list[tuple[str, Worth]]:
    """Have members and modes answer the same prompts."""
    async with opened_alone(scanned_models()) as services:
        targets = tuple({"target": member} for member in members)
        for mode in modes:
            more = {"samples": 3} if mode == "ensemble" and len(members) == 1 else {}
            spec = checked_spec(mode=mode, members=targets, question="?", **more)
            services.saved_cooperations.save(mode, spec)
        names = [*members, *(f"{PREFIX}{mode}" for mode in modes)]
        subjects = tuple(
            {"id": letter, "target": name, "config": config} for letter, name in zip(SUBJECT_IDS, names, strict=False)
        )
        run = await services.evaluations.start(evaluation_spec(subjects=subjects, prompts=sums(limit)))
        await run.wait()
        if run.error:
            print(run.error, file=sys.stderr)
        found = [(mode, await services.worths.of(mode, members)) for mode in modes]
        return [(mode, worth) for mode, worth in found if worth is not None]


def row(mode: str, worth: Worth) -> list[str]:
    low, high = f"{worth.gain.low:+.2f}", f"{worth.gain.high:+.2f}"
    return [
        mode,
        f"{worth.score:.2f}",
        f"{worth.best_score:.2f} ({worth.best_member})",
        f"{worth.gain.difference:+.2f}",
        f"{low} to {high}",
        f"{worth.tokens_ratio:.1f} x" if worth.tokens_ratio else "",
        f"{worth.time_ratio:.1f} x" if worth.time_ratio else "",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("members", nargs="+")
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--name", default="cooperation-models")
    given = parser.parse_args()
    config = ModelConfig(temperature=given.temperature, max_tokens=given.max_tokens, seed=1)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"MLC_HOME": home, "MLC_CONFIGS_DIR": str(Path(home) / "configs")}
        settings.reload_settings()
        found = asyncio.run(measure(given.members, given.modes, given.limit, config))
    rows = [HEADING, *(row(mode, worth) for mode, worth in found)]
    for cells in rows:
        print(" | ".join(cells))
    count = found[0][1].n if found else 0
    note = f"{count} prompts; members {', '.join(given.members)}; temperature {given.temperature:g}."
    save_table(given.name, rows, note, {"members": given.members})
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
