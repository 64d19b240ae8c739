"""Tuning a local model on chats by LoRA: from a data file and a checkpoint to a new checkpoint."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.core.exceptions import (
    ConfigurationError,
    DocumentError,
    MultiLLMError,
    TrainingError,
    UnsupportedModelError,
)
from multi_llm_comparator.core.work_folder import open_work_folder
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_environment import limit_threads
from multi_llm_comparator.inferencers.pytorch_errors import detail, is_out_of_memory
from multi_llm_comparator.inferencers.pytorch_load import LoadedModel, load_checkpoint
from multi_llm_comparator.training.chat_rows import Row, rows_of
from multi_llm_comparator.training.instruction_data import InstructionData, read_instruction_data
from multi_llm_comparator.training.tuned_checkpoint import write_checkpoint
from multi_llm_comparator.training.tuning_loop import TuningLoop, has_checkpoint
from multi_llm_comparator.training.tuning_options import TuningOptions, TuningProgress, TuningResult, TuningStart


def tune(
    model_path: str | Path,
    data_path: str | Path,
    output_dir: str | Path,
    options: TuningOptions | None = None,
    *,
    on_start: Callable[[TuningStart], None] = lambda _: None,
    on_progress: Callable[[TuningProgress], None] = lambda _: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> TuningResult:
    """Teach a model the answers of a data file, and write it with what it learnt merged in.

    While it works, checkpoints are in ``.NAME.tuning`` beside ``output_dir``. Stopped or killed, the same call goes on
    from the last one; that folder goes when the model is there.

    Args:
        model_path: a checkpoint directory, not quantised. It stays as it is.
        data_path: JSON or JSON lines, see :mod:`~multi_llm_comparator.training.instruction_data`.
        output_dir: the new checkpoint directory; there must be none yet.
        on_start: told before the first step what is learnt from and what is left out. Interrupting it leaves nothing.
        on_progress: told before the first step and after each.
        is_stopped: asked after each step.

    Raises:
        ConfigurationError: ``output_dir`` exists or cannot be made, or was begun with other data or options.
        DocumentError: the data cannot be read, or has nothing that this model can learn.
        ModelLoadError: the model cannot be loaded, or not be tuned.
        RunAtWorkError: another process is tuning into ``output_dir``.
        TrainingError: the training failed.
    """
    options = options or TuningOptions()
    base, data = Path(model_path).absolute(), Path(data_path)
    # Not resolved: what a link points to must not be what is made.
    output = Path(os.path.abspath(output_dir))  # noqa: PTH100
    _check_output(output)
    files = CheckpointFiles(base)
    if files.config.get("quantization_config"):
        raise UnsupportedModelError(
            f"{str(base)!r} is quantised, and what is learnt could not be merged into it; tune the checkpoint that it "
            "was made from"
        )
    chats = read_instruction_data(data)
    setup = {"options": options.to_dict(), "model": files.fingerprint(), "data": _fingerprint(data)}
    work = output.with_name(f".{output.name}.tuning")
    open_work_folder(work, setup)
    try:
        # Another process may have come to its end since this one looked.
        _check_output(output)
        result = _Tuning(base, data, output, work, options, setup).run(chats, on_start, on_progress, is_stopped)
        if result.is_done:
            shutil.rmtree(work, ignore_errors=True)
        return result
    except MultiLLMError:
        raise
    except Exception as exc:
        raise _as_training_error(exc, base) from exc
    finally:
        if not has_checkpoint(work):
            # Nothing to go on from: the next attempt may have other options.
            shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True)
class _Tuning:
    """One call's work, once its folder is its own."""

    base: Path
    data: Path
    output: Path
    work: Path
    options: TuningOptions
    setup: dict[str, Any]

    def run(
        self,
        data: InstructionData,
        on_start: Callable[[TuningStart], None],
        on_progress: Callable[[TuningProgress], None],
        is_stopped: Callable[[], bool],
    ) -> TuningResult:
        limit_threads(available_cpus())
        loaded = load_checkpoint(str(self.base), LoadOptions(n_ctx=self.options.max_tokens))
        left_out = data.left_out
        rows = rows_of(data.chats, loaded.tokenizer, loaded.stop_ids, loaded.n_ctx, left_out)
        if not rows:
            raise DocumentError(f"{str(self.data)!r} has nothing that {str(self.base)!r} can learn: {left_out}")
        start = TuningStart(
            answers=len(rows),
            learnt_tokens=sum(row.learnt_tokens for row in rows),
            left_out=tuple(left_out),
            vocabulary=_checked_vocabulary(loaded, rows),
        )
        on_start(start)
        loop = TuningLoop(loaded, rows, self.options, self.work, on_progress=on_progress, is_stopped=is_stopped)
        is_done = loop.run()
        losses = loop.losses
        step, steps = loop.steps
        if is_done:
            notes = {"base": self.base.name, "data_file": self.data.name, **self.setup}
            notes |= {"steps": steps, "losses": losses}
            write_checkpoint(loop.merged(), self.base, self.output, self.work, notes)
        return TuningResult(
            is_done=is_done,
            step=step,
            steps=steps,
            start=start,
            first_loss=losses[0] if losses else None,
            last_loss=losses[-1] if losses else None,
        )


def _check_output(output: Path) -> None:
    if output.exists() or output.is_symlink():
        raise ConfigurationError(f"{str(output)!r} is there already; give another output_dir, or move it away")


def _checked_vocabulary(loaded: LoadedModel, rows: Sequence[Row]) -> int:
    """How many tokens the model knows, which must be all that the rows have."""
    known = int(loaded.model.get_input_embeddings().num_embeddings)
    highest = max(int(row.input_ids.max()) for row in rows)
    if highest >= known:
        raise UnsupportedModelError(
            f"the tokenizer makes tokens up to {highest}, and the model knows {known}; the two do not belong together"
        )
    return known


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_training_error(exc: Exception, base: Path) -> TrainingError:
    if is_out_of_memory(exc):
        return TrainingError(
            f"memory ran out while {str(base)!r} was tuned; lower batch_size or max_tokens, or unload other models"
        )
    return TrainingError(f"tuning {str(base)!r} failed: {type(exc).__name__}: {detail(exc)}")
