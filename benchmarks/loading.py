"""How long models take to load, and whether the first answers after a load are as fast as later ones.

    python -m benchmarks.loading FOLDER [NAME ...]     models in FOLDER/pytorch and FOLDER/gguf; by default all

Each model is loaded twice and answers three times after each load, as in the workbench: with what gets ready for
PyTorch models meanwhile. Prints seconds to load, tokens/s of each answer, and memory.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from benchmarks.contestant import answer, engine_over
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.services.inference_engine import InferenceEngine

QUESTIONS = ("What is a tide?", "Who writes down the weather, and why?", "How is bread made?")
ANSWER = ModelConfig(temperature=0, max_tokens=96)


async def measure(engine: InferenceEngine, name: str) -> None:
    for _ in range(2):
        speeds, load_s = [], 0.0
        for question in QUESTIONS:
            progress = await answer(engine, name, question, ANSWER)
            speeds.append(progress.tokens_per_second or 0.0)
            load_s = load_s or progress.load_s or 0.0
        held = next(m.memory_bytes for m in engine.loaded_models() if m.name == name) or 0
        told = ", ".join(f"{speed:.0f}" for speed in speeds)
        print(f"{name:40} load {load_s:5.2f} s   tokens/s {told:18} memory {held / 1e6:.0f} MB", flush=True)
        await engine.unload(name)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    async with engine_over(arguments.folder, spare=True) as engine:
        names = arguments.names or sorted(
            path.stem if path.is_file() else path.name for path in arguments.folder.glob("*/*")
        )
        for name in names:
            await measure(engine, name)


if __name__ == "__main__":
    asyncio.run(main())
