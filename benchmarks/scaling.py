"""How many model nodes and gateways so many users need: a simulation on figures that were measured here.

    python -m benchmarks.scaling                           writes benchmarks/results/scaling.json
    python -m benchmarks.scaling --node 1:90,8:600,32:1900 --read 20000     only printed, for nodes of your own

A node decodes answers together at the speeds that were measured over HTTP (``benchmarks.serving``, or before that was
run ``benchmarks.streaming``); between two measured numbers of answers it is on the line between them. Users ask at
random; what they ask goes to the node with the fewest answers, or waits for one with a free slot. Searched is the
smallest number of nodes at which the first word comes within three seconds in 99 of 100 cases. A million users are
cells of a hundred nodes, each like the one that is simulated: nothing is shared between cells but Redis and the store.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.http_load import percentile
from benchmarks.results import RESULTS, load, number, save_table

USERS = (10, 1_000, 1_000_000)
# At the busiest hour, of all who have an account.
ACTIVE_SHARE = 0.1
ASKS_EVERY_S = 120.0
PROMPT_TOKENS, ANSWER_TOKENS = 300, 200
FIRST_WORD_S = 3.0
SIMULATED = 3000
CELL_NODES = 100
# Streams that were open at once through one gateway process, none of them lost: benchmarks.gateway.
STREAMS_PER_GATEWAY = 1000
# A script that takes a place in the limits, and one that gives it back.
REDIS_CALLS = 2
# Prompt tokens a second, as the facts on SmolLM2-135M as Q4_0 have it.
READ_TOKENS_PER_S = 1530.0


@dataclass(frozen=True)
class Node:
    """One model process: tokens/s of all its answers by how many there are, and prompt tokens/s."""

    speeds: Mapping[int, float]
    read_tokens_per_s: float

    @property
    def slots(self) -> int:
        """As many as are fastest together."""
        return max(self.speeds, key=lambda rows: self.speeds[rows])

    def tokens_per_s(self, rows: int) -> float:
        known = sorted(self.speeds)
        below = max((n for n in known if n <= rows), default=known[0])
        above = min((n for n in known if n >= rows), default=known[-1])
        if below == above:
            return self.speeds[below]
        share = (rows - below) / (above - below)
        return self.speeds[below] + share * (self.speeds[above] - self.speeds[below])


@dataclass
class Work:
    """A node at work: answers share its speed evenly, so each ends when the work done for every one reaches its own."""

    node: Node
    at: float = 0.0
    done: float = 0.0
    ends: list[float] = field(default_factory=list)

    def advance(self, at: float) -> None:
        """Up to this moment, which no end lies before."""
        if self.ends:
            self.done += (at - self.at) * self.node.tokens_per_s(len(self.ends)) / len(self.ends)
        self.at = at

    def next_end(self) -> float:
        if not self.ends:
            return math.inf
        left = max(0.0, self.ends[0] - self.done)
        return self.at + left * len(self.ends) / self.node.tokens_per_s(len(self.ends))

    def begin(self, at: float, tokens: float) -> None:
        self.advance(at)
        heapq.heappush(self.ends, self.done + tokens)


def first_words_s(node: Node, nodes: int, per_second: float, seed: int = 7) -> list[float]:
    """Seconds until the first word of each simulated request."""
    chance = random.Random(seed)
    works = [Work(node) for _ in range(nodes)]
    waiting: deque[float] = deque()
    found: list[float] = []
    arrival, arrived = chance.expovariate(per_second), 0
    reading_s = PROMPT_TOKENS / node.read_tokens_per_s
    # What is read takes the node's time too, as so many tokens more.
    reading = reading_s * node.tokens_per_s(1)
    while len(found) < SIMULATED:
        ending = min(works, key=Work.next_end)
        at = min(arrival if arrived < SIMULATED else math.inf, ending.next_end())
        if at == ending.next_end():
            ending.advance(at)
            heapq.heappop(ending.ends)
        else:
            waiting.append(at)
            arrived += 1
            arrival = at + chance.expovariate(per_second)
        free = min(works, key=lambda work: len(work.ends))
        while waiting and len(free.ends) < node.slots:
            asked_at = waiting.popleft()
            free.begin(at, reading + chance.expovariate(1 / ANSWER_TOKENS))
            found.append(at - asked_at + reading_s * len(free.ends))
            free = min(works, key=lambda work: len(work.ends))
    return found


def nodes_for(node: Node, per_second: float) -> tuple[int, list[float]]:
    """The smallest number of nodes that is quick enough, and the seconds to the first word with it."""
    needed = per_second * ANSWER_TOKENS / max(node.speeds.values())
    nodes = max(1, math.ceil(needed))
    while percentile(words := first_words_s(node, nodes, per_second), 99) > FIRST_WORD_S:
        nodes += max(1, nodes // 20)
    return nodes, words


def row_of(node: Node, users: int) -> list[str]:
    per_second = users * ACTIVE_SHARE / ASKS_EVERY_S
    cells = max(1, round(per_second * ANSWER_TOKENS / max(node.speeds.values()) / CELL_NODES))
    nodes, words = nodes_for(node, per_second / cells)
    open_streams = per_second * (sum(words) / len(words) + ANSWER_TOKENS * node.slots / max(node.speeds.values()))
    return [
        number(users),
        number(per_second),
        number(cells),
        number(nodes * cells),
        number(math.ceil(open_streams / STREAMS_PER_GATEWAY)),
        number(REDIS_CALLS * per_second),
        f"{percentile(words, 50):.2f} s",
        f"{percentile(words, 99):.2f} s",
    ]


def measured_speeds() -> dict[int, float]:
    """Tokens/s of SmolLM2-135M as GGUF by clients, from the newest benchmark that measured it."""
    for name, prefix in (("serving", "gguf-own-"), ("streaming", "b")):
        path = RESULTS / f"{name}.json"
        if path.exists():
            found = {
                figure.id.removeprefix(prefix): figure.ours for figure in load(path)[1] if figure.unit[:3] == "tok"
            }
            speeds = {int(rows): ours for rows, ours in found.items() if rows.isdigit() and ours}
            if speeds:
                return speeds
    raise SystemExit("no speeds were measured yet; run benchmarks.serving first, or give --node")


def rows_for(node: Node, users: Sequence[int]) -> list[list[str]]:
    heading = ["users", "requests/s", "cells", "model nodes", "gateways", "Redis calls/s", "first word p50", "p99"]
    return [heading, *(row_of(node, count) for count in users)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--node", default="", help="tokens/s by answers at once, such as 1:90,8:600")
    parser.add_argument("--read", type=float, default=READ_TOKENS_PER_S, help="prompt tokens a second")
    options = parser.parse_args()
    given = (pair.split(":") for pair in options.node.split(",") if pair)
    speeds = {int(rows): float(rate) for rows, rate in given} or measured_speeds()
    node = Node(speeds, options.read)
    rows = rows_for(node, USERS)
    for row in rows:
        sys.stdout.write(" | ".join(row) + "\n")
    if not options.node:
        rates = ", ".join(f"{rate:.0f} with {rows}" for rows, rate in sorted(speeds.items()))
        note = (
            f"A node: {rates} at once (tokens/s), {options.read:,.0f} prompt tokens/s. {ACTIVE_SHARE:.0%} of the users "
            f"ask every {ASKS_EVERY_S:.0f} s, {PROMPT_TOKENS} tokens of prompt and {ANSWER_TOKENS} of answer."
        )
        sys.stdout.write(f"{save_table('scaling', rows, note, {'speeds': speeds})}\n")


if __name__ == "__main__":
    main()
