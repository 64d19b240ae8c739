"""A job's options as the draft of another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.training.data.spec import MAX_ROWS
from multi_llm_comparator.training.tuning_options import TuningOptions, tuning_options
from multi_llm_comparator.ui.kit.actions import attempt, inform
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.bases import tunable_models
from multi_llm_comparator.ui.tune.options import FIELDS
from multi_llm_comparator.ui.tune.sources import source_at
from multi_llm_comparator.ui.tune.state import Draft, leave_run, set_draft


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
    )


def duplicate(job: JobSnapshot, **changes: Any) -> None:
    """Set up another job like this one."""
    if (draft := draft_of(job, **changes)) is not None:
        leave_run()
        set_draft(draft)
        inform(t("tune.duplicated"))


def with_less_memory(job: JobSnapshot) -> None:
    """Set up the same job so that it needs less memory, with the same steps: fewer answers at once, values computed
    again instead of kept."""
    options = options_of(job)
    if options is None:
        return
    batch = max(1, options.batch_size // 2)
    accumulation = options.accumulation * (options.batch_size // batch)
    changes = {"batch_size": batch, "accumulation": accumulation, "checkpointing": True}
    if (draft := draft_of(job, **changes)) is not None:
        leave_run()
        set_draft(replace(draft, made_from=job.id))
        inform(t("tune.less_memory_done"))
