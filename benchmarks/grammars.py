"""What a grammar costs: tokens per second with the grammar of plans, beside the same model without one.

    python -m benchmarks.grammars

SmolLM2-135M, which goes along with a plan once it has begun; the demo planner, which writes plans by itself; and a
model of 200M parameters and 32,000 tokens with random weights, which never wants what the grammar wants: the dearest
case. Both halves of a round run in this process, one after the other, for the same number of tokens. Prints a table and
writes ``benchmarks/results/grammars.json``; with ``--only`` it only prints.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.bench_models import bench_model
from benchmarks.real_models import real_models
from benchmarks.results import Figure, ratio_figure, save, table
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Failed, Finished, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.registry import open_engine
from multi_llm_comparator.plans.grammar import plan_grammar

DEMO = "demo-planner"
TOKENS = 96
QUESTION = "What is (23 + 48) * 3, and is it larger than 200?"
CONFIG = ModelConfig(temperature=1.0, top_p=1.0, top_k=0, repeat_penalty=1.0, seed=1)


def tokens_per_second(engine: Engine, *, constrained: bool) -> float:
    """Speed of decoding alone, over :data:`TOKENS` tokens in as many answers as that takes."""
    grammar = replace(plan_grammar(), reserve=0) if constrained else None
    tokens, seconds, seed = 0, 0.0, 1
    while tokens < TOKENS:
        config = replace(CONFIG, max_tokens=TOKENS, seed=seed)
        request = GenerationRequest(messages=(Message("user", QUESTION),), config=config, grammar=grammar)
        seed += 1
        count, taken = _decoded(engine, request)
        tokens, seconds = tokens + count, seconds + taken
    return tokens / seconds


def _decoded(engine: Engine, request: GenerationRequest) -> tuple[int, float]:
    """Tokens after the first, and the seconds they took."""
    engine.submit(request)
    first = last = 0.0
    while True:
        for event in engine.step():
            match event:
                case TextDelta():
                    last = time.perf_counter()
                    first = first or last
                case Finished(completion_tokens=tokens):
                    return max(0, tokens - 1), last - first
                case Failed(message=message):
                    raise RuntimeError(message)


def measure(name: str, kind: str, path: Path, rounds: int) -> Figure:
    engine = open_engine(kind, str(path), LoadOptions(n_ctx=1024))
    for constrained in (False, True):
        tokens_per_second(engine, constrained=constrained)
    pairs = [tuple(tokens_per_second(engine, constrained=c) for c in (True, False)) for _ in range(rounds)]
    engine.close()
    return ratio_figure(
        f"grammar-{kind}-{name.replace('.', '-')}",
        f"{name}, {kind}: speed under the grammar of plans over speed without one",
        [(ours, peer) for ours, peer in pairs],
        unit="tokens/s",
        wanted=0.9,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="models to measure, by a part of their id")
    given = parser.parse_args()
    demo, large, real = get_settings().models_dir, bench_model("bench-200m"), real_models()
    models = [
        (real.gguf["Q4_1"], "gguf", real.file("Q4_1")),
        (real.pytorch, "pytorch", real.checkpoint),
        (DEMO, "gguf", demo / "gguf" / f"{DEMO}-F16.gguf"),
        (DEMO, "pytorch", demo / "pytorch" / DEMO),
        ("bench-200m", "gguf", large.twins["Q4_0"]),
        ("bench-200m", "pytorch", large.checkpoint),
    ]
    figures = [measure(*model, given.rounds) for model in models if given.only in f"{model[1]}-{model[0]}"]
    for row in table(figures):
        print("  ".join(cell.ljust(12) for cell in row))
    if not given.only:
        save("grammars", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
