"""Tuning a local model on chats by LoRA: from a data file and a checkpoint to a new checkpoint."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

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
from multi_llm_comparator.training.chat_rows import rows_of
from multi_llm_comparator.training.checkpoint_files import CheckpointFiles
from multi_llm_comparator.training.instruction_data import read_instruction_data
from multi_llm_comparator.training.tuned_checkpoint import write_checkpoint
from multi_llm_comparator.training.tuning_loop import TuningLoop
from multi_llm_comparator.training.tuning_options import TuningOptions, TuningProgress, TuningResult


def tune(
    model_path: str | Path,
    data_path: str | Path,
    output_dir: str | Path,
    options: TuningOptions | None = None,
    *,
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

    Raises:
        ConfigurationError: ``output_dir`` exists, or its work was begun with other data or options.
        DocumentError: the data cannot be read, or has nothing that this model can learn.
        ModelLoadError: the model cannot be loaded, or not be tuned.
        RunAtWorkError: another process is tuning into ``output_dir``.
        TrainingError: the training failed.
    """
    options = options or TuningOptions()
    base, output = Path(model_path), Path(output_dir)
    if output.exists():
        raise ConfigurationError(f"{str(output)!r} is there already; give another output_dir, or move it away")
    data = read_instruction_data(data_path)
    files = CheckpointFiles(base)
    if "quantization_config" in files.config:
        raise UnsupportedModelError(
            f"{str(base)!r} is quantised, and what is learnt could not be merged into it; tune the checkpoint that it "
            "was made from"
        )
    setup = {"options": options.to_dict(), "model": files.fingerprint(), "data": _fingerprint(Path(data_path))}
    loaded = _load(base, options)
    left_out = data.left_out
    rows = rows_of(data.chats, loaded.tokenizer, loaded.stop_ids, loaded.n_ctx, left_out)
    if not rows:
        raise DocumentError(f"{str(data_path)!r} has nothing that {str(base)!r} can learn: {left_out}")
    work = output.with_name(f".{output.name}.tuning")
    open_work_folder(work, setup)
    try:
        loop = TuningLoop(loaded, rows, options, work, on_progress=on_progress, is_stopped=is_stopped)
        is_done = loop.run()
        losses = loop.losses
        step, steps = loop.steps
        if is_done:
            notes = {"base": base.name, "data_file": Path(data_path).name, **setup, "steps": steps, "losses": losses}
            write_checkpoint(loop.merged(), base, output, work, notes)
            shutil.rmtree(work, ignore_errors=True)
    except MultiLLMError:
        raise
    except Exception as exc:
        raise _as_training_error(exc, base) from exc
    return TuningResult(
        is_done=is_done,
        step=step,
        steps=steps,
        answers=len(rows),
        learnt_tokens=sum(row.learnt_tokens for row in rows),
        left_out=tuple(left_out),
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
    )


def _load(base: Path, options: TuningOptions) -> LoadedModel:
    limit_threads(available_cpus())
    return load_checkpoint(str(base), LoadOptions(n_ctx=options.max_tokens))


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_training_error(exc: Exception, base: Path) -> TrainingError:
    if is_out_of_memory(exc):
        return TrainingError(
            f"memory ran out while {str(base)!r} was tuned; lower batch_size or max_tokens, or unload other models"
        )
    return TrainingError(f"tuning {str(base)!r} failed: {type(exc).__name__}: {detail(exc)}")
