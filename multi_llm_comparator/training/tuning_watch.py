"""Looks on while a model is tuned: tells curves, evaluates, keeps the best adapter, says when to save and to end."""

from __future__ import annotations

import math
import os
import time
from typing import Any

from transformers import TrainerCallback

from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.services.memory_watch import WATCH_EVERY_S, own_bytes, used_too_much, work_limit_bytes
from multi_llm_comparator.training.allocator import give_back_freed_memory
from multi_llm_comparator.training.checkpoints import CURVE_POINTS, Checkpoints
from multi_llm_comparator.training.together import this_place, told_by_first, wait_for_all
from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.training.tuning_result import worse_than_chance
from multi_llm_comparator.training.tuning_steps import evaluate_every
from multi_llm_comparator.training.tuning_trainer import TuningTrainer
from multi_llm_comparator.training.validation import Validation

CHECKPOINT_EVERY_S = 60.0
LESS_MEMORY = (
    "lower pack_tokens, or switch checkpointing on: the tuning then resumes where it is; or lower max_tokens or "
    "batch_size, unload models, or raise max_memory_gb if there is more"
)


class TuningWatch(TrainerCallback):  # type: ignore[misc]
    """Told by the trainer at each step's end; ``trainer`` and ``validation`` are set before it begins.

    ``failure`` is why the tuning cannot be carried on, ``is_hopeless`` whether its checkpoint is of no use either.
    """

    trainer: TuningTrainer
    validation: Validation

    def __init__(self, options: TuningOptions, checkpoints: Checkpoints, report: Report) -> None:
        self._options, self._checkpoints, self._report = options, checkpoints, report
        self.state = checkpoints.state
        self.failure: str | None = None
        self.is_hopeless = self.was_stopped = self.has_begun = self.ended_early = False
        self._saved_at = self._watched_at = self._step_at = time.monotonic()
        self._sum, self._count, self._tokens, self._seconds, self._done = 0.0, 0, 0, 0.0, 0
        self._saves_together = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.has_begun = True
        self._saved_at = self._step_at = time.monotonic()
        if not this_place().is_first:
            return
        self._report.progress(state.global_step, state.max_steps)
        if state.global_step == 0:
            self._evaluate(state, control)
        self._report.phase("training")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        # After the steps have ended it is told of sums, which are not asked for here.
        if "loss" not in (logs or {}):
            return
        # What was logged is on record here; the trainer would write all of it into each checkpoint.
        state.log_history = []
        if this_place().is_first:
            self._after_step(state, control, logs)
        self._agree(control)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._saves_together:
            # Each process writes the state of its random numbers.
            self._saves_together = False
            wait_for_all()
        if this_place().is_first:
            # Told after all its files are there: a checkpoint that is not named may be half of one.
            self._checkpoints.named(state.global_step, self.state)
        self._saved_at = time.monotonic()

    def _after_step(self, state: Any, control: Any, logs: Any) -> None:
        """Tell of a step, evaluate if it is time, and decide whether to save and whether to end."""
        step, is_last = state.global_step, state.global_step >= state.max_steps
        self._tell_step(step, state.max_steps, logs)
        if not math.isfinite(self.trainer.loss):
            self.failure = (
                f"the loss at step {step} is {self.trainer.loss}; lower the learning rate, or look at the data"
            )
            self.is_hopeless = control.should_training_stop = True
            return
        if step % evaluate_every(self._options.evaluate_every, state.max_steps) == 0 or is_last:
            self._evaluate(state, control)
        self._check_memory(control)
        if control.should_training_stop:
            control.should_save = not self.is_hopeless
        elif is_last or time.monotonic() - self._saved_at >= CHECKPOINT_EVERY_S:
            # The last one too: merging and writing the model may fail, for want of room on the disk.
            control.should_save = True
        elif self._report.is_stopped:
            self.was_stopped = control.should_training_stop = control.should_save = True

    def _agree(self, control: Any) -> None:
        """What the first process decided holds for all of them."""
        said = told_by_first((control.should_save, control.should_training_stop, self.was_stopped))
        control.should_save, control.should_training_stop, self.was_stopped = said
        self._saves_together = control.should_save

    def _tell_step(self, step: int, steps: int, logs: Any) -> None:
        trainer = self.trainer
        self._done += 1
        self._sum, self._count = self._sum + trainer.loss, self._count + 1
        self._tokens, self._seconds = self._tokens + trainer.tokens, self._seconds + trainer.step_s
        self.state.trained_s += trainer.step_s
        left_s = self._seconds_left(step, steps)
        if step % max(1, steps // CURVE_POINTS) == 0 or step in (1, steps):
            mean = self._sum / self._count
            self.state.losses.append((step, mean))
            self._report.point("loss", step, mean)
            if len(self.state.losses) == 1:
                self._compare_with_chance(mean)
            self._report.point("learning_rate", step, logs["learning_rate"])
            if "grad_norm" in logs:
                self._report.point("gradient_norm", step, float(logs["grad_norm"]))
            self._report.point("tokens_per_s", step, self._tokens / max(self._seconds, 1e-9))
            self._sum, self._count, self._tokens, self._seconds = 0.0, 0, 0, 0.0
        self._report.progress(step, steps, left_s=left_s)

    def _compare_with_chance(self, loss: float) -> None:
        """Said at the first loss: waiting for the end would cost the whole tuning."""
        if said := worse_than_chance(loss, int(self.trainer.model.get_input_embeddings().num_embeddings)):
            self._report.note(
                "warning",
                f"{said}: this model does not know such text yet, or its tokenizer is another model's. A model that "
                "can answer such chats at least badly learns them sooner",
            )

    def _seconds_left(self, step: int, steps: int) -> float:
        took = time.monotonic() - self._step_at
        return took / self._done * (steps - step)

    def _evaluate(self, state: Any, control: Any) -> None:
        if self.validation.is_empty:
            return
        self._report.phase("evaluating")
        step = state.global_step
        loss, each = self.validation.measure()
        if loss is not None:
            self.state.validation.append((step, loss))
            self._report.point("validation_loss", step, loss)
            self._judge(loss, step, control)
        self.validation.tell_answers(self._report, step, each)
        give_back_freed_memory()
        self._report.phase("training")

    def _judge(self, loss: float, step: int, control: Any) -> None:
        """Keep the adapter if it is the best so far; end if none was for long enough."""
        if loss < self.state.best_loss:
            self.state.best_step, self.state.best_loss, self.state.worse = step, loss, 0
            if self._options.keep_best:
                self._checkpoints.keep_best(self.trainer.model, step)
            return
        self.state.worse += 1
        patience = self._options.early_stopping_patience
        if patience is not None and self.state.worse >= patience:
            self.ended_early = control.should_training_stop = True

    def _check_memory(self, control: Any) -> None:
        if time.monotonic() - self._watched_at < WATCH_EVERY_S:
            return
        self._watched_at = time.monotonic()
        used_bytes, max_bytes = own_bytes(os.getpid()), work_limit_bytes()
        self._report.point("memory_bytes", self.trainer.state.global_step, used_bytes)
        if used_bytes > max_bytes:
            said = used_too_much("the tuning", used_bytes, max_bytes, "it learnt")
            self.failure = f"{said}; what it learnt is kept. To go on, {LESS_MEMORY}"
            control.should_training_stop = True
