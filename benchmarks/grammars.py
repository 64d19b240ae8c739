"""What a constraint costs: tokens per second under one, beside the same model without.

    python -m benchmarks.grammars

SmolLM2-135M in both engines, held to the grammar of plans and to a JSON schema. Either it is asked for what it is held
to, or for a poem, so that it would write something else; so would a model of 200M parameters with random weights, at
every token. Both halves of a round run in this process, one after the other, for the same number of tokens. Prints a
table and writes ``benchmarks/results/grammars.json``; with ``--only`` it only prints.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.bench_models import bench_model
from benchmarks.real_models import real_models
from benchmarks.results import Figure, ratio_figure, save, table
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Failed, Finished, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.registry import open_engine
from multi_llm_comparator.plans.grammar import plan_grammar
from multi_llm_comparator.plans.prompts import planner_messages

TOKENS = 160
WANTED = 0.95
CONFIG = ModelConfig(temperature=1.0, top_p=1.0, top_k=0, repeat_penalty=1.0, max_tokens=TOKENS)
TEXT = {"type": "string", "minLength": 20, "maxLength": 120}
SCHEMA = Constraint.of_schema(
    {
        "type": "object",
        "properties": {
            "title": TEXT,
            "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
            "kind": {"enum": ["novel", "poem", "play"]},
            "people": {
                "type": "array",
                "minItems": 2,
                "maxItems": 6,
                "items": {
                    "type": "object",
                    "properties": {"name": TEXT, "age": {"type": "integer", "minimum": 1, "maximum": 99}},
                    "required": ["name", "age"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["title", "year", "kind", "people"],
        "additionalProperties": False,
    }
)
CONSTRAINTS = {"plan": replace(plan_grammar(), reserve=0), "json": SCHEMA}
POEM = (Message("user", "Write a long poem about the sea, in plain lines, without any brackets or tags."),)
ASKED = {
    "plan": planner_messages("What is (23 + 48) * 3, and is it larger than 200?"),
    "json": (Message("user", "Describe a book in JSON: its title, year, kind, and the people in it with their age."),),
}
QUESTIONS: Mapping[str, Mapping[str, tuple[Message, ...]]] = {
    "willing": ASKED,
    "resisting": dict.fromkeys(ASKED, POEM),
}


def tokens_per_second(engine: Engine, messages: tuple[Message, ...], constraint: Constraint | None) -> float:
    """Speed of decoding alone, over :data:`TOKENS` tokens in as many answers as that takes."""
    tokens, seconds, seed = 0, 0.0, 1
    while tokens < TOKENS:
        config = replace(CONFIG, seed=seed)
        count, taken = _decoded(engine, GenerationRequest(messages=messages, config=config, constraint=constraint))
        tokens, seconds, seed = tokens + count, seconds + taken, seed + 1
    return tokens / seconds


def _decoded(engine: Engine, request: GenerationRequest) -> tuple[int, float]:
    """Tokens after the first ones, and the seconds they took."""
    engine.submit(request)
    first = last = 0.0
    begun_with = 0
    while True:
        for event in engine.step():
            match event:
                case TextDelta(tokens=tokens):
                    last = time.perf_counter()
                    first, begun_with = first or last, begun_with or tokens
                case Finished(completion_tokens=tokens):
                    return max(0, tokens - begun_with), last - first
                case Failed(message=message):
                    raise RuntimeError(message)


def measure(kind: str, name: str, path: Path, wish: str, rounds: int) -> list[Figure]:
    """One figure for each constraint, of one model; ``wish`` says what it is asked for."""
    engine = open_engine(kind, str(path), LoadOptions(n_ctx=2048))
    figures = []
    for form, constraint in CONSTRAINTS.items():
        messages, both = QUESTIONS[wish][form], (constraint, None)
        for held_to in both:
            tokens_per_second(engine, messages, held_to)
        pairs = [tuple(tokens_per_second(engine, messages, held_to) for held_to in both) for _ in range(rounds)]
        figures.append(
            ratio_figure(
                f"grammar-{kind}-{name.replace('.', '-')}-{form}-{wish}",
                f"{name}, {kind}, {wish}: speed held to a {form} over speed without",
                [(ours, peer) for ours, peer in pairs],
                unit="tokens/s",
                wanted=WANTED,
            )
        )
    engine.close()
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="models to measure, by a part of their kind, name and wish")
    given = parser.parse_args()
    large, real = bench_model("bench-200m"), real_models()
    smol = (("gguf", real.gguf["Q4_1"], real.file("Q4_1")), ("pytorch", real.pytorch, real.checkpoint))
    random = (("gguf", "bench-200m", large.twins["Q4_0"]), ("pytorch", "bench-200m", large.checkpoint))
    models = [(*model, wish) for wish in QUESTIONS for model in smol] + [(*model, "resisting") for model in random]
    figures = []
    for kind, name, path, wish in models:
        if given.only in f"{kind}-{name}-{wish}":
            figures += measure(kind, name, path, wish, given.rounds)
    for row in table(figures):
        print("  ".join(cell.ljust(12) for cell in row))
    if not given.only:
        save("grammars", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
