"""A job's options as the draft of another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.training.data.spec import MAX_ROWS
from multi_llm_comparator.training.tuning_options import TuningOptions, tuning_options
from multi_llm_comparator.ui.kit.actions import attempt, inform
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.bases import tunable_models
from multi_llm_comparator.ui.tune.jobs import resume
from multi_llm_comparator.ui.tune.options import FIELDS
from multi_llm_comparator.ui.tune.sources import source_at
from multi_llm_comparator.ui.tune.state import Draft, leave_run, set_draft

# Packs below that hold a short row or two.
LEAST_PACK = 128


def options_of(job: JobSnapshot) -> TuningOptions | None:
    """What a tuning was started with; None for a job of another kind, or of a version that had other options."""
    try:
        return tuning_options(job.spec.options)
    except MultiLLMError:
        return None


def draft_of(job: JobSnapshot, **changes: Any) -> Draft | None:
    """All that the job was set up with, and ``changes`` of its options."""
    options = attempt(lambda: tuning_options(job.spec.options), job.id)
    if options is None:
        return None
    base = next((m.id for m in tunable_models() if Path(m.path) == Path(options.model_path)), "")
    data = options.data
    kept = {name: getattr(options, name) for name in FIELDS}
    return Draft(
        base=base,
        source=source_at(data.source),
        mapping=data.mapping,
        cleaning=data.cleaning,
        share=data.split.share,
        max_rows=None if data.max_rows == MAX_ROWS else data.max_rows,
        evaluation_sets=data.contamination,
        changes={**kept, **changes},
        prompts=options.fixed_prompts,
        cluster=job.spec.address or "",
        cluster_gpu=job.spec.backend == "ray" and job.spec.needs.gpus > 0,
        made_from=job.id,
        copied=data,
    )


def duplicate(job: JobSnapshot, **changes: Any) -> None:
    """Set up another job like this one."""
    if (draft := draft_of(job, **changes)) is not None:
        leave_run()
        set_draft(draft)
        inform(t("tune.duplicated"))


def less_memory(options: TuningOptions) -> dict[str, Any]:
    """What a tuning may go on with that needs less memory and ends in the same model: half as many tokens in a pass,
    and values computed again instead of kept. Empty where that is done already."""
    changes: dict[str, Any] = {} if options.checkpointing is True else {"checkpointing": True}
    if options.packing and options.pack_tokens > LEAST_PACK:
        changes["pack_tokens"] = max(LEAST_PACK, options.pack_tokens // 2)
    return changes


def with_less_memory(job: JobSnapshot) -> None:
    """Have the same job go on with less memory; where nothing is left to change so, set it up with shorter rows."""
    options = options_of(job)
    if options is None:
        return
    if changes := less_memory(options):
        resume(job.id, **changes)
        inform(t("memory.goes_on"))
    elif (draft := draft_of(job, max_tokens=max(LEAST_PACK, options.max_tokens // 2))) is not None:
        leave_run()
        set_draft(draft)
        inform(t("memory.shorter_rows"))
