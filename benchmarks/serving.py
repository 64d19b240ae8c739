"""The API over HTTP beside other servers of one local model, on SmolLM2-135M-Instruct.

    python -m benchmarks.serving                       everything (10 minutes), written to results/serving.json
    python -m benchmarks.serving --only gguf --clients 1,8 --rounds 1       some of it, only printed

Parts: ``gguf``: tokens/s and time to the first text at 1, 4, 8, 16 and 32 clients beside llama.cpp's own server with as
many slots as there are clients, with prompts of their own and with prompts that begin alike; ``cold``: the first
answers to prompts that begin alike, just after loading; ``single``: 8 clients beside llama-cpp-python's server;
``pytorch``: 1, 4 and 8 clients beside ``transformers serve --continuous-batching``; ``crowd``: 200 clients, and
nobody's answer is lost.

Ours is ``llm-server`` as it comes: how many requests it decodes together it learns while it is measured. Both sides get
the same chat completions from the same clients, greedily, over new connections; each round measures both, in turns
going first, and the round before the first only warms up. A value is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.http_load import Load, ask_at_once
from benchmarks.http_servers import llama_cpp_server, llama_server, transformers_server, workbench
from benchmarks.real_models import RealModels, real_models
from benchmarks.results import Figure, ratio_figure, save, table

PARTS = ("gguf", "cold", "single", "pytorch", "crowd")
CLIENTS = (1, 4, 8, 16, 32)
# What was wanted of tokens/s beside llama.cpp's server.
WANTED = {1: 1.1, 4: 1.1, 8: 1.05, 16: 1.05, 32: 1.05}
ROUNDS = 3
# A round of few clients takes a second, in which a machine is seldom as fast as in the next: there are so many times as
# many of those.
FEW_CLIENTS, TIMES_AS_MANY = 4, 5
TOKENS = 40
CROWD, CROWD_TOKENS = 200, 8
SUBJECTS = ("bread", "compilers", "rivers", "ships", "planets", "farming", "violins", "streets")
SHARED = (
    "You are a patient teacher of a class of curious twelve-year-olds. Answer in full sentences, name the reasons for "
    "what you say, give an example from daily life for each point, avoid words that they would have to look up, and do "
    "not stop before you have written at least two thousand words with a heading for each section. The question: "
)


def prompts(kind: str, number: int, count: int) -> list[str]:
    """``count`` questions that no other round asks; ``shared`` ones begin with the same hundred tokens."""
    head = SHARED if kind == "shared" else ""
    return [
        f"{head}Chapter {number * 50 + i} of a long essay about {SUBJECTS[i % len(SUBJECTS)]}: how did it all begin?"
        for i in range(count)
    ]


@dataclass(frozen=True)
class Side:
    """A running server, and the name of the model in it."""

    url: str
    model: str

    def load(self, asked: Sequence[str], tokens: int) -> Load:
        load = asyncio.run(ask_at_once(self.url, self.model, asked, tokens))
        if load.lost:
            raise SystemExit(f"{self.url}: {len(load.lost)} of {len(asked)} answers were lost, first: {load.lost[0]}")
        return load


@dataclass(frozen=True)
class Effort:
    """How much is measured: numbers of clients, pairs of loads, threads on either side."""

    clients: Sequence[int]
    rounds: int
    threads: int


Rounds = list[tuple[Load, Load]]


def rounds_of(ours: Side, peer: Side, asked: Callable[[int], list[str]], effort: Effort) -> Rounds:
    """Rounds after one that warms up; who goes first alternates."""
    found = []
    rounds = effort.rounds * (TIMES_AS_MANY if len(asked(0)) <= FEW_CLIENTS else 1)
    for number in range(rounds + 1):
        order = (ours, peer) if number % 2 else (peer, ours)
        loads = {side: side.load(asked(2 * number + place), TOKENS) for place, side in enumerate(order)}
        found.append((loads[ours], loads[peer]))
        mine, theirs = loads[ours], loads[peer]
        print(
            f"  round {number}: {mine.tokens_per_s:.1f} and {theirs.tokens_per_s:.1f} tokens/s, first text after "
            f"{mine.ttft_s(50):.2f} and {theirs.ttft_s(50):.2f} s",
            flush=True,
        )
    return found[1:]


def speed(id: str, name: str, rounds: Rounds, wanted: float) -> Figure:
    pairs = [(mine.tokens_per_s, theirs.tokens_per_s) for mine, theirs in rounds]
    return ratio_figure(id, name, pairs, unit="tokens/s", wanted=wanted)


def first_text(id: str, name: str, rounds: Rounds, percent: int, wanted: float) -> Figure:
    pairs = [(mine.ttft_s(percent), theirs.ttft_s(percent)) for mine, theirs in rounds]
    return ratio_figure(
        f"{id}-p{percent}",
        f"time to the first text, p{percent}: {name}",
        pairs,
        unit="s",
        wanted=wanted,
        sense="at most",
    )


def figures_at(id: str, name: str, rounds: Rounds, wanted: float) -> list[Figure]:
    return [
        speed(id, name, rounds, wanted),
        *(first_text(id, name, rounds, percent, 1.0) for percent in (50, 99)),
    ]


@contextlib.contextmanager
def ours_and(
    models: RealModels, model: str, peer: contextlib.AbstractContextManager[str], named: str
) -> Iterator[tuple[Side, Side]]:
    with workbench(models.folder) as own, peer as other:
        yield Side(own, model), Side(other, named)


def part_gguf(models: RealModels, effort: Effort) -> list[Figure]:
    """Ours stays up, as it would; llama.cpp's server is started anew with as many slots as there are clients."""
    figures = []
    file = models.file("Q4_1")
    with workbench(models.folder) as own:
        ours = Side(own, file.stem)
        for count in effort.clients:
            for kind in ("own", "shared"):
                with llama_server(file, count, effort.threads) as other:
                    print(f"gguf, {count} clients, {kind} prompts", flush=True)
                    rounds = rounds_of(ours, Side(other, file.stem), _asking(kind, count), effort)
                name = f"GGUF (Q4_1), {kind} prompts, clients: {count}, beside llama.cpp's server with as many slots"
                figures += figures_at(f"gguf-{kind}-{count}", name, rounds, WANTED.get(count, 1.0))
    return figures


def _asking(kind: str, count: int) -> Callable[[int], list[str]]:
    return lambda number: prompts(kind, number, count)


def part_cold(models: RealModels, effort: Effort) -> list[Figure]:
    """Nothing of the shared beginning has been read before: each pair is of servers that have only warmed up."""
    file, count = models.file("Q4_1"), 8
    pairs = []
    for number in range(effort.rounds):
        with ours_and(models, file.stem, llama_server(file, count, effort.threads), file.stem) as (ours, peer):
            for side in (ours, peer):
                side.load(["Say yes."], 2)
            order = (ours, peer) if number % 2 else (peer, ours)
            loads = {side: side.load(prompts("shared", number, count), 4) for side in order}
            pairs.append((loads[ours].ttft_s(50), loads[peer].ttft_s(50)))
            print(f"cold, 8 clients: first text after {pairs[-1][0]:.2f} and {pairs[-1][1]:.2f} s", flush=True)
    name = "time to the first text, p50, cold, prompts that begin alike, clients: 8, beside llama.cpp's server"
    return [ratio_figure("cold", name, pairs, unit="s", wanted=0.5, sense="at most")]


def part_single(models: RealModels, effort: Effort) -> list[Figure]:
    file, count = models.file("Q4_1"), 8
    with ours_and(models, file.stem, llama_cpp_server(file, effort.threads), file.stem) as (ours, peer):
        print("8 clients beside llama-cpp-python's server", flush=True)
        rounds = rounds_of(ours, peer, _asking("own", count), effort)
    return [speed("single-8", "GGUF (Q4_1), clients: 8, beside llama-cpp-python's server", rounds, 4.0)]


def part_pytorch(models: RealModels, effort: Effort) -> list[Figure]:
    figures = []
    peer_server = transformers_server(models.checkpoint, effort.threads)
    with ours_and(models, models.pytorch, peer_server, str(models.checkpoint)) as (ours, peer):
        for count in (count for count in effort.clients if count <= 8):
            print(f"PyTorch, {count} clients", flush=True)
            rounds = rounds_of(ours, peer, _asking("own", count), effort)
            name = f"PyTorch (bfloat16), clients: {count}, beside transformers serve --continuous-batching"
            figures += figures_at(f"pytorch-{count}", name, rounds, 1.5)
    return figures


def part_crowd(models: RealModels, effort: Effort) -> list[Figure]:
    del effort
    model = models.file("Q4_1").stem
    with workbench(models.folder) as own:
        asked = [f"Name {i + 2} animals." for i in range(CROWD)]
        load = asyncio.run(ask_at_once(own, model, asked, CROWD_TOKENS))
    print(f"{CROWD} clients: {len(load.lost)} lost, {load.tokens_per_s:.1f} tokens/s", *load.lost[:3], flush=True)
    return [
        Figure(
            id="crowd-lost",
            name=f"answers lost, {CROWD} clients at once",
            value=len(load.lost),
            wanted=0,
            sense="at most",
            value_unit="answers",
            ours=load.tokens_per_s,
            unit="tokens/s",
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--clients", default=",".join(map(str, CLIENTS)))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    effort = Effort([int(text) for text in options.clients.split(",")], options.rounds, options.threads)
    models, figures = real_models(), []
    measures = {
        "gguf": part_gguf,
        "cold": part_cold,
        "single": part_single,
        "pytorch": part_pytorch,
        "crowd": part_crowd,
    }
    for part in options.only.split(","):
        figures += measures[part](models, effort)
    for row in table(figures):
        sys.stdout.write(" | ".join(row) + "\n")
    if options.only == ",".join(PARTS) and tuple(effort.clients) == CLIENTS:
        sys.stdout.write(f"{save('serving', figures)}\n")


if __name__ == "__main__":
    main()
