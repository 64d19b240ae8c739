"""How long a command takes to say its help.

    python -m benchmarks.commands [--rounds 15]

Each program is started as a shell starts it, in turns; the median counts, from the start to the end of the process.
The time of processors beside it says what a busy machine adds. Written to ``benchmarks/results/commands.json``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

from benchmarks.results import Figure, save, table

PROGRAMS = ("llm-cooperation", "llm-config", "llm-server")
WANTED_S = 0.3


def timed(program: str) -> tuple[float, float]:
    """Seconds that pass, and seconds of processors."""
    began = time.perf_counter()
    silent = os.open(os.devnull, os.O_WRONLY)
    told = [(os.POSIX_SPAWN_DUP2, silent, 1)]
    child = os.posix_spawn(program, [program, "--help"], dict(os.environ), file_actions=told)
    _, status, used = os.wait4(child, 0)
    took = time.perf_counter() - began
    os.close(silent)
    if status != 0:
        raise SystemExit(f"{program} --help ended with {os.waitstatus_to_exitcode(status)}")
    return took, used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    found: dict[str, list[tuple[float, float]]] = {program: [] for program in PROGRAMS}
    for _ in range(rounds):
        for program, times in found.items():
            times.append(timed(str(Path(sys.executable).parent / program)))
    figures = []
    for program, times in found.items():
        # What is read from disk for the first time is not the command's.
        passed, used = zip(*times[1:], strict=True)
        name = f"{program} --help, of these {statistics.median(used):.2f} s of processors"
        value = statistics.median(passed)
        figures.append(Figure(id=program, name=name, value=value, wanted=WANTED_S, sense="at most", value_unit="s"))
    for row in table(figures):
        print(" | ".join(row))
    save("commands", figures)


if __name__ == "__main__":
    main()
