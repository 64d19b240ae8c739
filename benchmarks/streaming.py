"""Streaming beside its peers, in one run.

    python -m benchmarks.streaming                 everything
    python -m benchmarks.streaming --only a,b      some parts
    python -m benchmarks.streaming --rounds 9

Parts: (a) one GGUF pane against a bare llama.cpp loop; (b) four panes on one GGUF model against four such loops in
turn; (c) four models at once against the same four in turn; (d) a PyTorch pane, and four, against ``model.generate``;
(f) from asking to four first tokens; (e) the browser's first token against the engine's, what (f) is there, and (g) how
long the page takes to open.

Each round measures both sides, in turns going first. Prints a table and writes ``benchmarks/results/streaming.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.bench_models import BenchModel, bench_models
from benchmarks.contestant import Effort, answer, engine_over, run, run_together
from benchmarks.peer import Kind, Peer
from benchmarks.results import RESULTS, Figure, ratio_figure, save, table
from demo.prepare import prepare
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.inferencers.gguf_runtime import may_repack
from multi_llm_comparator.services.inference_engine import InferenceEngine

MODEL = "bench-200m"
FOUR_MODELS = ("bench-200m-Q4_0", "bench-130m-Q8_0", "bench-200m", "bench-130m")
DEMO_MODELS = ("demo-small", "demo-large", "demo-small-Q8_0", "demo-large-F16")
FIRST_TOKENS = 24
# Between the page's opening and the click there is a prompt to write; the spare process gets ready meanwhile.
WRITING_S = 10.0


def prompt(number: int) -> str:
    """About 60 tokens; the beginning differs, so that nothing is left over from the round before."""
    return (
        f"{number}. In this round the models describe how a compiler reads its input, builds a tree of expressions, "
        "assigns registers to every value and finally writes out instructions, and why each step is done in that order."
    )


async def rounds_of(
    count: int, ours: Callable[[int], Awaitable[float]], peer: Callable[[int], Awaitable[float]]
) -> list[tuple[float, float]]:
    """``count`` pairs after one that warms up; who goes first alternates."""
    found = []
    for number in range(count + 1):
        if number % 2:
            mine, theirs = await ours(number), await peer(number)
        else:
            theirs, mine = await peer(number), await ours(number)
        found.append((mine, theirs))
        print(f"  round {number}: ours {mine:.3f}, peer {theirs:.3f}", flush=True)
    return found[1:]


async def gguf_panes(models: dict[str, BenchModel], effort: Effort, parts: set[str]) -> list[Figure]:
    """(a) and (b): beside the loop that every CPU runs; and where the engine repacks weights, beside one that does."""
    path = models[MODEL].twins["Q4_0"]
    figures = await beside_loop(path, "llama", effort, parts)
    if may_repack():
        figures += await beside_loop(path, "llama-repacked", effort, parts)
    return figures


async def beside_loop(path: Path, kind: Kind, effort: Effort, parts: set[str]) -> list[Figure]:
    figures = []
    with Peer(kind, path, threads=effort.threads) as bare:
        async with engine_over(path.parent.parent) as engine:
            if "a" in parts:
                figures.append(await one_pane(engine, path.stem, bare, effort))
            if "b" in parts:
                figures.append(await four_panes(engine, path.stem, bare, effort))
    if kind == "llama":
        return figures
    return [
        replace(figure, id=f"{figure.id}2", name=f"{figure.name}, its weights repacked too", wanted=None)
        for figure in figures
    ]


async def one_pane(engine: InferenceEngine, target: str, bare: Peer, effort: Effort) -> Figure:
    async def ours(number: int) -> float:
        return (await run(engine, target, prompt(number), effort)).tokens_per_second

    async def peer(number: int) -> float:
        return bare.run(prompt(number), effort.tokens).tokens_per_second

    found = await rounds_of(effort.rounds, ours, peer)
    name = "one GGUF pane, beside a bare llama.cpp loop"
    return ratio_figure("a", name, found, unit="tokens/s", wanted=0.95)


async def four_panes(engine: InferenceEngine, target: str, bare: Peer, effort: Effort) -> Figure:
    async def ours(number: int) -> float:
        return await run_together(engine, [target] * 4, prompt(100 + number), effort)

    async def peer(number: int) -> float:
        return sum(bare.run(prompt(100 + number), effort.tokens).seconds for _ in range(4))

    found = await rounds_of(effort.rounds, ours, peer)
    name = "four panes on one GGUF model, beside four bare loops in turn"
    return ratio_figure("b", name, found, unit="s", wanted=1.8, invert=True)


async def four_models(models: dict[str, BenchModel], effort: Effort, parts: set[str]) -> list[Figure]:
    """(c): all loaded before, so that only decoding is compared."""
    if "c" not in parts:
        return []
    async with engine_over(models[MODEL].checkpoint.parent.parent) as engine:

        async def ours(number: int) -> float:
            return await run_together(engine, FOUR_MODELS, prompt(number), effort)

        async def peer(number: int) -> float:
            return sum([await run_together(engine, [t], prompt(500 + number), effort) for t in FOUR_MODELS])

        found = await rounds_of(effort.rounds, ours, peer)
    name = "four models at once, beside the same four in turn: total time"
    return [ratio_figure("c", name, found, unit="s", wanted=1.05, sense="at most")]


async def pytorch_panes(models: dict[str, BenchModel], effort: Effort, parts: set[str]) -> list[Figure]:
    """(d)."""
    if "d" not in parts:
        return []
    checkpoint = models[MODEL].checkpoint
    with Peer("generate", checkpoint, threads=effort.threads) as generate:
        async with engine_over(checkpoint.parent.parent) as engine:

            async def one(number: int) -> float:
                return (await run(engine, MODEL, prompt(number), effort)).tokens_per_second

            async def its_one(number: int) -> float:
                return generate.run(prompt(number), effort.tokens).tokens_per_second

            async def four(number: int) -> float:
                return await run_together(engine, [MODEL] * 4, prompt(100 + number), effort)

            async def its_four(number: int) -> float:
                return sum(generate.run(prompt(100 + number), effort.tokens).seconds for _ in range(4))

            single = await rounds_of(effort.rounds, one, its_one)
            batch = await rounds_of(effort.rounds, four, its_four)
    return [
        ratio_figure("d1", "one PyTorch pane, beside model.generate", single, unit="tokens/s", wanted=0.95),
        ratio_figure(
            "d2",
            "four PyTorch panes in a batch, beside four model.generate in turn",
            batch,
            unit="s",
            wanted=2.0,
            invert=True,
        ),
    ]


async def first_tokens(effort: Effort, parts: set[str]) -> list[Figure]:
    """(f) through the engine: all four demo models, nothing loaded, then loaded."""
    if "f" not in parts:
        return []
    models_dir = get_settings().models_dir
    prepare(models_dir)
    cold, warm = [], []
    for _ in range(effort.rounds):
        async with engine_over(models_dir, spare=True) as engine:
            await engine.start()
            await asyncio.sleep(WRITING_S)
            cold.append(await slowest_first_token(engine))
            warm.append(await slowest_first_token(engine))
    return [
        seconds_figure("f1", "click to the first token of all four demo models, nothing loaded", cold, wanted=10.0),
        seconds_figure("f2", "the same, all loaded", warm, wanted=0.5),
    ]


async def slowest_first_token(engine: InferenceEngine) -> float:
    """Seconds from asking all four to the last one's first token."""
    config = ModelConfig(temperature=0, max_tokens=FIRST_TOKENS)
    asked = (answer(engine, target, "What can you do?", config, raw=False) for target in DEMO_MODELS)
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


async def measure(parts: set[str], effort: Effort) -> AsyncIterator[list[Figure]]:
    """The figures part by part, so that each can be kept as soon as it is there."""
    if parts & set("abcd"):
        models = bench_models()
        for part in (gguf_panes, four_models, pytorch_panes):
            yield await part(models, effort, parts)
    yield await first_tokens(effort, parts)
    if "e" in parts:
        from benchmarks.streaming_browser import browser_figures

        models_dir = get_settings().models_dir
        prepare(models_dir)
        yield await browser_figures(models_dir, DEMO_MODELS, effort.rounds, WRITING_S)


async def measure_and_save(parts: set[str], effort: Effort, folder: Path) -> list[Figure]:
    figures: list[Figure] = []
    async for found in measure(parts, effort):
        figures += found
        if found:
            print(f"written to {save('streaming', found, folder)}")
    return figures


def print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="a,b,c,d,e,f", help="parts to measure, with commas")
    parser.add_argument("--rounds", type=int, default=5, help="pairs per part; the median counts")
    parser.add_argument("--tokens", type=int, default=96, help="length of each answer")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of either side; default all cores")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for streaming.json")
    given = parser.parse_args()
    effort = Effort(given.rounds, given.tokens, given.threads)
    figures = asyncio.run(measure_and_save(set(given.only.split(",")), effort, given.out))
    print_table(table(figures))


if __name__ == "__main__":
    main()
