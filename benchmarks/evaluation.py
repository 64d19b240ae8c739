"""How fast multiple-choice questions are scored, and how exactly, beside ``lm-eval --model hf`` at its defaults.

    python -m benchmarks.evaluation                       PyTorch and GGUF, at three ratios of examples to question
    python -m benchmarks.evaluation --items 16 --rounds 1

SmolLM2-135M-Instruct answers five-shot questions in the form of MMLU, generated here: examples of about 200, 400 and
600 tokens in all, questions of about 60. lm-eval's own ``hf`` model (float32, batches of one, its defaults on a CPU)
and our engine score the same prompts by turns, each in a process of its own that has loaded its model before; what
counts is the time from the first question to the last score. Both begin every round with nothing in memory of its
questions: each round has examples of its own.

The greatest difference of a log-probability and the choices that changed, ties apart, are from lm-eval's in the same
type. GGUF has other weights than lm-eval: its scores are compared with those of some of the questions asked one by one.

Prints a table of each set and writes ``benchmarks/results/evaluation.json`` and ``evaluation-gguf.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.real_models import real_models
from benchmarks.results import Figure, ratio_figure, save, table
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult, ties
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.scan.single import model_at

WANTED = 6.0
N_CTX = 2048
# Questions behind each prefix that a way is asked one by one where lm-eval has other weights.
ALONE = 16
CHOICES = (" A", " B", " C", " D")
# Tokens of all examples together, and the words of each one's question that make them.
EXAMPLE_WORDS = {200: 2, 400: 42, 600: 82}
QUESTION_WORDS = 24
SENTENCES = (
    "the river house tree light stone paper winter number garden between which describes following process energy "
    "water theory language ancient measure pressure current market history letter system control value animal"
)


@dataclass
class Way:
    """One way of ours, and what was measured for it."""

    name: str
    path: Path
    dtype: str
    peer_dtype: str
    rounds: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    greatest_nats: float = 0.0
    flips: int = 0
    compared: int = 0

    @property
    def is_peers(self) -> bool:
        """Whether lm-eval computes with the same weights."""
        return self.dtype == self.peer_dtype


def questions(prefix_tokens: int, n: int, seed: int) -> list[str]:
    """Prompts of one subject: five examples, then a question."""
    draw = random.Random(f"{prefix_tokens} {seed}")

    words = SENTENCES.split()

    def sentence(length: int) -> str:
        return " ".join(draw.choice(words) for _ in range(length))

    def question(length: int) -> str:
        choices = "\n".join(f"{letter}. {sentence(4)}" for letter in "ABCD")
        return f"{sentence(length)}?\n{choices}\nAnswer:"

    head = f"The following are multiple choice questions (with answers) about {sentence(2)}.\n\n"
    length = EXAMPLE_WORDS[prefix_tokens]
    examples = "".join(f"{question(length)} {draw.choice('ABCD')}\n\n" for _ in range(5))
    return [head + examples + question(QUESTION_WORDS) for _ in range(n)]


class Peer:
    """lm-eval's ``hf`` model in a process of its own, which answers a line with a line."""

    def __init__(self, model: Path, dtype: str) -> None:
        command = [sys.executable, "-m", "benchmarks.evaluation", "--peer", str(model), "--dtype", dtype]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask(["a b"])

    def ask(self, prompts: Sequence[str]) -> tuple[float, list[list[float]]]:
        """Seconds, and the log-probabilities of the choices of each prompt."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(prompts)) + "\n")
        self._process.stdin.flush()
        while line := self._process.stdout.readline():
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer["seconds"], answer["logprobs"]
        raise SystemExit("lm-eval's process ended; install the extra: pip install -r extras/lm-eval.txt")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve_as_peer(model: str, dtype: str) -> None:
    """Be that process."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    # Our model process lets the app go first; on a machine that does other things too, so must its peer.
    os.nice(6)
    peer = HFLM(pretrained=model, device="cpu", dtype=dtype, max_length=N_CTX)
    for line in sys.stdin:
        prompts = json.loads(line)
        asked = [
            Instance(request_type="loglikelihood", doc={}, arguments=(prompt, choice), idx=i)
            for prompt in prompts
            for i, choice in enumerate(CHOICES)
        ]
        begun = time.perf_counter()
        scores = [float(score) for score, _ in peer.loglikelihood(asked, disable_tqdm=True)]
        seconds = time.perf_counter() - begun
        grouped = [scores[i : i + len(CHOICES)] for i in range(0, len(scores), len(CHOICES))]
        print(json.dumps({"seconds": seconds, "logprobs": grouped}), flush=True)


async def ours(
    engine: InferenceEngine, model_id: str, way: Way, prompts: Sequence[str]
) -> tuple[float, list[ScoreResult]]:
    """Seconds, and the results of all prompts, which are asked at once."""
    config = ModelConfig(n_ctx=N_CTX, torch_dtype=way.dtype)
    requests = [ScoreRequest(prefix=prompt, continuations=CHOICES, config=config) for prompt in prompts]
    begun = time.perf_counter()
    results = await asyncio.gather(*(engine.score(model_id, request) for request in requests))
    return time.perf_counter() - begun, list(results)


async def measure(way: Way, peer_model: Path, items: int, rounds: int, prefixes: Sequence[int]) -> None:
    """Score all rounds by turns, ours and the peer's."""
    peer = Peer(peer_model, way.peer_dtype)
    engine = InferenceEngine()
    model = model_at(way.path)
    engine.know(model)
    try:
        await ours(engine, model.id, way, ["a b"])
        for prefix_tokens in prefixes:
            for seed in range(rounds):
                prompts = questions(prefix_tokens, items, seed)
                our_s, results = await ours(engine, model.id, way, prompts)
                peer_s, theirs = peer.ask(prompts)
                way.rounds.setdefault(prefix_tokens, []).append((items / our_s, items / peer_s))
                if way.is_peers:
                    for result, logprobs in zip(results, theirs, strict=True):
                        _compare(way, result, logprobs)
                elif seed == rounds - 1:
                    for result, prompt in zip(results[:ALONE], prompts[:ALONE], strict=True):
                        _, (alone,) = await ours(engine, model.id, way, [prompt])
                        _compare(way, result, alone.logprobs)
                print(
                    f"{way.name}, {prefix_tokens} tokens: {items / our_s:.2f} and {items / peer_s:.2f} items/s",
                    flush=True,
                )
    finally:
        await engine.aclose()
        peer.close()


def _compare(way: Way, result: ScoreResult, logprobs: Sequence[float]) -> None:
    way.compared += 1
    way.greatest_nats = max(way.greatest_nats, *(abs(a - b) for a, b in zip(result.logprobs, logprobs, strict=True)))
    theirs = max(range(len(logprobs)), key=lambda i: (logprobs[i], -i))
    way.flips += theirs != result.best and not ties(logprobs, result.tie_nats)


def figures(ways: Sequence[Way]) -> list[Figure]:
    found = []
    for way in ways:
        for prefix_tokens, rounds in way.rounds.items():
            wanted = WANTED if prefix_tokens == 600 else 1.0
            name = f"{way.name}: items/s behind {prefix_tokens} tokens of examples"
            found.append(ratio_figure(f"{way.name}-{prefix_tokens}", name, rounds, unit="items/s", wanted=wanted))
        if way.compared:
            found += _equality(way)
    return found


def _equality(way: Way) -> list[Figure]:
    """Promised is equality in float32 alone: in 16 bit and with quantised weights sums depend on the batch."""
    is_promised = way.dtype == "float32"
    whose = f"{way.compared} items" if way.is_peers else f"{way.compared} items one by one"
    nats = Figure(
        id=f"{way.name}-nats",
        name=f"{way.name}: greatest difference of a log-probability, {whose}",
        value=way.greatest_nats,
        wanted=1e-3 if is_promised else None,
        sense="at most",
        value_unit="nats",
    )
    flips = Figure(
        id=f"{way.name}-flips",
        name=f"{way.name}: choices that changed, ties apart, of {whose}",
        value=way.flips,
        wanted=0 if is_promised else None,
        sense="at most",
        value_unit="",
    )
    return [nats, flips]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="a set, 'evaluation' or 'evaluation-gguf', or a way such as 'GGUF Q8_0'")
    parser.add_argument("--prefix", type=int, nargs="*", choices=EXAMPLE_WORDS, help="tokens of the examples")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--dtype", default="float32", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        serve_as_peer(arguments.peer, arguments.dtype)
        return
    models = real_models()
    pytorch = [Way(f"PyTorch {dtype}", models.checkpoint, dtype, dtype) for dtype in ("float32", "bfloat16")]
    gguf = [Way(f"GGUF {name}", models.file(name), "auto", "float32") for name in ("Q8_0", "Q4_0")]
    # Two sets, so that ten quiet minutes are enough for one.
    for name, ways in {"evaluation": pytorch, "evaluation-gguf": gguf}.items():
        chosen = [way for way in ways if arguments.only in (None, way.name, name)]
        prefixes = arguments.prefix or list(EXAMPLE_WORDS)
        for way in chosen:
            asyncio.run(measure(way, models.checkpoint, arguments.items, arguments.rounds, prefixes))
        found = figures(chosen)
        for row in table(found):
            print(" | ".join(row), flush=True)
        if chosen == ways and arguments.prefix is None:
            print(f"written: {save(name, found)}", flush=True)


if __name__ == "__main__":
    main()
