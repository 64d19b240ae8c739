"""Tuning a local model by LoRA: from a data set and a checkpoint to an adapter, and to a checkpoint with it merged."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterable
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
from multi_llm_comparator.inferencers.pytorch_environment import limit_threads
from multi_llm_comparator.inferencers.pytorch_errors import detail, is_out_of_memory
from multi_llm_comparator.inferencers.pytorch_load import FLOAT32, LoadedCheckpoint, load_checkpoint
from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.training.allocator import keep_freed_memory
from multi_llm_comparator.training.base_model import load_options, refuse_what_cannot_be_tuned, rounding_note
from multi_llm_comparator.training.chat_rows import Row, RowMaker
from multi_llm_comparator.training.checkpoints import TuningState, has_checkpoint
from multi_llm_comparator.training.data.chats import Chat, PreferencePair
from multi_llm_comparator.training.data.chats import Example as DataExample
from multi_llm_comparator.training.data.contamination import Contamination
from multi_llm_comparator.training.data.left_out import LeftOut, Reason
from multi_llm_comparator.training.data.lineage import lineage_of as learnt_grams
from multi_llm_comparator.training.data.prepare import prepare
from multi_llm_comparator.training.data.report import CleanReport
from multi_llm_comparator.training.data.tokens import ModelTokens
from multi_llm_comparator.training.estimate import Estimate, estimate, usable_bytes
from multi_llm_comparator.training.fingerprints import data_fingerprint
from multi_llm_comparator.training.lineage import lineage_of
from multi_llm_comparator.training.model_facts import model_facts
from multi_llm_comparator.training.objectives import Example, Examples
from multi_llm_comparator.training.together import this_place
from multi_llm_comparator.training.tuned_checkpoint import write_adapter, write_checkpoint
from multi_llm_comparator.training.tuning_loop import TuningLoop
from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.training.tuning_result import TuningResult, TuningStart

# What changes how a tuning is computed and not what comes out: a tuning may be resumed with others.
_MAY_CHANGE = ("options.pack_tokens", "options.checkpointing", "options.mlflow_uri", "options.output_dir")


def tune(options: TuningOptions, work: Path, report: Report, *, adapter: Path | None = None) -> TuningResult:
    """Teach a model the answers of a data set.

    Stopped or killed, the same call resumes from the last checkpoint in ``work``.

    Args:
        work: a folder for checkpoints and what else is needed meanwhile; made if absent.
        report: told of everything, and asked after each step whether to stop.
        adapter: where the trained adapter goes, as a folder that peft reads; None: nowhere by itself.

    Raises:
        ConfigurationError: ``output_dir`` exists or cannot be made, or ``work`` was begun with other data or options.
        DocumentError: the data cannot be read, or has nothing that this model can learn.
        ModelLoadError: the model cannot be loaded, not be tuned, or it would not fit into memory.
        RunAtWorkError: another process is at work in ``work``.
        TrainingError: the training failed.
    """
    base = Path(options.model_path).absolute()
    if not this_place().is_first:
        return _taken_part(options, base, work)
    output = _checked_output(options)
    files = CheckpointFiles(base)
    refuse_what_cannot_be_tuned(files, options)
    setup = {"options": options.to_dict(), "model": files.fingerprint(), "data": data_fingerprint(options.data)}
    open_work_folder(work, setup, may_change=_MAY_CHANGE)
    try:
        # Another process may have come to its end since this one looked.
        _checked_output(options)
        result = _Tuning(options, base, output, adapter, work, work / "data", setup, report).run()
        if result.is_done:
            shutil.rmtree(work, ignore_errors=True)
        return result
    except MultiLLMError:
        raise
    except Exception as exc:
        raise _as_training_error(exc, base) from exc
    finally:
        if not has_checkpoint(work):
            # Nothing to resume: the next attempt may have other options.
            shutil.rmtree(work, ignore_errors=True)


def _taken_part(options: TuningOptions, base: Path, work: Path) -> TuningResult:
    """Compute a share of what the first of several processes tunes in ``work``, and write nothing but checkpoints."""
    try:
        with tempfile.TemporaryDirectory() as data:
            return _Tuning(options, base, None, None, work, Path(data), {}, Report(lambda _: None)).run()
    except MultiLLMError:
        raise
    except Exception as exc:
        raise _as_training_error(exc, base) from exc


@dataclass(frozen=True)
class _Tuning:
    """One call's work, once its folder is its own. Rows are kept in ``data`` meanwhile."""

    options: TuningOptions
    base: Path
    output: Path | None
    adapter: Path | None
    work: Path
    data: Path
    setup: dict[str, Any]
    report: Report

    def run(self) -> TuningResult:
        keep_freed_memory()
        limit_threads(available_cpus())
        self.report.phase("reading")
        cleaned = self._cleaned()
        if not cleaned.is_complete:
            nothing = TuningStart(answers=0, learnt_tokens=0, tokens=0, kept_aside=0, left_out=0, vocabulary=1)
            return TuningResult(is_done=False, step=0, steps=0, start=nothing, state=TuningState())
        expected = self._estimated(cleaned)
        self.report.phase("loading")
        loaded = load_checkpoint(str(self.base), load_options(self.options, CheckpointFiles(self.base)))
        self._tell_of(loaded)
        left_out = LeftOut()
        train, validation = (self._examples(found, loaded, left_out) for found in (cleaned.train, cleaned.validation))
        for reason in left_out:
            self.report.note("warning", str(reason))
        if not len(train):
            why = _told(cleaned, left_out)
            raise DocumentError(f"{self.options.data.source!r} has nothing that {str(self.base)!r} can learn: {why}")
        start = TuningStart(
            answers=len(train),
            learnt_tokens=sum(row.learnt_tokens for example in train.rows for row in example),
            tokens=sum(len(row.input_ids) for example in train.rows for row in example),
            kept_aside=len(validation),
            left_out=cleaned.left_out + len(left_out),
            vocabulary=_checked_vocabulary(loaded, train.rows),
        )
        hashes = {f"{name}_hash": self.setup[name] for name in ("model", "data") if name in self.setup}
        facts = {"start": start.to_dict(), "data": cleaned.to_dict(), "estimate": expected.to_dict()}
        self.report.result(facts | hashes)
        loop = TuningLoop(
            loaded,
            train,
            validation,
            self.options,
            self.work,
            checkpointing=expected.checkpointing,
            report=self.report,
        )
        return self._ended(loop, loop.run(), start, cleaned, loaded)

    def _tell_of(self, loaded: LoadedCheckpoint) -> None:
        for note in (*loaded.notes, rounding_note(str(loaded.dtype).removeprefix("torch."))):
            # In which numbers an engine would compute it is another question.
            if note and not note.startswith(FLOAT32[:16]):
                self.report.note("info", note)

    def _cleaned(self) -> CleanReport:
        spec = self.options.data
        context = model_facts(self.base).context or self.options.max_tokens
        tokens = ModelTokens(self.base, min(self.options.max_tokens, context))
        cleaned = prepare(
            spec,
            self.data,
            tokens=tokens,
            progress=lambda phase, rows, total: self.report.progress(rows, total or max(rows, 1), "rows"),
            is_stopped=lambda: self.report.is_stopped,
        )
        if not cleaned.is_complete:
            return cleaned
        for note in cleaned.notes:
            self.report.note("info", note)
        if cleaned.contamination is not None and not cleaned.contamination.is_clean:
            self.report.note("warning", _contaminated(cleaned.contamination))
        for count in cleaned.counts.values():
            if count.found:
                first = count.examples[0]
                if count.left_out:
                    self.report.note("warning", str(Reason(first.why, count.left_out, first.where)))
                else:
                    self.report.note("info", f"{count.found:,} found, learnt all the same: {first.why} ({first.where})")
        is_dpo = self.options.method == "dpo"
        if cleaned.detection.is_preference != is_dpo:
            they = "pairs of answers" if cleaned.detection.is_preference else "chats"
            raise DocumentError(
                f"{spec.source!r} has {they}; they are for the method {'lora' if is_dpo else 'dpo'!r}, not "
                f"{self.options.method!r}"
            )
        return cleaned

    def _estimated(self, cleaned: CleanReport) -> Estimate:
        """What it will need; with the estimate alone it is known whether to compute the forward pass twice.

        Raises:
            InsufficientMemoryError: it cannot fit.
        """
        assert cleaned.statistics is not None
        free_bytes = usable_bytes(this_place().count_here)
        expected = estimate(self.options, cleaned.statistics, model_facts(self.base), available_bytes=free_bytes)
        expected.check_fits(self.base.name)
        return expected

    def _examples(self, found: Iterable[DataExample], loaded: LoadedCheckpoint, left_out: LeftOut) -> Examples:
        maker = RowMaker(loaded.tokenizer, loaded.stop_ids, min(loaded.n_ctx, self.options.max_tokens))
        made = Examples()
        for example in found:
            if isinstance(example, Chat):
                for index, row in maker.rows(example, left_out).items():
                    made.add((row,), example.messages[index - 1].content)
            elif rows := _pair(example, maker, left_out):
                made.add(rows, example.prompt[-1].content)
        return made

    def _ended(
        self, loop: TuningLoop, is_done: bool, start: TuningStart, cleaned: CleanReport, loaded: LoadedCheckpoint
    ) -> TuningResult:
        step, steps = loop.steps
        state = loop.state
        result = TuningResult(is_done=is_done, step=step, steps=steps, start=start, state=state)
        if is_done and this_place().is_first:
            self.report.phase("saving")
            if self.options.keep_best and (problem := loop.take_best()):
                self.report.note("warning", problem)
            notes = lineage_of(self.options, self.base, self.setup, result, cleaned)
            adapter = self.adapter or self.work / "adapter"
            learnt_from = learnt_grams(cleaned.train)
            write_adapter(loop.model, self.base, adapter, notes, learnt_from)
            if self.adapter is not None:
                self.report.artefact("adapter", adapter, base=str(self.base))
            if self.output is not None:
                # The trained model is let go before the one to merge into is loaded.
                del loop, loaded
                gc.collect()
                write_checkpoint(adapter, self.base, self.output, self.work, notes, learnt_from)
                self.report.artefact("checkpoint", self.output, base=str(self.base))
        self.report.result(result.to_dict())
        return result


def _pair(pair: PreferencePair, maker: RowMaker, left_out: LeftOut) -> Example | None:
    rows: list[Row] = [row for side in pair.sides for row in maker.rows(side, left_out).values()]
    return tuple(rows) if len(rows) == 2 else None


def _contaminated(found: Contamination) -> str:
    sets = (f"{one.exact + one.overlapping:,} of {one.texts:,} of {one.name!r}" for one in found.sets if one.share)
    return f"the data has questions of evaluation sets in it, so that scores on them mean little: {', '.join(sets)}"


def _told(cleaned: CleanReport, left_out: LeftOut) -> str:
    reasons = [str(reason) for reason in left_out]
    reasons += [
        f"{count.left_out:,} left out: {count.examples[0].why} ({count.examples[0].where})"
        for count in cleaned.counts.values()
        if count.left_out
    ]
    return "; ".join(reasons) or "it is empty"


def _checked_output(options: TuningOptions) -> Path | None:
    if options.output_dir is None:
        return None
    # Not resolved: what a link points to must not be what is made.
    output = Path(os.path.abspath(options.output_dir))  # noqa: PTH100
    if output.exists() or output.is_symlink():
        raise ConfigurationError(f"{str(output)!r} is there already; give another output_dir, or move it away")
    return output


def _checked_vocabulary(loaded: LoadedCheckpoint, examples: Iterable[Example]) -> int:
    """How many tokens the model knows, which must be all that the rows have."""
    known = int(loaded.model.get_input_embeddings().num_embeddings)
    highest = max(int(row.input_ids.max()) for example in examples for row in example)
    if highest >= known:
        raise UnsupportedModelError(
            f"the tokenizer makes tokens up to {highest}, and the model knows {known}; the two do not belong together"
        )
    return known


def _as_training_error(exc: Exception, base: Path) -> TrainingError:
    if is_out_of_memory(exc):
        return TrainingError(
            f"memory ran out while {str(base)!r} was tuned; lower pack_tokens or max_tokens, switch checkpointing on, "
            "or unload other models"
        )
    return TrainingError(f"tuning {str(base)!r} failed: {type(exc).__name__}: {detail(exc)}")
