"""Where a tuned model comes from: written beside it as ``tuning.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multi_llm_comparator.conversion.provenance import source_fingerprint
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.services.hub_datasets import name_of
from multi_llm_comparator.training.data.report import CleanReport
from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.training.tuning_result import TuningResult

LINEAGE_FILE = "tuning.json"
_PATHS = ("model_path", "output_dir", "mlflow_uri")


def lineage_of(
    options: TuningOptions, base: Path, setup: dict[str, Any], result: TuningResult, cleaned: CleanReport
) -> dict[str, Any]:
    """Base, data, options, curves and what was left out, as JSON data. Folders of this machine are not named.

    Args:
        setup: fingerprints of ``model`` and ``data``.
    """
    chosen = {name: value for name, value in options.to_dict().items() if name not in (*_PATHS, "data")}
    report = cleaned.to_dict()
    return {
        "base": base.name,
        "base_hash": source_fingerprint(base),
        "model": setup["model"],
        "data_file": name_of(Path(options.data.source)),
        "data": setup["data"],
        "options": chosen,
        "cleaning": options.data.cleaning.model_dump(mode="json"),
        "rows": {name: report[name] for name in ("read", "kept", "train", "validation", "left_out", "shortened")},
        "left_out": {
            rule: {"found": count.found, "left_out": count.left_out}
            for rule, count in cleaned.counts.items()
            if count.found
        },
        "statistics": report["statistics"],
        "contamination": report["contamination"],
        "data_lineage": dict(cleaned.lineage),
        "result": result.to_dict(),
        "steps": result.steps,
        "losses": [loss for _, loss in result.state.losses],
        "curves": {
            "loss": [[step, loss] for step, loss in result.state.losses],
            "validation_loss": [[step, loss] for step, loss in result.state.validation],
        },
        "made_at": now(),
    }
