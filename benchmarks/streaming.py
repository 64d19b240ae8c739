"""Streaming beside its peers, in one run, on a real model: SmolLM2-135M-Instruct in four forms.

    python -m benchmarks.streaming                 everything, written to benchmarks/results/streaming.json
    python -m benchmarks.streaming --only a,b      some parts, only printed
    python -m benchmarks.streaming --rounds 9

Parts: (a) one GGUF pane against a bare llama.cpp loop; (b) one, four and eight requests at once against llama.cpp's
own server with as many slots; (c) four models at once against the same four in turn; (d) a PyTorch pane, and four,
against ``model.generate``; (h) the first answer after a load against the second; (f) from asking to four first tokens;
(e) the browser's first token against the engine's, what (f) is there, and (g) how long the page takes to open.

Like for like: the peers load the same files, lay out weights for the CPU as we do, have as many threads and slots, get
the same prompts with the same chat template around them, and are warm. Each round measures both sides, in turns going
first.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from benchmarks.bare_llama import may_repack
from benchmarks.contestant import Effort, ShortAnswer, answer, as_the_model_sees_it, engine_over, run, run_together
from benchmarks.peer import Kind, Peer
from benchmarks.real_models import RealModels, real_models
from benchmarks.results import RESULTS, Figure, ratio_figure, save, table
from benchmarks.served import LlamaServer
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.cpus import computes_bfloat16
from multi_llm_comparator.services.inference_engine import InferenceEngine

PARTS = "a,b,c,d,h,f,e"
FIRST_TOKENS = 24
# Between the page's opening and the click there is a prompt to write; what gets ready in the background does so then.
WRITING_S = 10.0
QUESTION = "What is the capital of France?"
# What clients of a server wanted at each number of slots: as good as it alone, better where answers are batched.
WANTED_AT = {1: 1.0, 4: 1.1, 8: 1.0}
GENERATE_WANTED = 1.5
SUBJECTS = (
    "how a compiler reads its input and writes out instructions",
    "how bread is baked, from the grain to the oven",
    "what happens to water between the sea and a mountain spring",
    "how a sailing ship of the eighteenth century was built",
    "how the planets of the solar system came to be",
    "what a day in the life of a medieval farmer was like",
    "how a violin is made and why it sounds as it does",
    "how a city's streets, pipes and wires are planned",
)

Pairs = list[tuple[float, float]]


def prompt(number: int) -> str:
    """A question with a long answer; no two rounds ask the same, so that nothing is left over from the one before."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    return f"Explain in great detail, in an essay of two thousand words with {number + 20} sections, {subject}."


def prompts(number: int, count: int) -> list[str]:
    return [prompt(count * number + i) for i in range(count)]


async def rounds_of(
    count: int, ours: Callable[[int], Awaitable[float]], peer: Callable[[int], Awaitable[float]]
) -> Pairs:
    """``count`` pairs after one that warms up; who goes first alternates. Where a model ends an answer early,
    the pair is measured with other prompts instead."""
    found: Pairs = []
    for number in range(2 * count + 2):
        try:
            if number % 2:
                mine, theirs = await ours(number), await peer(number)
            else:
                theirs, mine = await peer(number), await ours(number)
        except ShortAnswer as short:
            print(f"  round {number}: {short}; other prompts instead", flush=True)
            continue
        found.append((mine, theirs))
        print(f"  round {number}: ours {mine:.3f}, peer {theirs:.3f}", flush=True)
        if len(found) > count:
            return found[1:]
    raise SystemExit("too many answers ended early for a comparison")


async def beside_bare_loop(models: RealModels, effort: Effort) -> list[Figure]:
    """(a)."""
    file = models.file("Q4_1")
    kind: Kind = "llama-repacked" if may_repack() else "llama"
    with Peer(kind, file, threads=effort.threads) as bare:
        async with engine_over(models.folder) as engine:
            given = await as_the_model_sees_it(engine, file.stem)

            async def ours(number: int) -> float:
                return (await run(engine, file.stem, prompt(number), effort)).tokens_per_second

            async def peer(number: int) -> float:
                return bare.run(given(prompt(number)), effort.tokens).tokens_per_second

            found = await rounds_of(effort.rounds, ours, peer)
    name = "one GGUF pane (Q4_1), beside a bare llama.cpp loop"
    return [ratio_figure("a", name, found, unit="tokens/s", wanted=0.97)]


async def beside_server(models: RealModels, effort: Effort) -> list[Figure]:
    """(b): all tokens over all the time, as the one who asks sees it."""
    return [await at_once(models, slots, effort) for slots in WANTED_AT]


async def at_once(models: RealModels, slots: int, effort: Effort) -> Figure:
    file = models.file("Q4_1")
    with LlamaServer(file, slots=slots, threads=effort.threads) as server:
        async with engine_over(models.folder, slots=slots) as engine:
            given = await as_the_model_sees_it(engine, file.stem)

            async def ours(number: int) -> float:
                asked = [(file.stem, text) for text in prompts(number, slots)]
                return slots * effort.tokens / await run_together(engine, asked, effort)

            async def peer(number: int) -> float:
                began = time.perf_counter()
                await server.answer([given(text) for text in prompts(number, slots)], effort.tokens)
                return slots * effort.tokens / (time.perf_counter() - began)

            found = await rounds_of(effort.rounds, ours, peer)
    name = f"GGUF (Q4_1), requests at once: {slots}, beside llama.cpp's server with as many slots"
    return ratio_figure(f"b{slots}", name, found, unit="tokens/s", wanted=WANTED_AT[slots])


async def four_models(models: RealModels, effort: Effort) -> list[Figure]:
    """(c): all loaded before, so that only answering is compared."""
    async with engine_over(models.folder) as engine:

        async def ours(number: int) -> float:
            return await run_together(engine, [(name, prompt(number)) for name in models.four], effort)

        async def peer(number: int) -> float:
            asked = prompt(500 + number)
            return sum([await run_together(engine, [(name, asked)], effort) for name in models.four])

        found = await rounds_of(effort.rounds, ours, peer)
    name = "PyTorch, Q8_0, Q4_1 and Q4_0 at once, beside the same four in turn: total time"
    return [ratio_figure("c", name, found, unit="s", wanted=1.05, sense="at most")]


async def beside_generate(models: RealModels, effort: Effort) -> list[Figure]:
    """(d)."""
    name = models.pytorch
    with Peer("generate", models.checkpoint, threads=effort.threads) as generate:
        async with engine_over(models.folder) as engine:
            given = await as_the_model_sees_it(engine, name)

            async def one(number: int) -> float:
                return (await run(engine, name, prompt(number), effort)).tokens_per_second

            async def its_one(number: int) -> float:
                return generate.run(given(prompt(number)), effort.tokens).tokens_per_second

            async def four(number: int) -> float:
                asked = [(name, text) for text in prompts(number, 4)]
                return 4 * effort.tokens / await run_together(engine, asked, effort)

            async def its_four(number: int) -> float:
                return generate.run_batch([given(p) for p in prompts(number, 4)], effort.tokens).tokens_per_second

            single = await rounds_of(effort.rounds, one, its_one)
            batch = await rounds_of(effort.rounds, four, its_four)
    title = f"PyTorch pane ({'bfloat16' if computes_bfloat16() else 'float32'}), beside model.generate"
    return [
        ratio_figure("d1", f"one {title}", single, unit="tokens/s", wanted=GENERATE_WANTED),
        ratio_figure("d4", f"four {title} with a batch of four", batch, unit="tokens/s", wanted=GENERATE_WANTED),
    ]


async def first_after_load(models: RealModels, effort: Effort) -> list[Figure]:
    """(h): in a fresh engine with all that the workbench has in the background, as the page starts it."""
    figures = []
    for id, name in (("h1", models.gguf["Q4_1"]), ("h2", models.pytorch)):
        pairs: Pairs = []
        for number in range(effort.rounds):
            async with engine_over(models.folder, spare=True) as engine:
                await engine.start()
                await asyncio.sleep(WRITING_S)
                first = (await run(engine, name, prompt(2 * number), effort)).tokens_per_second
                second = (await run(engine, name, prompt(2 * number + 1), effort)).tokens_per_second
            pairs.append((first, second))
        title = f"first answer after a load, beside the second ({'GGUF' if id == 'h1' else 'PyTorch'})"
        figures.append(ratio_figure(id, title, pairs, unit="tokens/s", wanted=0.95))
    return figures


async def first_tokens(models: RealModels, effort: Effort) -> list[Figure]:
    """(f) through the engine: all four, nothing loaded, then loaded."""
    cold, warm = [], []
    for _ in range(effort.rounds):
        async with engine_over(models.folder, spare=True) as engine:
            await engine.start()
            await asyncio.sleep(WRITING_S)
            cold.append(await slowest_first_token(engine, models.four))
            warm.append(await slowest_first_token(engine, models.four))
    return [
        seconds_figure("f1", "from asking to the first token of all four, nothing loaded", cold, wanted=10.0),
        seconds_figure("f2", "the same, all loaded", warm, wanted=0.5),
    ]


async def slowest_first_token(engine: InferenceEngine, names: tuple[str, ...]) -> float:
    """Seconds from asking all four to the last one's first token."""
    config = ModelConfig(temperature=0, max_tokens=FIRST_TOKENS)
    asked = (answer(engine, name, QUESTION, config) for name in names)
    return max(progress.ttft_s or 0.0 for progress in await asyncio.gather(*asked))


def seconds_figure(id: str, name: str, seconds: list[float], *, wanted: float) -> Figure:
    value = statistics.median(seconds)
    return Figure(
        id=id,
        name=name,
        value=value,
        wanted=wanted,
        sense="at most",
        value_unit="s",
        rounds=[[s] for s in seconds],
    )


async def in_the_browser(models: RealModels, effort: Effort) -> list[Figure]:
    """(e), f3 to f6, and g."""
    from benchmarks.streaming_browser import browser_figures

    return await browser_figures(models, QUESTION, effort.rounds, WRITING_S)


async def measure(models: RealModels, parts: set[str], effort: Effort) -> AsyncIterator[list[Figure]]:
    """The figures part by part."""
    for part, measured in {
        "a": beside_bare_loop,
        "b": beside_server,
        "c": four_models,
        "d": beside_generate,
        "h": first_after_load,
        "f": first_tokens,
        "e": in_the_browser,
    }.items():
        if part in parts:
            yield await measured(models, effort)


async def measured(models: RealModels, parts: set[str], effort: Effort) -> list[Figure]:
    return [figure async for figures in measure(models, parts, effort) for figure in figures]


def print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=PARTS, help="parts to measure, with commas")
    parser.add_argument("--rounds", type=int, default=5, help="pairs per part; the median counts")
    parser.add_argument("--tokens", type=int, default=128, help="length of each answer")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of either side; default all cores")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for streaming.json")
    given = parser.parse_args()
    effort = Effort(given.rounds, given.tokens, given.threads)
    parts = set(given.only.split(","))
    figures = asyncio.run(measured(real_models(), parts, effort))
    print_table(table(figures))
    if parts >= set(PARTS.split(",")):
        print(f"written to {save('streaming', figures, given.out)}")


if __name__ == "__main__":
    main()
