"""How long does it take to find what two answers of 10,000 words have that the other has not?

    python -m benchmarks.differences [--rounds 9]

Pairs of texts of four kinds: one with a change here and there, two of the same few words in another order, two
without a word in common, and two in Chinese, which is compared sign by sign. Measured is what the page does before
it draws: aligning, and folding what is the same. Prints a table of medians and writes
``benchmarks/results/differences.json``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

from benchmarks.results import Figure, save, table
from multi_llm_comparator.comparison.differences import folded, word_differences

WORDS, WANTED_MS = 10_000, 200.0
COMMON = ["the", "of", "and", "a", "to", "in", "is", *(f"word{n}" for n in range(300))]
SIGNS = [chr(0x4E00 + n) for n in range(600)]


def changed(chance: random.Random) -> tuple[str, str]:
    """Every fiftieth word is another one."""
    words = chance.choices(COMMON, k=WORDS)
    other = [f"other{n}" if n % 50 == 7 else word for n, word in enumerate(words)]
    return " ".join(words), " ".join(other)


def reordered(chance: random.Random) -> tuple[str, str]:
    return " ".join(chance.choices(COMMON, k=WORDS)), " ".join(chance.choices(COMMON, k=WORDS))


def strangers(chance: random.Random) -> tuple[str, str]:
    return " ".join(f"left{n}" for n in range(WORDS)), " ".join(f"right{n}" for n in range(WORDS))


def chinese(chance: random.Random) -> tuple[str, str]:
    return "".join(chance.choices(SIGNS, k=WORDS)), "".join(chance.choices(SIGNS, k=WORDS))


KINDS: dict[str, tuple[str, Callable[[random.Random], tuple[str, str]]]] = {
    "changed": ("every 50th word is another", changed),
    "reordered": ("the same words, drawn anew", reordered),
    "strangers": ("no word in common", strangers),
    "chinese": ("Chinese signs, drawn anew", chinese),
}


def taken_ms(a: str, b: str) -> float:
    begun = time.perf_counter()
    list(folded(word_differences(a, b)))
    return 1000 * (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds: int = parser.parse_args().rounds
    figures = []
    for id, (words, make) in KINDS.items():
        a, b = make(random.Random(7))
        times = [taken_ms(a, b) for _ in range(rounds)]
        figures.append(
            Figure(
                id=id,
                name=f"{WORDS:,} words beside {WORDS:,}: {words}",
                value=statistics.median(times),
                wanted=WANTED_MS,
                sense="at most",
                value_unit="ms",
                rounds=[[time_ms] for time_ms in times],
            )
        )
    for row in table(figures):
        print(" | ".join(row))
    save("differences", figures)


if __name__ == "__main__":
    main()
