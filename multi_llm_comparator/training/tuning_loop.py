"""A tuning from loaded model and rows to trained adapters, with checkpoints to resume from."""

from __future__ import annotations

import gc
import traceback
from pathlib import Path
from typing import Any

import torch
from datasets import disable_progress_bars
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training, set_peft_model_state_dict
from peft.utils import load_peft_weights
from transformers.modeling_layers import GradientCheckpointingLayer

from multi_llm_comparator.core.exceptions import TrainingError
from multi_llm_comparator.inferencers.pytorch_errors import detail, is_out_of_memory
from multi_llm_comparator.inferencers.pytorch_load import LoadedCheckpoint
from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.training.allocator import Holes
from multi_llm_comparator.training.checkpoints import Checkpoints, TuningState
from multi_llm_comparator.training.lora_linear import fuse_adapters
from multi_llm_comparator.training.objectives import (
    AnswerObjective,
    Examples,
    Objective,
    PreferenceObjective,
    length_of,
)
from multi_llm_comparator.training.packs import planned_steps
from multi_llm_comparator.training.row_losses import RowLosses
from multi_llm_comparator.training.sample_answers import AnswerWriter
from multi_llm_comparator.training.together import this_place, told_by_first
from multi_llm_comparator.training.tuning_options import ALL_LINEAR, TuningOptions
from multi_llm_comparator.training.tuning_trainer import TuningTrainer, training_arguments
from multi_llm_comparator.training.tuning_watch import LESS_MEMORY, TuningWatch
from multi_llm_comparator.training.validation import USUAL_FIXED, Sampling, Validation


class TuningLoop:
    """Trains LoRA adapters of a loaded model.

    Args:
        loaded: the model; its weights stay as they are, adapters are put beside them.
        train: what is learnt; ``validation`` is what it is measured on, and may be empty.
        folder: where checkpoints are kept; from the last whole one there it is resumed.
        checkpointing: whether values of the forward pass are computed again rather than kept.
        report: told of everything, and asked at each step's end whether to stop.
    """

    def __init__(
        self,
        loaded: LoadedCheckpoint,
        train: Examples,
        validation: Examples,
        options: TuningOptions,
        folder: Path,
        *,
        checkpointing: bool,
        report: Report,
    ) -> None:
        disable_progress_bars()
        self._checkpoints, self._loaded = Checkpoints(folder, tidies=this_place().is_first), loaded
        self._row_losses = RowLosses(loaded.model)
        if not self._row_losses.packs:
            report.note("warning", self._row_losses.why_not)
        torch.manual_seed(options.seed)
        self.model = self._adapted(options, checkpointing)
        objective: Objective = AnswerObjective(self._row_losses)
        if options.method == "dpo":
            objective = PreferenceObjective(self.model, self._row_losses, options.preference_beta)
        self._watch = TuningWatch(options, self._checkpoints, report)
        steps = planned_steps(
            [length_of(example) for example in train.rows],
            epochs=options.epochs,
            in_step=options.in_step,
            max_tokens=options.micro_tokens,
            seed=options.seed,
        )
        arguments = training_arguments(options, folder, loaded.device, len(steps))
        self._trainer = TuningTrainer(
            self.model, objective, train.rows, steps, options.micro_tokens, arguments, self._watch
        )
        self._watch.trainer = self._trainer
        self._watch.validation = Validation(
            self.model,
            self._row_losses,
            objective,
            validation,
            options.micro_tokens,
            _sampling(loaded, options, validation, together=self._row_losses.packs),
        )

    def run(self) -> bool:
        """Train to the end, or until stopped; whether it came to the end.

        Raises:
            TrainingError: the loss is no number any more, memory ran out, or the checkpoint to resume from is damaged.
        """
        last = told_by_first(self._checkpoints.last)
        self._row_losses.begin()
        try:
            self._trainer.train(resume_from_checkpoint=str(last) if last else None)
        except Exception as exc:
            if is_out_of_memory(exc) and self._watch.has_begun:
                raise TrainingError(self._saved_what_there_is(exc)) from exc
            if last is None or self._watch.has_begun:
                raise
            raise TrainingError(
                f"the checkpoint in {str(last)!r} cannot be read ({type(exc).__name__}: {detail(exc)}); delete "
                f"{str(self._checkpoints.folder)!r} to begin anew"
            ) from exc
        finally:
            self._row_losses.end()
        if self._watch.failure:
            if self._watch.is_hopeless:
                self._checkpoints.forget()
            raise TrainingError(self._watch.failure)
        return not self._watch.was_stopped

    @property
    def steps(self) -> tuple[int, int]:
        """Steps done and steps in all."""
        state = self._trainer.state
        return state.global_step, state.max_steps

    @property
    def ended_early(self) -> bool:
        """Whether it ended before its last step because validation got no better."""
        return self._watch.ended_early

    @property
    def state(self) -> TuningState:
        return self._watch.state

    def take_best(self) -> str | None:
        """Put the best adapter in place of the last one; what to tell if it is not there any more."""
        step = self.state.best_step
        if step is None or step == self.steps[0]:
            return None
        try:
            weights = load_peft_weights(str(self._checkpoints.best(step)), device="cpu")
            set_peft_model_state_dict(self.model, weights)
        except Exception as exc:  # whatever half a file makes these libraries raise
            return f"the adapter of step {step}, the best one, cannot be read ({detail(exc)}): this is the last one"
        return None

    def _adapted(self, options: TuningOptions, checkpointing: bool) -> Any:
        model = self._loaded.model
        adapters = LoraConfig(
            r=options.rank,
            lora_alpha=options.scale_alpha,
            lora_dropout=options.dropout,
            target_modules=list(options.targets) or ALL_LINEAR,
            task_type="CAUSAL_LM",
        )
        if options.method == "qlora":
            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        try:
            adapted = get_peft_model(model, adapters)
        except ValueError as exc:
            raise TrainingError(f"adapters cannot be put beside {list(options.targets)}: {detail(exc)}") from exc
        fuse_adapters(adapted)
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            holes = Holes()
            for layer in model.modules():
                if isinstance(layer, GradientCheckpointingLayer):
                    layer.register_forward_hook(holes)
        return adapted

    def _saved_what_there_is(self, failed: Exception) -> str:
        """Keep the last whole step, after memory ran out in the next one; what to tell."""
        step = self._trainer.state.global_step
        # The frames of the step that failed hold what it had computed, and saving takes memory too.
        traceback.clear_frames(failed.__traceback__)
        self.model.zero_grad(set_to_none=True)
        gc.collect()
        kept = "nothing was learnt yet"
        if step:
            try:
                self._trainer.save_now()
                kept = f"what it learnt in {step} steps is kept"
            except Exception as exc:  # whatever lack of memory makes these libraries raise
                kept = f"what it learnt since its last checkpoint is lost, for that could not be saved ({detail(exc)})"
        return f"memory ran out during a step; {kept}. To go on, {LESS_MEMORY}"


def _sampling(loaded: LoadedCheckpoint, options: TuningOptions, validation: Examples, *, together: bool) -> Sampling:
    writer = AnswerWriter(loaded, options.sample_tokens, together=together)
    if options.fixed_prompts:
        found = [writer.asked(text) for text in options.fixed_prompts]
    else:
        found = [
            writer.of_row(rows[0], asked)
            for rows, asked in zip(validation.rows[:USUAL_FIXED], validation.asked, strict=False)
        ]
    return Sampling(writer, tuple(question for question in found if question is not None))
