"""One way of tuning by LoRA, in a process of its own: takes a step for each line that it is sent.

Answers with a line of JSON for each: the mean loss of the step's learnt tokens, how many these are, tokens computed
without padding, and seconds; and at the end its peak memory. Everybody learns the same rows with the same settings.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_environment import limit_threads
from multi_llm_comparator.training.allocator import keep_freed_memory

RANK, RATE, IN_STEP, MAX_TOKENS, PACK_TOKENS = 8, 2e-4, 8, 2048, 1024
# Of PACK_TOKENS in a step of trl's: about as much as IN_STEP rows.
PACKS = 2
WAYS = ("ours", "ours bfloat16", "plain", "grouped", "packed", "packed bfloat16")


def rows_to_learn(model: Path, data: Path, count: int) -> tuple[Any, list[Any]]:
    """The tokenizer, and the rows of the data's first chats."""
    from multi_llm_comparator.inferencers.pytorch_load import load_tokenizer
    from multi_llm_comparator.training.chat_rows import rows_of
    from multi_llm_comparator.training.data.dataset import read_instruction_data
    from multi_llm_comparator.training.data.left_out import LeftOut

    tokenizer, stop_ids = load_tokenizer(str(model))
    chats = read_instruction_data(data).chats[:count]
    return tokenizer, rows_of(chats, tokenizer, stop_ids, MAX_TOKENS, LeftOut())


def say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


class Gate:
    """Waits for a line before each step, and answers after it."""

    def __init__(self) -> None:
        self._began = 0.0

    def wait(self) -> None:
        if not sys.stdin.readline():
            self.end()
        self._began = time.perf_counter()

    def done(self, loss: float, tokens: int, learnt: int) -> None:
        say(loss=loss, tokens=tokens, learnt=learnt, seconds=time.perf_counter() - self._began)

    @staticmethod
    def end() -> None:
        say(peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        sys.exit(0)


def ours(model: Path, rows: list[Any], dtype: str) -> None:
    """Our loop, told step by step."""
    import tempfile

    from multi_llm_comparator.inferencers.pytorch_load import load_checkpoint
    from multi_llm_comparator.jobs.report import Report
    from multi_llm_comparator.training.objectives import Examples
    from multi_llm_comparator.training.tuning_loop import TuningLoop
    from multi_llm_comparator.training.tuning_options import tuning_options

    keep_freed_memory()
    loaded = load_checkpoint(str(model), LoadOptions(n_ctx=MAX_TOKENS, torch_dtype=dtype))
    examples = Examples()
    for row in rows:
        examples.add((row,), "")
    gate = Gate()

    def sink(event: Any) -> None:
        if event.event == "progress":
            if event.done:
                trainer = loop._trainer
                gate.done(trainer.loss, trainer.tokens, trainer.weight)
            gate.wait()

    report = Report(sink)
    report.progress = lambda done, total, unit="steps", left_s=None: sink(  # type: ignore[method-assign]
        type("Told", (), {"event": "progress", "done": done})()
    )
    options = tuning_options(
        {
            "model_path": str(model),
            "data": {"source": "/rows"},
            "epochs": 1000,
            "learning_rate": RATE,
            "schedule": "constant",
            "warmup_share": 0.0,
            "rank": RANK,
            "batch_size": IN_STEP,
            "pack_tokens": PACK_TOKENS,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        loop = TuningLoop(loaded, examples, Examples(), options, Path(folder), checkpointing=False, report=report)
        loop.run()


def sft(model: Path, tokenizer: Any, rows: list[Any], way: str) -> None:
    """trl's trainer: padded batches, batches of like lengths, or packs."""
    import tempfile

    import torch
    from datasets import Dataset, disable_progress_bars
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTTrainer

    disable_progress_bars()
    learnt = [
        {"input_ids": row.input_ids.tolist(), "completion_mask": (row.labels != -100).astype(int).tolist()}
        for row in rows
    ]
    dtype = torch.bfloat16 if way.endswith("bfloat16") else torch.float32
    adapters = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with tempfile.TemporaryDirectory() as folder:
        watch = step_by_step(Gate())
        trainer = counting(SFTTrainer)(
            AutoModelForCausalLM.from_pretrained(model, dtype=dtype),
            args=sft_arguments(folder, way),
            train_dataset=Dataset.from_list(learnt),
            processing_class=tokenizer,
            peft_config=adapters,
            callbacks=[watch],
        )
        watch.trainer = trainer
        trainer.train()


def sft_arguments(folder: str, way: str) -> Any:
    """As anybody would set them for ``way``, but without gradient checkpointing, which costs a third of the speed."""
    from trl import SFTConfig

    packed = way.startswith("packed")
    return SFTConfig(
        output_dir=folder,
        num_train_epochs=1000,
        per_device_train_batch_size=PACKS if packed else IN_STEP,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        max_length=PACK_TOKENS if packed else MAX_TOKENS,
        packing=packed,
        packing_strategy="bfd",
        completion_only_loss=True,
        gradient_checkpointing=False,
        train_sampling_strategy="group_by_length" if way == "grouped" else "random",
        use_cpu=True,
        bf16=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def counting(kind: Any) -> Any:
    """A trainer that counts the tokens of each step, padding left out, and those of them that are learnt."""

    class Counting(kind):  # type: ignore[misc]
        tokens = learnt = 0

        def training_step(self, model: Any, inputs: Any, *args: Any, **more: Any) -> Any:
            mask = inputs.get("attention_mask")
            self.tokens = int(inputs["input_ids"].numel() if mask is None else mask.sum())
            self.learnt = int((inputs["labels"][..., 1:] != -100).sum())
            return super().training_step(model, inputs, *args, **more)

    return Counting


def step_by_step(gate: Gate) -> Any:
    """A callback that waits at the gate before each step; its ``trainer`` is set before it begins."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        trainer: Any

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            gate.wait()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in logs:
                gate.done(logs["loss"], self.trainer.tokens, self.trainer.learnt)

    return Watch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    limit_threads(given.threads)
    np.random.seed(0)
    tokenizer, rows = rows_to_learn(given.model, given.data, given.rows)
    if given.way.startswith("ours"):
        ours(given.model, rows, "bfloat16" if given.way.endswith("bfloat16") else "float32")
    else:
        sft(given.model, tokenizer, rows, given.way)


if __name__ == "__main__":
    main()
