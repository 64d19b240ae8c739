"""What kinds of work take, beside a simple question: calculating, an image, several models together, a document.

    python -m benchmarks.scenarios [--rounds 3] [--sees MODEL] [--models FOLDER]

The models are those that come with the project: SmolLM2-135M-Instruct talks, the large demo model calculates. In each
round every kind is asked for by ``CALLERS`` at once, in turns going first. Times of one machine say little of another;
what a kind takes beside a simple question says more. An image wants a model that sees (``--sees``), which does not come
with the project.

Prints a table and writes ``benchmarks/results/scenarios.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.results import number, save_table
from multi_llm_comparator.applications.examples import example_text
from multi_llm_comparator.applications.manager import worked
from multi_llm_comparator.applications.spec import spec_of
from multi_llm_comparator.cooperation.scheduler import CooperationScheduler
from multi_llm_comparator.core import settings
from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.image_data import data_url
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.headless import opened_alone, scanned_models
from multi_llm_comparator.wiring import Services

TALKS, CALCULATES = "SmolLM2-135M-Instruct.Q4_1", "demo-large-Q8_0"
CALLERS = 4
SHORT = ModelConfig(max_tokens=48, temperature=0.0)
SIMPLE = "a simple question"
HEADING = ["kind", "models", "time of one, median", "beside a simple question", "requests/s", "answered"]
PICTURE = Path(__file__).parents[1] / "docs" / "screenshots" / "models.png"
Work = Callable[[], Awaitable[bool]]


@dataclass
class Kind:
    """One kind of work: seconds of each request that was answered, of each round, and how many were asked."""

    models: str
    work: Work
    taken_s: list[float] = field(default_factory=list)
    rounds_s: list[float] = field(default_factory=list)
    asked: int = 0

    async def once(self) -> None:
        began = time.monotonic()
        self.asked += 1
        try:
            if await self.work():
                self.taken_s.append(time.monotonic() - began)
        except MultiLLMError as exc:
            print(f"{self.models}: {exc}", file=sys.stderr)

    async def round(self) -> None:
        began = time.monotonic()
        await asyncio.gather(*(self.once() for _ in range(CALLERS)))
        self.rounds_s.append(time.monotonic() - began)


def kinds_of(services: Services, sees: str) -> dict[str, Kind]:
    scheduler = CooperationScheduler(services.cooperations)
    both = [TALKS, CALCULATES]

    async def said(target: str, question: str, *images: str) -> bool:
        request = GenerationRequest(messages=(Message("user", question, images),), config=SHORT)
        progress = await ask(services.answers, target, request, AnswerProgress(requested_at=now()))
        return progress.state == "done" and bool(progress.text.strip())

    async def in_sequence() -> bool:
        return bool(await scheduler.create_sequential_task("What is a bridge for?", both, config=SHORT))

    async def in_parallel() -> bool:
        return bool(await scheduler.create_parallel_task("What is a bridge for?", both, integrator=TALKS, config=SHORT))

    async def document() -> bool:
        given = {"model": TALKS, "analysis_type": "comprehensive", "answer_tokens": 96}
        spec = spec_of("document_analysis", given)
        return (await worked(services.applications, spec, example_text("document_analysis", "en").encode())).success

    kinds = {
        SIMPLE: Kind(TALKS, lambda: said(TALKS, "What is a cat?")),
        "a calculation": Kind(CALCULATES, lambda: said(CALCULATES, "What is 12 + 30?")),
        "two models in sequence": Kind(" and ".join(both), in_sequence),
        "two models in parallel, integrated": Kind(" and ".join(both), in_parallel),
        "a document analysed": Kind(TALKS, document),
    }
    if sees:
        image = data_url(PICTURE.read_bytes())
        kinds["a question about an image"] = Kind(sees, lambda: said(sees, "What is to be seen here?", image))
    return kinds


async def measure(rounds: int, sees: str) -> dict[str, Kind]:
    async with opened_alone(scanned_models()) as services:
        kinds = kinds_of(services, sees)
        for kind in kinds.values():
            # Loading is measured elsewhere.
            await kind.work()
        names = list(kinds)
        for at in range(rounds):
            for name in names[at % len(names) :] + names[: at % len(names)]:
                await kinds[name].round()
        return kinds


def rows_of(kinds: dict[str, Kind]) -> list[list[str]]:
    medians = defaultdict(float, {name: statistics.median(one.taken_s) for name, one in kinds.items() if one.taken_s})
    simple = medians[SIMPLE]
    return [
        [
            name,
            kind.models,
            f"{number(medians[name])} s" if kind.taken_s else "",
            f"{number(medians[name] / simple)} x" if kind.taken_s and simple else "",
            number(len(kind.taken_s) / sum(kind.rounds_s)),
            f"{len(kind.taken_s) / kind.asked:.0%}",
        ]
        for name, kind in kinds.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sees", default="", help="a model that takes images, by its name")
    parser.add_argument("--models", type=Path, help="folder of models in place of the project's")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"MLC_HOME": home, "MLC_CONFIGS_DIR": str(Path(home) / "configs")}
        if given.models is not None:
            os.environ["MLC_MODELS_DIR"] = str(given.models)
        settings.reload_settings()
        kinds = asyncio.run(measure(given.rounds, given.sees))
    rows = [HEADING, *rows_of(kinds)]
    print("\n".join(" | ".join(cells) for cells in rows))
    without = "" if given.sees else " No model that sees comes with the project: a question about an image is not here."
    note = f"{CALLERS} at once, {given.rounds} rounds, answers of up to {SHORT.max_tokens} tokens.{without}"
    save_table("scenarios", rows, note, {name: kind.taken_s for name, kind in kinds.items()})
    return 0 if all(kind.taken_s for kind in kinds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
