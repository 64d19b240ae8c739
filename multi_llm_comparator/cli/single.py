"""One question: planned and solved, resumed, or asked of a single model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.cli.display import follow, run_view, show_while
from multi_llm_comparator.evaluation.judging import Judge, Verdict
from multi_llm_comparator.evaluation.report_single import in_one_line, write_run_report
from multi_llm_comparator.evaluation.reports import report_folder
from multi_llm_comparator.evaluation.solving import Baseline, Solver
from multi_llm_comparator.plans.config import CooperationConfig
from multi_llm_comparator.plans.metrics import run_metrics, unanswered
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.roles import Cast
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.wiring import Services


async def answer(work: Services, config: CooperationConfig, cast: Cast, question: str, *, as_json: bool) -> bool:
    """Answer a question; whether there is an answer."""
    run = await work.plans.start(question, cast.options)
    return await _finish(work, config, cast.judge, run, as_json=as_json)


async def resume(work: Services, config: CooperationConfig, judge: str | None, run_id: str, *, as_json: bool) -> bool:
    """Go on with a run; finished steps are not repeated."""
    run = await work.runs.resume(run_id, PlanRun)
    return await _finish(work, config, judge, run, as_json=as_json)


async def solve_again(
    work: Services,
    config: CooperationConfig,
    judge: str | None,
    run_id: str,
    step: str,
    options: PlanOptions | None,
    *,
    as_json: bool,
) -> bool:
    """Solve a step, and what needs it, once more in a run of its own; with the old run's options where none are given.

    Raises:
        PlanError: the run is not over, or has no such step.
    """
    chosen = options or (await work.plans.get(run_id)).options
    run = await work.plans.solve_again(run_id, step, chosen)
    return await _finish(work, config, judge, run, as_json=as_json)


async def ask_one(
    work: Services, root: Path, model: str, question: str, timeout_s: float | None, *, as_json: bool
) -> bool:
    """Ask one model the question itself."""
    asked = Baseline(work.gateway, model, timeout_s=timeout_s, plans=work.plans)
    run = await show_while(asked.run(question), lambda: f"asking {model}")
    _tell(run, as_json=as_json)
    folder = report_folder(root, "single_model_results", [model])
    report = write_run_report(folder, run)
    messages.print(f"report: {report}")
    if as_json:
        _tell_json(run, report)
    return run.answer is not None


async def _finish(work: Services, config: CooperationConfig, judge: str | None, run: PlanRun, *, as_json: bool) -> bool:
    await follow(work.runs, run, lambda: run_view(run), "resume")
    # Before anything else is made of it: whatever fails then, the answer is there.
    _tell(run, as_json=as_json)
    verdicts: Sequence[Verdict] = ()
    if judge:
        solver = Solver(work.gateway, run.options, judge=Judge(work.gateway, judge), evaluation=config.evaluation)
        verdicts = await show_while(solver.verdicts(run), lambda: f"{judge} is judging")
    executor = run.options.executor
    models = [run.options.router_model, executor.small_model, executor.large_model]
    folder = report_folder(Path(config.system.reports), "single", models)
    outlook = await Calibration(work.plans).outlook(run)
    messages.print(in_one_line(run, outlook))
    report = write_run_report(folder, run, outlook, verdicts=verdicts)
    messages.print(f"report: {report}")
    if as_json:
        _tell_json(run, report, verdicts)
    return run.answer is not None


def _tell(run: PlanRun, *, as_json: bool) -> None:
    """The answer, where it is not part of one JSON value; what is wrong with it in any case."""
    if run.answer is not None and not as_json:
        output.print(run.answer)
    elif run.answer is None:
        messages.print(f"no answer: {run.error}")
    if run.answer is not None and (missing := unanswered(run)):
        messages.print(f"without the answers of steps: {', '.join(missing)}", style="yellow")


def _tell_json(run: PlanRun, report: Path, verdicts: Sequence[Verdict] = ()) -> None:
    print_json(
        {
            "result": run.answer,
            "run_id": run.id,
            "state": run.state,
            "error": run.error,
            "unanswered_steps": list(unanswered(run)),
            "figures": asdict(run_metrics(run)),
            "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
            "report": str(report),
        }
    )
