"""The steps of a tuning, by transformers' trainer.

It has the optimizer, the schedule, and checkpoints to resume from. What it is given as its batches are whole steps: how
a step is divided into passes, and what its loss is the mean over, is decided here. So gradients do not depend on the
division, and nothing is padded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from multi_llm_comparator.training.objectives import Example, Objective, length_of
from multi_llm_comparator.training.packs import Pack, TrainingStep
from multi_llm_comparator.training.together import PATIENCE_S, begin_alike, share_of, summed, this_place
from multi_llm_comparator.training.tuning_options import TuningOptions

_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


class TuningTrainer(Trainer):  # type: ignore[misc]
    """Takes one optimizer step for each of ``steps``.

    Args:
        model: with adapters, whose parameters alone want gradients.
        objective: of ``examples``, which steps name by number.
        micro_tokens: of a pack, where several processes divide a step among them; as for :func:`packs.planned_steps`.
        callback: told of everything.

    After a step ``loss`` is the mean of it and ``weight`` what that is the mean over, ``tokens`` are those that were
    computed, ``step_s`` the seconds it took.
    """

    def __init__(
        self,
        model: Any,
        objective: Objective,
        examples: Sequence[Example],
        steps: Sequence[TrainingStep],
        micro_tokens: int,
        arguments: TrainingArguments,
        callback: TrainerCallback,
    ) -> None:
        self._objective, self._examples, self._micro_tokens = objective, examples, micro_tokens
        self.loss, self.weight, self.tokens, self.step_s = 0.0, 0, 0, 0.0
        super().__init__(model, arguments, train_dataset=list(steps), callbacks=[callback])
        self.remove_callback(PrinterCallback)
        if not this_place().is_alone:
            begin_alike(model.parameters())
            # Gradients are summed here, once a step: accelerate would wrap the model to average them.
            model._is_accelerate_prepared = True

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The steps one by one, in their order."""
        # The generator is never drawn from, but without one torch's own would be, and a resumed run would draw others.
        loader = DataLoader(
            self.train_dataset, batch_size=1, collate_fn=lambda found: {"step": found[0]}, generator=torch.Generator()
        )
        if not this_place().is_alone:
            # Prepared, each process would get other steps; here each takes its share of every step.
            return loader
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Gradients of a whole step, pack after pack; its mean loss."""
        began = time.perf_counter()
        model.train()
        step: TrainingStep = inputs["step"]
        weight = sum(self._objective.weight(self._examples[number]) for number in step.examples)
        total = torch.zeros((), device=self.args.device)
        for pack in self._own_packs(step):
            loss = self._objective.losses([self._examples[number] for number in pack]).sum()
            self.accelerator.backward(loss / weight)
            total += loss.detach()
        if not this_place().is_alone:
            total = summed(total, self.model.parameters())
        mean = total / weight
        self.loss, self.weight = float(mean), weight
        self.tokens = sum(length_of(self._examples[number]) for number in step.examples)
        self.step_s = time.perf_counter() - began
        return mean

    def _own_packs(self, step: TrainingStep) -> Sequence[Pack]:
        """What this process computes of a step: all of it, unless others compute with it."""
        place = this_place()
        if place.is_alone:
            return step.packs
        lengths = [length_of(self._examples[number]) for number in step.examples]
        return share_of(step.examples, lengths, place, max_tokens=self._micro_tokens)

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: a step is not one batch of the model's own arguments."""
        return 0

    def save_now(self) -> None:
        """Write a checkpoint of the last whole step, from outside the loop."""
        self.model.zero_grad()
        self._save_checkpoint(self.model, trial=None)
        self.callback_handler.on_save(self.args, self.state, self.control)


def training_arguments(options: TuningOptions, folder: Path, device: torch.device, steps: int) -> TrainingArguments:
    """What transformers' trainer is told; checkpoints are written when the callback says so."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        max_steps=steps,
        per_device_train_batch_size=1,
        learning_rate=options.learning_rate,
        lr_scheduler_type=_SCHEDULES[options.schedule],
        warmup_steps=round(options.warmup_share * steps),
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_gradient_norm,
        optim="adamw_torch",
        seed=options.seed,
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_timeout=PATIENCE_S,
    )
    # The model is on one device; several would be taken for a wish to spread it over all of them.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
