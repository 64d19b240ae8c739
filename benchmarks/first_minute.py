"""The first minute: from the end of the installation to a real model's first answer on the screen.

    python -m benchmarks.first_minute [--rounds 3]     written to benchmarks/results/first_minute.json

Each round has an empty home and a folder with nothing but the demo checkpoints that a checkout brings, and does what
``make run`` does then: makes the demo models' other forms, fetches the first model, starts the app; a browser opens
the page and presses its first example at once. What the network takes is in it; pip's cache is used where it has the
model.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.real_app import ROOT, app, blank_page
from benchmarks.results import RESULTS, Figure, save, table

EXAMPLE = '[class*="st-key-compare_example_"] button'
TEXT = '[class*="st-key-text_"] [data-testid="stMarkdownContainer"]'
# A newcomer waits a minute for an answer, and half of it for something to look at.
WANTED_S = {"ready": 20.0, "open": 30.0, "token": 45.0, "answer": 60.0}
Seconds = dict[str, float]
NAMES = {
    "ready": "until the first model and the demo models' other forms are there",
    "open": "until a prompt can be written",
    "token": "until the first answer's first words are on the screen",
    "answer": "until the first answer is whole",
}


def make_ready(models: Path) -> None:
    """What ``make run`` does before it starts the app."""
    environment = os.environ | {"MLC_MODELS_DIR": str(models)}
    for module in ("demo.prepare", "multi_llm_comparator.services.first_model"):
        subprocess.run([sys.executable, "-m", module], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def copy_demo_checkpoints(models: Path) -> None:
    """The demo models as they lie in the repository."""
    (models / "gguf").mkdir(parents=True)
    (models / "pytorch").mkdir()
    for checkpoint in sorted((ROOT / "models" / "pytorch").glob("demo-*")):
        shutil.copytree(checkpoint, models / "pytorch" / checkpoint.name)


async def first_minute() -> Seconds:
    """One round: seconds from the end of the installation, by what was there then."""
    found: Seconds = {}
    with tempfile.TemporaryDirectory(prefix="mlc-first-") as folder:
        home = Path(folder)
        copy_demo_checkpoints(home / "models")
        begin = time.perf_counter()
        make_ready(home / "models")
        found["ready"] = time.perf_counter() - begin
        with app(home) as address:
            async with blank_page(address, width=1440) as page:
                await page.goto(address)
                await page.locator('[data-testid="stChatInputTextArea"]:enabled').wait_for()
                found["open"] = time.perf_counter() - begin
                await page.locator(EXAMPLE).first.click()
                await page.locator(TEXT).first.wait_for()
                found["token"] = time.perf_counter() - begin
                await page.locator('[data-state="done"]').first.wait_for()
                found["answer"] = time.perf_counter() - begin
    return found


def figures(rounds: list[Seconds]) -> list[Figure]:
    """The longest of the rounds counts: a newcomer has one."""
    return [
        Figure(
            id=key,
            name=f"from the end of the installation {name} (longest of {len(rounds)})",
            value=max(found[key] for found in rounds),
            wanted=WANTED_S[key],
            sense="at most",
            value_unit="s",
            rounds=[[round(found[key], 2)] for found in rounds],
        )
        for key, name in NAMES.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for first_minute.json")
    given = parser.parse_args()
    rounds = []
    for _ in range(given.rounds):
        rounds.append(asyncio.run(first_minute()))
        print({key: round(seconds, 1) for key, seconds in rounds[-1].items()}, flush=True)
    measured = figures(rounds)
    for row in table(measured):
        print(" | ".join(row))
    print(save("first_minute", measured, given.out))


if __name__ == "__main__":
    main()
