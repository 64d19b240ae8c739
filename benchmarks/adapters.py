"""What do three adapters beside a base cost, against four models in memory, and against peft's way of mixing?

    python -m benchmarks.adapters CHECKPOINT [--gguf FILE] [--tokens 64] [--rounds 5]

Four answers at once, from the base and from each of three adapters of rank 8 on all linear layers (random numbers): in
one process with the base in memory once; in four processes, each with a whole model, on the same cores; and by peft's
``generate`` with ``adapter_names``. All decode greedily in bfloat16 where the CPU computes it, and as many tokens.
Prints a table and writes ``benchmarks/results/adapters.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.child import Child
from benchmarks.results import Figure, ratio_figure, save, table
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.core.events import Failed, Finished, TextDelta
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.adapter_config import PREFIX
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.gguf_adapter_file import write_gguf_adapter
from multi_llm_comparator.inferencers.registry import open_engine
from multi_llm_comparator.inferencers.stored_tensors import stored_tensors
from multi_llm_comparator.services.scan.adapters import gguf_base

ADAPTERS = 3
RANK = 8
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
PROMPTS = ("Tell me about the sea.", "How is bread made?", "Why is the sky blue?", "What is a compiler?")
MEMORY_WANTED, PROCESSES_WANTED, PEFT_WANTED = 1.15, 2.0, 1.3


def make_adapter(folder: Path, checkpoint: Path, seed: int) -> Path:
    """An adapter of random numbers, small enough that the model goes on writing words."""
    from safetensors.numpy import save_file

    random, matrices = np.random.default_rng(seed), {}
    for name, tensor in stored_tensors((checkpoint / "model.safetensors",)).items():
        module = name.removesuffix(".weight")
        if module.rpartition(".")[2] in LINEAR:
            outputs, inputs = tensor.shape
            matrices[f"{PREFIX}{module}.lora_A.weight"] = random.normal(0, 0.02, (RANK, inputs)).astype(np.float32)
            matrices[f"{PREFIX}{module}.lora_B.weight"] = random.normal(0, 0.02, (outputs, RANK)).astype(np.float32)
    folder.mkdir()
    told = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 2 * RANK, "bias": "none"}
    told |= {"base_model_name_or_path": str(checkpoint), "target_modules": list(LINEAR)}
    (folder / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
    save_file(matrices, folder / "adapter_model.safetensors")
    return folder


# --- what a contestant's process does ---------------------------------------------------------------------------------


def serve_engine(kind: str, path: str, adapters: Sequence[str], n_threads: int, tokens: int) -> None:
    """For each line that comes: one answer with each of the adapters ("" is the base), all at once."""
    engine = open_engine(kind, path, LoadOptions(n_ctx=512, n_threads=n_threads, use_gpu=False))
    for round_, _ in enumerate(sys.stdin):
        begun = time.monotonic()
        written = sum(_answers(engine, adapters, tokens, f"{round_}"))
        _tell(written, time.monotonic() - begun)
    engine.close()


def _answers(engine: Engine, adapters: Sequence[str], tokens: int, round_: str) -> list[int]:
    config = ModelConfig(temperature=0, repeat_penalty=1.0, max_tokens=tokens, n_ctx=512)
    for number, adapter in enumerate(adapters):
        asked = GenerationRequest(messages=(Message("user", PROMPTS[number]),), config=config, id=f"{round_}-{number}")
        engine.submit(replace(asked, adapter=adapter))
    written = {f"{round_}-{number}": 0 for number in range(len(adapters))}
    open_ids = set(written)
    while open_ids:
        for event in engine.step():
            match event:
                case TextDelta():
                    written[event.request_id] = event.tokens
                case Finished():
                    open_ids.discard(event.request_id)
                case Failed():
                    raise SystemExit(event.message)
    return list(written.values())


def serve_peft(path: str, adapters: Sequence[str], n_threads: int, tokens: int) -> None:
    """The same with peft: one batch, padded on the left, each row with its adapter's name."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from multi_llm_comparator.core.cpus import slow_on_cpu

    torch.set_num_threads(n_threads)
    dtype = torch.float32 if slow_on_cpu("bfloat16") else torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    base = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    named = {f"a{number}": adapter for number, adapter in enumerate(adapters) if adapter}
    first, *others = named
    model = PeftModel.from_pretrained(base, named[first], adapter_name=first, autocast_adapter_dtype=False)
    for name in others:
        model.load_adapter(named[name], name, autocast_adapter_dtype=False)
    model.to(dtype).eval()
    names = [f"a{number}" if adapter else "__base__" for number, adapter in enumerate(adapters)]
    chats = [[{"role": "user", "content": prompt}] for prompt in PROMPTS[: len(adapters)]]
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    ids = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    for _ in sys.stdin:
        begun = time.monotonic()
        with torch.inference_mode():
            out = model.generate(
                **ids, adapter_names=names, do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens
            )
        _tell((out.shape[1] - ids["input_ids"].shape[1]) * len(adapters), time.monotonic() - begun)


def _tell(tokens: int, seconds: float) -> None:
    told = {"tokens": tokens, "seconds": seconds, "memory_bytes": psutil.Process().memory_info().rss}
    print(json.dumps(told), flush=True)


# --- measuring --------------------------------------------------------------------------------------------------------


class Contestant(Child):
    """A process that answers whenever it is told to."""

    def __init__(self, kind: str, path: Path, adapters: Sequence[str], n_threads: int, tokens: int) -> None:
        given = ["--serve", kind, "--adapters", json.dumps(list(adapters)), "--threads", str(n_threads)]
        command = [sys.executable, "-m", "benchmarks.adapters", str(path), *given, "--tokens", str(tokens)]
        super().__init__(command, stderr=subprocess.DEVNULL)

    def begin(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write("go\n")
        self._child.stdin.flush()

    def end(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit("a contestant's process ended; run its command by hand to see why")
        told: dict[str, Any] = json.loads(line)
        return told


def rate(contestants: Sequence[Contestant]) -> float:
    """Tokens per second of all together, from the start to the last one's end."""
    begun = time.monotonic()
    for contestant in contestants:
        contestant.begin()
    tokens: int = sum(contestant.end()["tokens"] for contestant in contestants)
    return tokens / (time.monotonic() - begun)


def alternated(one: Sequence[Contestant], other: Sequence[Contestant], rounds: int) -> list[tuple[float, float]]:
    """Rates of both, in turn; a first round that is not counted has everything loaded."""
    rate(one), rate(other)
    found = []
    for number in range(rounds):
        sides = (one, other) if number % 2 == 0 else (other, one)
        first, second = rate(sides[0]), rate(sides[1])
        found.append((first, second) if number % 2 == 0 else (second, first))
    return found


@contextmanager
def started(*contestants: Contestant) -> Iterator[tuple[Contestant, ...]]:
    with ExitStack() as stack:
        yield tuple(stack.enter_context(contestant) for contestant in contestants)


def figures_of(kind: str, path: Path, adapters: Sequence[str], tokens: int, rounds: int) -> list[Figure]:
    """Memory and speed against whole models in processes of their own."""
    cpus, targets = available_cpus(), ["", *adapters]
    share = max(1, cpus // len(targets))
    called = "PyTorch" if kind == "pytorch" else "GGUF"
    with started(Contestant(kind, path, targets, cpus, tokens)) as ours:
        with started(Contestant(kind, path, [""] * len(targets), cpus, tokens)) as base:
            rate(ours), rate(base)
            held, alone = (one.end()["memory_bytes"] for one in _begun(ours[0], base[0]))
        each = [Contestant(kind, path, [target], share, tokens) for target in targets]
        with started(*each) as apart:
            found = alternated(ours, apart, rounds)
    name = f"{called}: base and {len(adapters)} adapters"
    wanted = PROCESSES_WANTED
    return [
        Figure(
            id=f"{kind}-memory", name=f"{name} in memory, against the base alone", value=held / alone,
            wanted=MEMORY_WANTED, sense="at most", ours=held / 1e6, peer=alone / 1e6, unit="MB",
        ),
        ratio_figure(
            f"{kind}-processes", f"{name}, against four processes on the same cores", found, unit="tokens/s",
            wanted=wanted,
        ),
    ]  # fmt: skip


def _begun(*contestants: Contestant) -> tuple[Contestant, ...]:
    for contestant in contestants:
        contestant.begin()
    return contestants


def against_peft(path: Path, adapters: Sequence[str], tokens: int, rounds: int) -> Figure:
    cpus, targets = available_cpus(), ["", *adapters]
    with started(
        Contestant("pytorch", path, targets, cpus, tokens), Contestant("peft", path, targets, cpus, tokens)
    ) as (
        ours,
        peer,
    ):
        found = alternated([ours], [peer], rounds)
    name = "PyTorch: four rows of four adapters in a batch, against peft's adapter_names"
    return ratio_figure("peft", name, found, unit="tokens/s", wanted=PEFT_WANTED)


def measure(checkpoint: Path, gguf: Path | None, tokens: int, rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        made = [make_adapter(Path(folder) / f"a{n}", checkpoint, n) for n in range(ADAPTERS)]
        figures = figures_of("pytorch", checkpoint, [str(one) for one in made], tokens, rounds)
        figures.append(against_peft(checkpoint, [str(one) for one in made], tokens, rounds))
        if gguf is not None:
            base = gguf_base(ModelInfo("", gguf.stem, str(gguf), ModelType.GGUF, 0))
            files = [write_gguf_adapter(one, base, one.with_suffix(".gguf")) for one in made]
            figures += figures_of("gguf", gguf, [str(file) for file in files], tokens, rounds)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    for hidden in ("--serve", "--adapters", "--threads"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        adapters, threads = json.loads(given.adapters), int(given.threads)
        if given.serve == "peft":
            serve_peft(str(given.checkpoint), adapters, threads, given.tokens)
        else:
            serve_engine(given.serve, str(given.checkpoint), adapters, threads, given.tokens)
        return
    figures = measure(given.checkpoint, given.gguf, given.tokens, given.rounds)
    save("adapters", figures)
    for row in table(figures):
        print("  ".join(cell.ljust(12) for cell in row))


if __name__ == "__main__":
    main()
