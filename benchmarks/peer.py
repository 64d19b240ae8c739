"""The other contestant: a bare loop in a process of its own, timed by its own clock.

``Peer`` starts and drives it. The child itself is ``python -m benchmarks.peer KIND PATH THREADS N_CTX``, with KIND
``llama`` (llama.cpp's low-level API), ``llama-repacked`` (the same with weights laid out for the CPU) or ``generate``
(``model.generate`` of transformers). It reads one JSON job a line and answers with one line.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from benchmarks.child import Child
from multi_llm_comparator.core.cpus import computes_bfloat16

# Model processes of the workbench run with this niceness: both contestants give way to the same others.
NICENESS = 5


@dataclass(frozen=True)
class Run:
    """One answer, or a batch of them with ``tokens`` each. ``seconds`` from the prompt to the last token;
    ``tokens_per_second`` counts those after the first, of a batch all of them over all of the time."""

    tokens: int
    seconds: float
    tokens_per_second: float


Kind = Literal["llama", "llama-repacked", "generate"]


class Peer(Child):
    """A child process with one model loaded. Use as a context manager."""

    def __init__(self, kind: Kind, path: Path, *, threads: int, n_ctx: int = 1024) -> None:
        command = [sys.executable, "-m", "benchmarks.peer", kind, str(path), str(threads), str(n_ctx)]
        super().__init__(command)

    def run(self, prompt: str, tokens: int) -> Run:
        """Answer ``prompt``, taken as it is, with exactly ``tokens`` tokens, greedily."""
        return self.run_batch([prompt], tokens)

    def run_batch(self, prompts: Sequence[str], tokens: int) -> Run:
        """Answer all prompts in one batch, ``tokens`` tokens each; only ``generate`` takes more than one."""
        assert self._child.stdin and self._child.stdout
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(json.dumps({"prompts": list(prompts), "tokens": tokens}) + "\n")
            self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit("a benchmark's peer ended early; what it said is above")
        run = Run(**json.loads(line))
        if run.tokens != tokens:
            raise SystemExit(f"a benchmark's peer gave {run.tokens} tokens for each prompt, not {tokens}")
        return run


Answer = Callable[[list[str], int], Run]


def _timed(start: float, times: list[float]) -> Run:
    span = times[-1] - times[0]
    return Run(len(times), times[-1] - start, (len(times) - 1) / span if span else 0.0)


def _llama(path: Path, threads: int, n_ctx: int, *, repack: bool = False) -> Answer:
    from benchmarks.bare_llama import BareLlama

    model = BareLlama(path, n_ctx=n_ctx, n_threads=threads, repack=repack)

    def answer(prompts: list[str], tokens: int) -> Run:
        (prompt,) = prompts
        start = time.perf_counter()
        _, times = model.greedy(model.tokenize(prompt), tokens, stop_at_end=False)
        return _timed(start, times)

    return answer


def _generate(path: Path, threads: int, n_ctx: int) -> Answer:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.generation.streamers import BaseStreamer

    class Clock(BaseStreamer):  # type: ignore[misc]
        """Notes when each token arrives; the first call brings the prompt."""

        def __init__(self) -> None:
            self.times: list[float] = []

        def put(self, value: Any) -> None:
            self.times.append(time.perf_counter())

        def end(self) -> None:
            pass

    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    # In the type that the workbench takes on this CPU.
    dtype = "auto" if computes_bfloat16() else torch.float32
    model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype).eval()

    def answer(prompts: list[str], tokens: int) -> Run:
        # transformers streams a single prompt only: of a batch the end is known, which is all that is asked of it.
        clock = Clock() if len(prompts) == 1 else None
        start = time.perf_counter()
        inputs = tokenizer(prompts, return_tensors="pt", add_special_tokens=False, padding=True)
        with torch.inference_mode():
            out = model.generate(
                **inputs, do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens, streamer=clock
            )
        if clock is not None:
            return _timed(start, clock.times[1:])
        seconds = time.perf_counter() - start
        made = out.shape[1] - inputs["input_ids"].shape[1]
        return Run(made, seconds, len(prompts) * made / seconds)

    return answer


def main() -> None:
    kind, path, threads, n_ctx = sys.argv[1:]
    os.nice(NICENESS)
    # Only answers may go to the real standard output, whatever libraries print.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contestants: dict[str, Callable[[Path, int, int], Answer]] = {
        "llama": _llama,
        "llama-repacked": partial(_llama, repack=True),
        "generate": _generate,
    }
    answer = contestants[kind](Path(path), int(threads), int(n_ctx))
    for line in sys.stdin:
        job = json.loads(line)
        run = answer(job["prompts"], job["tokens"])
        print(json.dumps(run.__dict__), file=out, flush=True)


if __name__ == "__main__":
    main()
