"""One question: planned and solved, resumed, or asked of a single model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from multi_llm_comparator.cli.display import follow, messages, output, run_view, show_while
from multi_llm_comparator.evaluation.judging import Judge, Verdict
from multi_llm_comparator.evaluation.report_single import in_one_line, write_run_report
from multi_llm_comparator.evaluation.reports import report_folder
from multi_llm_comparator.evaluation.solving import Baseline, Solver
from multi_llm_comparator.plans.config import CooperationConfig
from multi_llm_comparator.plans.metrics import unanswered
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.roles import Cast
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.wiring import Services


async def answer(work: Services, config: CooperationConfig, cast: Cast, question: str) -> bool:
    """Answer a question; whether there is an answer."""
    run = await work.plans.start(question, cast.options)
    return await _finish(work, config, cast.judge, run)


async def resume(work: Services, config: CooperationConfig, judge: str | None, run_id: str) -> bool:
    """Go on with a run; finished steps are not repeated."""
    run = await work.runs.resume(run_id, PlanRun)
    return await _finish(work, config, judge, run)


async def ask_one(work: Services, root: Path, model: str, question: str, timeout_s: float | None) -> bool:
    """Ask one model the question itself."""
    run = await show_while(
        Baseline(work.gateway, model, timeout_s=timeout_s, plans=work.plans).run(question), lambda: f"asking {model}"
    )
    _tell(run)
    folder = report_folder(root, "single_model_results", [model])
    messages.print(f"report: {write_run_report(folder, run)}")
    return run.answer is not None


async def _finish(work: Services, config: CooperationConfig, judge: str | None, run: PlanRun) -> bool:
    await follow(work.runs, run, lambda: run_view(run), "resume")
    # Before anything else is made of it: whatever fails then, the answer is there.
    _tell(run)
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
    return run.answer is not None


def _tell(run: PlanRun) -> None:
    if run.answer is not None:
        output.print(run.answer)
    else:
        messages.print(f"no answer: {run.error}")
    if run.answer is not None and (missing := unanswered(run)):
        messages.print(f"without the answers of steps: {', '.join(missing)}", style="yellow")
