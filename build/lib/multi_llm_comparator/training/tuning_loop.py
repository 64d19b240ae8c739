"""The steps of a tuning: trl's trainer over rows of tokens, with checkpoints to go on from."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig, get_peft_model
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import TrainingError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.inferencers.pytorch_errors import detail
from multi_llm_comparator.inferencers.pytorch_load import LoadedModel
from multi_llm_comparator.services.memory_watch import own_bytes, used_too_much, work_limit_bytes
from multi_llm_comparator.training.chat_rows import IGNORED, Row
from multi_llm_comparator.training.tuning_options import TuningOptions, TuningProgress

CHECKPOINT_EVERY_S = 60.0
WARMUP_SHARE = 0.03
DROPOUT = 0.05
CURVE_POINTS = 200
# From here on, values of the forward pass are computed again for the backward pass rather than kept.
CHECKPOINTED_PARAMETERS = 500_000_000
LAST_FILE = "last_checkpoint.json"
MAX_LAST_BYTES = 4096


class TuningLoop:
    """Trains LoRA adapters of a loaded model.

    Args:
        loaded: the model; its weights stay as they are, adapters are put beside them.
        rows: what is learnt.
        folder: where checkpoints are kept; from the last whole one there it goes on.
        on_progress: told about each step's end.
        is_stopped: asked at each step's end; once it says so, a checkpoint is written and the loop ends.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        rows: Sequence[Row],
        options: TuningOptions,
        folder: Path,
        *,
        on_progress: Callable[[TuningProgress], None],
        is_stopped: Callable[[], bool],
    ) -> None:
        disable_progress_bars()
        self._folder = folder
        self._last = _last_checkpoint(folder)
        adapters = LoraConfig(
            r=options.rank,
            lora_alpha=2 * options.rank,
            lora_dropout=DROPOUT,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        torch.manual_seed(options.seed)
        self._watch = _Watch(folder, on_progress, is_stopped)
        self._trainer = SFTTrainer(
            get_peft_model(loaded.model, adapters),
            args=_arguments(loaded, len(rows), options, folder),
            data_collator=_padded,
            train_dataset=Dataset.from_dict(
                {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
            ),
            processing_class=loaded.tokenizer,
            callbacks=[self._watch],
        )
        self._trainer.remove_callback(PrinterCallback)

    def run(self) -> bool:
        """Train to the end, or until stopped; whether it came to the end.

        Raises:
            TrainingError: the loss is no number any more, the memory is beyond its limit, or the checkpoint to go on
                from is damaged.
        """
        try:
            self._trainer.train(resume_from_checkpoint=self._last)
        except Exception as exc:
            if self._last is None or self._watch.has_begun:
                raise
            raise TrainingError(
                f"the checkpoint in {str(self._last)!r} cannot be read ({type(exc).__name__}: {detail(exc)}); delete "
                f"{str(self._folder)!r} to begin anew"
            ) from exc
        if self._watch.failure:
            (self._folder / LAST_FILE).unlink(missing_ok=True)
            raise TrainingError(self._watch.failure)
        return not self._watch.was_stopped

    @property
    def steps(self) -> tuple[int, int]:
        """Steps done and steps in all."""
        state = self._trainer.state
        return state.global_step, state.max_steps

    @property
    def losses(self) -> list[float]:
        """Mean loss per learnt token, from the first step to the last, at most a few hundred values."""
        return [entry["loss"] for entry in self._trainer.state.log_history if "loss" in entry]

    def merged(self) -> Any:
        """The model with what was learnt added to its weights.

        Raises:
            TrainingError: the sum has values that are no numbers.
        """
        try:
            return self._trainer.model.merge_and_unload(safe_merge=True)
        except ValueError as exc:
            raise TrainingError(f"what was learnt cannot be added to the weights: {exc}") from exc


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Tells of progress, asks whether to stop, and sees to checkpoints."""

    def __init__(
        self, folder: Path, on_progress: Callable[[TuningProgress], None], is_stopped: Callable[[], bool]
    ) -> None:
        self.failure: str | None = None
        self.was_stopped = self.has_begun = False
        self._folder, self._on_progress, self._is_stopped = folder, on_progress, is_stopped
        self._loss: float | None = None
        self._began_at = self._saved_at = time.monotonic()
        self._first_step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began_at = self._saved_at = time.monotonic()
        self._first_step = state.global_step
        self.has_begun = True
        self._tell(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None:
            self._loss = loss
            if not math.isfinite(loss):
                self.failure = (
                    f"the loss at step {state.global_step} is {loss}; lower the learning rate, or look at the data"
                )
                control.should_training_stop = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._tell(state)
        self._check_memory()
        is_last = state.global_step >= state.max_steps
        if is_last or time.monotonic() - self._saved_at >= CHECKPOINT_EVERY_S:
            # The last one too: merging and writing the model may fail, for want of room on the disk.
            control.should_save = True
        if not is_last and self._is_stopped():
            self.was_stopped = control.should_training_stop = control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # Told after all its files are there: a checkpoint that is not named here may be half of one.
        for file in (self._folder / f"checkpoint-{state.global_step}").iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        write_atomically(self._folder / LAST_FILE, json.dumps({"step": state.global_step}))
        self._saved_at = time.monotonic()

    def _check_memory(self) -> None:
        used_bytes, max_bytes = own_bytes(os.getpid()), work_limit_bytes()
        if used_bytes > max_bytes:
            said = used_too_much("the tuning", used_bytes, max_bytes, "it learnt")
            raise TrainingError(f"{said}; lower batch_size or max_tokens, or raise max_memory_gb if there is more")

    def _tell(self, state: Any) -> None:
        done = state.global_step - self._first_step
        left = None
        if done:
            left = (time.monotonic() - self._began_at) / done * (state.max_steps - state.global_step)
        self._on_progress(TuningProgress(state.global_step, state.max_steps, self._loss, left))


def has_checkpoint(folder: Path) -> bool:
    """Whether a tuning can go on from what is in ``folder``."""
    return (folder / LAST_FILE).is_file()


def _last_checkpoint(folder: Path) -> str | None:
    """The last whole one. What else is there is half of one, and would count where old ones are deleted."""
    try:
        step = int(load_json(folder / LAST_FILE, MAX_LAST_BYTES)["step"])
    except (OSError, ValueError, TypeError, KeyError):
        step = -1
    found = folder / f"checkpoint-{step}"
    for other in folder.glob("checkpoint-*"):
        if other != found:
            shutil.rmtree(other, ignore_errors=True)
    return str(found) if found.is_dir() else None


def _padded(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch of the shape (rows, tokens of the longest). Padding is neither read nor learnt: any token will do."""
    longest = max(len(row["input_ids"]) for row in rows)
    ids, mask = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(2))
    labels = torch.full_like(ids, IGNORED)
    for number, row in enumerate(rows):
        size = len(row["input_ids"])
        ids[number, :size] = torch.tensor(row["input_ids"])
        labels[number, :size] = torch.tensor(row["labels"])
        mask[number, :size] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _arguments(loaded: LoadedModel, rows: int, options: TuningOptions, folder: Path) -> SFTConfig:
    steps = math.ceil(math.ceil(rows / options.batch_size) * options.epochs)
    arguments = SFTConfig(
        output_dir=str(folder),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=WARMUP_SHARE,
        seed=options.seed,
        max_length=None,
        gradient_checkpointing=loaded.model.num_parameters() >= CHECKPOINTED_PARAMETERS,
        bf16=loaded.device.type == "cuda" and torch.cuda.is_bf16_supported(),
        use_cpu=loaded.device.type == "cpu",
        dataloader_pin_memory=loaded.device.type == "cuda",
        logging_steps=max(1, steps // CURVE_POINTS),
        logging_nan_inf_filter=False,
        save_strategy="no",
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    # The model is on one device; several would be taken for a wish to spread it over all of them.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
