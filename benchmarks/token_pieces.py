"""What do log-probabilities of each token cost an answer?

    python -m benchmarks.token_pieces MODEL... [--tokens 24] [--rounds 100]

Each model, a GGUF file or a checkpoint's folder, answers in this process: plain and with the five likeliest tokens
beside each of its own, in turns, alone and four at a time: short answers and many, for a machine is seldom as fast for
long. What counts is the ratio of the two speeds, whose median and quartiles over the rounds are printed and written to
``benchmarks/results/token_pieces.json``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from benchmarks.results import Figure, ratio_figure, save, table
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.core.events import Finished, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.registry import open_engine

PROMPTS = ("Tell me about the sea.", "How is bread made?", "Why is the sky blue?", "What is a compiler?")
TOP = 5
WANTED = 0.97


def speed(engine: Engine, together: int, tokens: int, top_logprobs: int | None) -> float:
    """Tokens a second of all answers together, from the first token to the last."""
    config = ModelConfig(temperature=0, max_tokens=tokens, top_logprobs=top_logprobs)
    for prompt in PROMPTS[:together]:
        engine.submit(GenerationRequest(messages=(Message("user", prompt),), config=config))
    first, written, over = 0.0, 0, 0
    while over < together:
        for event in engine.step():
            written += isinstance(event, TextDelta)
            over += isinstance(event, Finished)
            first = first or (time.perf_counter() if isinstance(event, TextDelta) else 0.0)
    return written / (time.perf_counter() - first)


def rounds_of(engine: Engine, together: int, tokens: int, rounds: int) -> list[tuple[float, float]]:
    """Speeds with pieces and without, round by round; who comes first changes with each."""
    found = []
    for number in range(rounds):
        order = (None, TOP) if number % 2 else (TOP, None)
        speeds = {top: speed(engine, together, tokens, top) for top in order}
        found.append((speeds[TOP], speeds[None]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=100)
    given = parser.parse_args()
    figures: list[Figure] = []
    for path in given.models:
        kind = "gguf" if path.is_file() else "pytorch"
        options = LoadOptions(n_ctx=512, n_threads=available_cpus(), use_gpu=False)
        engine = open_engine(kind, str(path), options)
        speed(engine, 1, 8, TOP)
        for together in (1, 4):
            found = rounds_of(engine, together, given.tokens, given.rounds)
            name = f"{path.name}, {together} at once: log-probabilities kept, beside plain answers"
            figures.append(ratio_figure(f"T{len(figures) + 1}", name, found, unit="tokens/s", wanted=WANTED))
            low, middle, high = statistics.quantiles([kept / plain for kept, plain in found], n=4)
            print(f"{name}: {middle:.3f} (quartiles {low:.3f} to {high:.3f})", flush=True)
        engine.close()
    for row in table(figures):
        print(" | ".join(row))
    save("token_pieces", figures)


if __name__ == "__main__":
    main()
