"""Is a reproducible answer the same in every situation, and what does that cost?

    python -m benchmarks.reproducible MODEL [MODEL ...]     names below --models, PyTorch or GGUF
    python -m benchmarks.reproducible MODEL --prompts 10    fewer of the 50 prompts
    python -m benchmarks.reproducible MODEL --only again,beside-itself

Each prompt is first answered alone by a process that was just started, then again in each situation, with the mode and
without: an answer differs when its text is not the first one's. Every other prompt is sampled with a seed, the others
are greedy. Then the speed of one answer and of four at once, with the mode and without. Prints a table and writes
``benchmarks/results/reproducible.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.contestant import answer, engine_over, span
from benchmarks.results import RESULTS, number, save_table
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.services.inference_engine import InferenceEngine

TASKS = ("Explain {} to a child.", "Write three facts about {}.", "Why does {} matter?", "Tell a story about {}.")
TOPICS = (
    "rain", "a compiler", "the moon", "bread", "prime numbers", "bicycles", "the sea", "a library", "friendship",
    "photosynthesis", "chess", "a lighthouse", "money",
)  # fmt: skip
PROMPTS = [task.format(topic) for topic in TOPICS for task in TASKS][:50]
LONGER = " Then say in one more sentence what you would like to know about it yourself, and why that is so."
PANES = 4


@dataclass(frozen=True)
class Trial:
    """One model under test, in a process of its own until :meth:`restart`."""

    engine: InferenceEngine
    target: str
    neighbour: str | None
    tokens: int

    def config(self, index: int, *, reproducible: bool) -> ModelConfig:
        sampled: dict[str, Any] = {"temperature": 0.8, "seed": 42 + index} if index % 2 else {"temperature": 0.0}
        return ModelConfig(max_tokens=self.tokens, reproducible=reproducible, **sampled)

    async def ask(self, prompt: str, config: ModelConfig, target: str | None = None) -> AnswerProgress:
        return await answer(self.engine, target or self.target, prompt, config)

    async def restart(self) -> None:
        """The next answer comes from a new process."""
        await self.engine.unload(self.target)


Situation = Callable[[Trial, int, ModelConfig], Awaitable[AnswerProgress]]


async def again(trial: Trial, index: int, config: ModelConfig) -> AnswerProgress:
    """The same prompt right after itself and after one that begins alike."""
    prompt = PROMPTS[index]
    await trial.ask(prompt + LONGER, replace(config, max_tokens=4))
    await trial.ask(prompt, replace(config, max_tokens=4))
    return await trial.ask(prompt, config)


async def beside_others(trial: Trial, index: int, config: ModelConfig) -> AnswerProgress:
    """Beside three other prompts to the same model, which are not reproducible."""
    others = [PROMPTS[(index + step) % len(PROMPTS)] + LONGER * (step % 2) for step in (1, 2, 3)]
    free = replace(config, reproducible=False, temperature=0.7, seed=1)
    asked = [trial.ask(prompt, free) for prompt in others]
    return (await asyncio.gather(*asked[:2], trial.ask(PROMPTS[index], config), asked[2]))[2]


async def beside_itself(trial: Trial, index: int, config: ModelConfig) -> AnswerProgress:
    """Four panes with the same request; one that says something else stands for all."""
    answers = await asyncio.gather(*(trial.ask(PROMPTS[index], config) for _ in range(PANES)))
    return next((one for one in answers if one.text != answers[0].text), answers[0])


async def beside_another_model(trial: Trial, index: int, config: ModelConfig) -> AnswerProgress:
    """Another model begins meanwhile and takes its share of the cores."""
    assert trial.neighbour is not None
    longer = replace(config, max_tokens=2 * config.max_tokens, reproducible=False)
    other = asyncio.create_task(trial.ask(PROMPTS[index], longer, trial.neighbour))
    found = await trial.ask(PROMPTS[index], config)
    await other
    return found


async def after_others_were_stopped(trial: Trial, index: int, config: ModelConfig) -> AnswerProgress:
    """Two that begin alike write already, and are stopped while it writes."""
    free = replace(config, reproducible=False)
    begun = [asyncio.create_task(_stopped_after(trial, PROMPTS[index] + LONGER * n, free, 6 + 8 * n)) for n in (0, 1)]
    found = await trial.ask(PROMPTS[index], config)
    await asyncio.gather(*begun)
    return found


async def _stopped_after(trial: Trial, prompt: str, config: ModelConfig, tokens: int) -> None:
    request = GenerationRequest(messages=(Message("user", prompt),), config=config)
    async with contextlib.aclosing(trial.engine.stream(trial.target, request)) as events:
        async for event in events:
            if isinstance(event, TextDelta) and event.tokens >= tokens:
                return


async def in_a_new_process(trial: Trial, index: int, config: ModelConfig) -> AnswerProgress:
    """The model was loaded anew before the first prompt; they come in another order."""
    return await trial.ask(PROMPTS[index], config)


SITUATIONS: dict[str, Situation] = {
    "again": again,
    "beside-others": beside_others,
    "beside-itself": beside_itself,
    "beside-another-model": beside_another_model,
    "others-stopped": after_others_were_stopped,
    "new-process": in_a_new_process,
}


async def differing(trial: Trial, names: Sequence[str], prompts: int, *, reproducible: bool) -> dict[str, int]:
    """How many prompts got another text than at first, by situation."""
    await trial.ask(PROMPTS[0], trial.config(0, reproducible=reproducible))
    await trial.restart()
    configs = [trial.config(index, reproducible=reproducible) for index in range(prompts)]
    first = [(await trial.ask(PROMPTS[index], configs[index])).text for index in range(prompts)]
    found: dict[str, int] = {}
    for name in names:
        if name == "new-process":
            await trial.restart()
        order = reversed(range(prompts)) if name == "new-process" else range(prompts)
        texts = {index: (await SITUATIONS[name](trial, index, configs[index])).text for index in order}
        found[name] = sum(texts[index] != first[index] for index in range(prompts))
        print(f"  {trial.target}, reproducible {reproducible}: {name}: {found[name]} of {prompts} differ", flush=True)
    return found


async def speeds(trial: Trial, rounds: int, panes: int) -> dict[bool, float]:
    """Tokens per second of so many panes together, without the mode and with it; each round measures both."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for number_ in range(rounds + 1):
        for mode in (False, True):
            config = ModelConfig(temperature=0, max_tokens=2 * trial.tokens, reproducible=mode)
            prompts = [PROMPTS[(PANES * number_ + pane) % len(PROMPTS)] for pane in range(panes)]
            began = now()
            answers = await asyncio.gather(*(trial.ask(prompt, config) for prompt in prompts))
            seconds = span(answers) if panes > 1 else (answers[0].ended_at or now()) - (answers[0].started_at or began)
            found[mode].append(sum(one.tokens for one in answers) / seconds)
    return {mode: statistics.median(rates[1:]) for mode, rates in found.items()}


async def measure(target: str, given: argparse.Namespace) -> list[list[str]]:
    """The rows of one model."""
    async with engine_over(given.models) as engine:
        trial = Trial(engine, target, given.neighbour, given.tokens)
        names = [name for name in given.only if given.neighbour or name != "beside-another-model"]
        without = await differing(trial, names, given.prompts, reproducible=False)
        with_it = await differing(trial, names, given.prompts, reproducible=True)
        rows = [
            [
                target,
                f"other text: {name}",
                f"{without[name]} of {given.prompts}",
                f"{with_it[name]} of {given.prompts}",
            ]
            for name in names
        ]
        for panes, what in ((1, "one answer"), (PANES, f"{PANES} at once, together")):
            rates = await speeds(trial, given.rounds, panes)
            rows.append([target, what, f"{number(rates[False])} tokens/s", f"{number(rates[True])} tokens/s"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="+", metavar="MODEL", help="names of models")
    parser.add_argument("--models", type=Path, default=get_settings().models_dir, help="the folder they lie in")
    parser.add_argument("--neighbour", help="another model, which decodes beside them in one situation")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), help=f"at most {len(PROMPTS)}")
    parser.add_argument("--tokens", type=int, default=40, help="length of each answer, at most")
    parser.add_argument("--rounds", type=int, default=3, help="of each speed; the median counts")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(SITUATIONS), help="situations")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for reproducible.json")
    given = parser.parse_args()
    given.prompts = min(given.prompts, len(PROMPTS))
    rows = [["model", "what", "as usual", "reproducible"]]
    for target in given.targets:
        rows += asyncio.run(measure(target, given))
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, (34, 34, 16, 16), strict=True)).rstrip())
    note = f"{given.prompts} prompts, half of them sampled with a seed, {given.tokens} tokens each."
    details = {"prompts": given.prompts, "tokens": given.tokens, "neighbour": given.neighbour or ""}
    print(f"written to {save_table('reproducible', rows, note, details, given.out)}")


if __name__ == "__main__":
    main()
