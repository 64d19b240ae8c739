"""A job that runs tasks of lm-evaluation-harness on a model of ours; needs the extra ``lm-eval``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError, MultiLLMError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.evaluation.statistics.intervals import wilson
from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.jobs.spec import MAX_TITLE_CHARS, JobSpec, make_spec
from multi_llm_comparator.services.bridge import get_bridge
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.scan.single import model_at

if TYPE_CHECKING:
    from multi_llm_comparator.evaluation.lm_eval_model import EngineLM

KIND = "lm_eval"
MISSING = "tasks of lm-eval need it installed: pip install -r extras/lm-eval.txt"
# The errors of means are computed; those of medians, F1 and the like are drawn so often.
BOOTSTRAPPED = 1000
# A model takes its weights, and something beside them.
MEMORY_SHARE = 1.3
NORMAL_95 = 1.96


class LmEvalOptions(BaseModel):
    """What is run on what.

    Attributes:
        model_path: folder of a checkpoint, or a GGUF file.
        tasks: names of lm-eval's tasks or groups.
        shots: worked examples; None: as each task has them.
        limit: items of each task; None: all.
        chat: put prompts into the model's chat template; ``chat_turns``: each example a turn of its own.
        n_ctx: longer prompts lose their beginning.
        include_path: folder with further task files.
        torch_dtype: what a checkpoint computes in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_path: str
    tasks: tuple[str, ...] = Field(min_length=1, max_length=500)
    shots: int | None = Field(None, ge=0, le=64)
    limit: int | None = Field(None, ge=1)
    chat: bool = False
    chat_turns: bool = True
    n_ctx: int = Field(2048, ge=64, le=1_000_000)
    include_path: str | None = None
    torch_dtype: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of one task; ``low`` and ``high`` are the ends of its 95% interval, None where it has none: lm-eval
    tells an error, of OpenCompass it is known how many items there were."""

    task: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None


def lm_eval_spec(model: ModelInfo, **options: Any) -> JobSpec:
    """The job that runs tasks on a model; ``options`` are those of :class:`LmEvalOptions` but its path.

    Raises:
        ConfigurationError: one of them is wrong.
    """
    wanted = checked(LmEvalOptions, {"model_path": str(Path(model.path).resolve()), **options})
    needs = {"memory_bytes": round(MEMORY_SHARE * model.loaded_as.size)}
    title = f"{model.name} · {', '.join(wanted.tasks)}"[:MAX_TITLE_CHARS]
    return make_spec({"kind": KIND, "title": title, "options": wanted.model_dump(mode="json"), "needs": needs})


def metrics_of(result: Mapping[str, Any] | None) -> Iterator[Metric]:
    """The numbers in a job's result, task by task; nothing of what does not look like one."""
    results, items = (result or {}).get("results"), (result or {}).get("items")
    for task, found in results.items() if isinstance(results, Mapping) else ():
        for name, value in found.items() if isinstance(found, Mapping) else ():
            metric, _, way = str(name).partition(",")
            if isinstance(value, bool) or not isinstance(value, int | float) or metric.endswith("_stderr"):
                continue
            if metric == "sample_len":
                continue
            error, low, high = found.get(f"{metric}_stderr,{way}"), None, None
            if isinstance(error, int | float):
                low, high = value - NORMAL_95 * error, value + NORMAL_95 * error
            elif metric == "accuracy" and isinstance(items, Mapping):
                low, high = _share_of(value, items.get(task))
            shown = metric if way in ("", "none") else f"{metric} ({way})"
            yield Metric(task=str(task), metric=shown, value=float(value), low=low, high=high)


def _share_of(percent: float, n: object) -> tuple[float, float] | tuple[None, None]:
    """Wilson's interval, in percent, of a share of ``n`` items."""
    if not isinstance(n, int) or n < 1 or not 0 <= percent <= 100:
        return None, None
    low, high = wilson(percent * n / 100, n)
    return 100 * low, 100 * high


def run(options: dict[str, Any], folder: Path, report: Report) -> None:
    """Run the tasks; results and every item go below ``out/`` of the folder.

    Raises:
        ConfigurationError: lm-eval is not installed, or has no such task.
        MultiLLMError: the model cannot be loaded or asked.
    """
    wanted = LmEvalOptions(**options)
    report.phase("loading")
    try:
        from multi_llm_comparator.evaluation.lm_eval_model import EngineLM
    except ImportError as exc:
        raise ConfigurationError(f"{MISSING} ({exc})") from exc
    model = model_at(wanted.model_path)
    engine, bridge = InferenceEngine(), get_bridge()
    engine.know(model)
    trained = model.config.get("context_length") or wanted.n_ctx
    config = ModelConfig(n_ctx=min(wanted.n_ctx, trained), torch_dtype=wanted.torch_dtype)
    try:
        bridge.run(engine.load(model.id, config))
        lm = EngineLM(
            engine,
            model.id,
            config,
            run=bridge.run,
            tell=lambda done, total: report.progress(done, total, unit="items"),
            is_stopped=lambda: report.is_stopped,
        )
        results = _evaluate(wanted, lm, report)
    finally:
        bridge.run(engine.aclose())
    out = folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    path = out / "lm_eval.json"
    write_atomically(path, json.dumps(results, ensure_ascii=False, default=str, indent=1))
    report.artefact("report", path)
    report.result({"results": results["results"], "versions": results["versions"]})


def _evaluate(wanted: LmEvalOptions, lm: EngineLM, report: Report) -> dict[str, Any]:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    report.phase("evaluating")
    try:
        found = simple_evaluate(
            lm,
            tasks=list(wanted.tasks),
            num_fewshot=wanted.shots,
            limit=wanted.limit,
            apply_chat_template=wanted.chat,
            fewshot_as_multiturn=wanted.chat and wanted.chat_turns,
            task_manager=TaskManager(include_path=wanted.include_path),
            bootstrap_iters=BOOTSTRAPPED,
        )
    except (KeyError, ValueError) as exc:
        if isinstance(exc, MultiLLMError):
            raise
        raise ConfigurationError(f"lm-eval cannot run this: {str(exc)[:500]}") from exc
    if found is None:
        raise InferenceError("lm-eval gave no result")
    return {
        "results": dict(found["results"]),
        "versions": dict(found["versions"]),
        "samples": {name: list(samples) for name, samples in found["samples"].items()},
    }
