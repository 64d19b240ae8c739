"""A run of any kind in the form in which two of them stand side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot
from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.words import words_of
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.readable import seconds
from multi_llm_comparator.core.timings import known_sum
from multi_llm_comparator.evaluation.measuring.cells import Cell
from multi_llm_comparator.evaluation.measuring.results import results_of
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.words import interval_words as score_interval
from multi_llm_comparator.evaluation.measuring.words import mean_words
from multi_llm_comparator.jobs.events import Sample
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.plans.export_html import figure_rows
from multi_llm_comparator.plans.metrics import run_metrics, step_metrics
from multi_llm_comparator.plans.outlook import Outlook
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.training.data.distillation import DistillationSnapshot
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.html_pieces import state_chip
from multi_llm_comparator.ui.kit.i18n import current_language, t, tn
from multi_llm_comparator.ui.plans.targets import name_of
from multi_llm_comparator.ui.plans.tones import step_chip
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.tally import tally
from multi_llm_comparator.voting.turns import VoteAnswer
from multi_llm_comparator.voting.words import interval_words

LOSSES = ("loss", "validation_loss")
# Of a job that asks more at a step, the first.
MAX_SAMPLES = 20
# Prompts of an evaluation that stand beside those of another run.
MAX_PARTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """One answer. ``target`` is who was asked, by which its colour is found; ``chip`` is HTML, ``error`` what went
    wrong, ``figures`` are words with their units."""

    model: str
    target: str
    chip: str
    text: str
    error: str = ""
    figures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One prompt with what was answered: a turn of a comparison, a step of a plan."""

    prompt: str
    answers: tuple[ShownAnswer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """``figures`` are the run's own, by name; ``parts`` what was asked and answered, in order."""

    figures: dict[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()


def service_overview(snapshot: ServiceSnapshot) -> Overview:
    """What was asked for, and the text that came of it."""
    spec = snapshot.spec
    figures = {
        t("history.figure_time"): say.seconds(snapshot.worked_s),
        t("history.figure_tokens"): say.count(snapshot.tokens),
        t("history.figure_cost"): say.dollars(snapshot.cost_usd),
    }
    answer = ShownAnswer(
        model=", ".join(snapshot.answered_by) or t("services.nobody"),
        target=spec.target,
        chip=state_chip("done" if snapshot.state == "done" else "failed" if snapshot.state == "failed" else "stopped"),
        text=snapshot.result.text if snapshot.result else "",
        error=snapshot.error or "",
    )
    prompt = f"{t(f'services.{spec.service_type}')}: {t(f'services.kind_{spec.kind}')}"
    return Overview(figures=figures, parts=(Part(prompt=prompt, answers=(answer,)),))


def evaluation_overview(snapshot: EvaluationSnapshot) -> Overview:
    """Prompt by prompt, with the first answer of each model; the figures are the models' scores."""
    results = results_of(snapshot)
    figures = {}
    for found in results.subjects:
        name = f"{snapshot.spec.subject(found.subject).name} · {found.source}"
        figures[name] = f"{mean_words(found.interval)} ({score_interval(found.interval)})"
    parts = []
    for number, item in enumerate(snapshot.items[:MAX_PARTS]):
        cells = [(subject, snapshot.cell(number, subject.id)) for subject in snapshot.spec.subjects]
        answers = [_cell(subject.name, subject.target, cell) for subject, cell in cells if cell is not None]
        parts.append(Part(prompt=item.title, answers=tuple(answers)))
    return Overview(figures=figures, parts=tuple(parts))


def _cell(name: str, target: str, cell: Cell) -> ShownAnswer:
    value = say.NOTHING if cell.value is None else f"{cell.value:.2g}"
    return ShownAnswer(
        model=name,
        target=target,
        chip=state_chip("done" if cell.state == "done" else "failed"),
        text=cell.text,
        error=cell.error or "",
        figures=(value, seconds(cell.duration_s, current_language())),
    )


def vote_overview(snapshot: VotingSnapshot) -> Overview:
    """Vote by vote, with the answers as they stood; the figures are the ranking's."""
    found = tally([snapshot])
    language = current_language()
    figures = {
        found.labels[one.id]: f"{one.points:.0f} ({interval_words(one, language)})" for one in found.ranked().standings
    }
    parts = []
    for turn in snapshot.voted[:MAX_PARTS]:
        answers = [_voted(snapshot, answer, is_best=answer is turn.best) for answer in turn.answers]
        parts.append(Part(prompt=snapshot.spec.prompts[turn.prompt].text, answers=tuple(answers)))
    return Overview(figures=figures, parts=tuple(parts))


def _voted(snapshot: VotingSnapshot, answer: VoteAnswer, *, is_best: bool) -> ShownAnswer:
    one = snapshot.spec.contestant(answer.contestant)
    return ShownAnswer(
        model=one.name,
        target=one.target,
        chip=state_chip("done"),
        text=answer.text,
        figures=(*([t("vote.chosen")] if is_best else []), *_words(answer.tokens, answer.tokens_per_s, None, None)),
    )


def comparison_overview(snapshot: ComparisonSnapshot) -> Overview:
    """Turn by turn, with the attempt of each pane that is shown."""
    shown = [answer for turn in snapshot.turns for answer in turn.answers.values()]
    figures = {
        t("history.figure_turns"): say.count(len(snapshot.turns)),
        t("history.figure_answers"): say.count(len(shown)),
        t("history.figure_tokens"): say.count(sum(answer.figures.tokens for answer in shown)),
        t("history.figure_time"): say.seconds(known_sum(answer.figures.duration_s for answer in shown)),
        t("history.figure_cost"): say.dollars(known_sum(answer.figures.cost_usd for answer in shown)),
    }
    parts = [Part(prompt=turn.prompt, answers=tuple(map(_answer, turn.answers.values()))) for turn in snapshot.turns]
    return Overview(figures=figures, parts=tuple(parts))


def _answer(answer: AnswerSnapshot) -> ShownAnswer:
    known = answer.figures
    return ShownAnswer(
        model=answer.model_name,
        target=answer.target,
        chip=state_chip(answer.progress.state),
        text=answer.text,
        error=answer.progress.error or "",
        figures=_words(known.tokens, known.tokens_per_second, known.ttft_s, known.duration_s),
    )


def plan_overview(run: PlanRun, outlook: Outlook) -> Overview:
    """The question with the final answer, then step by step."""
    metrics = run_metrics(run)
    large = run.options.executor.large_model
    text = run.answer or (run.aggregate.text if run.aggregate else "")
    final = ShownAnswer(model=t("history.whole_answer"), target="", chip="", text=text, error=run.error or "")
    parts = [Part(prompt=run.question, answers=(final,))]
    parts += [
        Part(prompt=f"{step.step.id}: {step.step.task}", answers=(_step(step, step.target or large),))
        for step in run.steps.values()
    ]
    return Overview(figures=dict(figure_rows(metrics, outlook, current_language())), parts=tuple(parts))


def cooperation_overview(run: CooperationSnapshot) -> Overview:
    """The question with the final answer and who gave which, then what each member took."""
    words = words_of(current_language())
    final = ShownAnswer(
        model=t("history.whole_answer"), target="", chip="", text=run.answer or "", error=run.error or ""
    )
    figures = {
        words("mode"): words(f"mode_{run.spec.mode}"),
        words("wall"): say.seconds(run.wall_s),
        words("tokens"): say.count(run.tokens),
        words("cost"): say.dollars(run.cost_usd),
    }
    parts = [Part(prompt=run.spec.question, answers=(final,))]
    parts += [Part(prompt=call.key, answers=(_call(call),)) for call in list(run.calls.values())[:MAX_PARTS]]
    return Overview(figures=figures, parts=tuple(parts))


def _call(call: Call) -> ShownAnswer:
    known = call.progress
    return ShownAnswer(
        model=name_of(call.target),
        target=call.target,
        chip=state_chip(known.state),
        text=call.text,
        error=known.error or "",
        figures=_words(known.tokens, known.tokens_per_second, known.ttft_s, known.duration_s),
    )


def job_overview(job: JobSnapshot) -> Overview:
    """How far it is and what came out; then what it answered at the last step at which it was asked."""
    figures = {t("history.figure_state"): t(f"status.{job.state}")}
    if job.progress is not None:
        figures[t("history.figure_steps")] = f"{say.count(job.progress.done)} / {say.count(job.progress.total)}"
    figures[t("history.figure_job_time")] = say.seconds((job.ended or now()) - job.begun if job.begun else None)
    for name, curve in job.curves.items():
        if name in LOSSES and curve:
            figures[t(f"history.figure_{name}")] = f"{curve[-1].value:.4g}"
    last = max((sample.step for sample in job.samples), default=0)
    parts = [Part(prompt=s.prompt, answers=(_sample(s),)) for s in job.samples if s.step == last and s.kind == "fixed"]
    return Overview(figures=figures, parts=tuple(parts[:MAX_SAMPLES]))


def distillation_overview(run: DistillationSnapshot) -> Overview:
    """How many prompts were answered; then the first of them with what is kept of their answers."""
    figures = {
        t("history.figure_state"): t(f"status.{run.state}"),
        t("history.figure_answered"): f"{say.count(run.done)} / {say.count(len(run.prompts))}",
    }
    parts = []
    for prompt in run.prompts[:MAX_SAMPLES]:
        answer = run.answers[prompt.key]
        target = answer.answered_by or run.options.target
        shown = ShownAnswer(model=name_of(target), target=target, chip="", text=answer.final, error=answer.error)
        parts.append(Part(prompt=prompt.messages[-1].content, answers=(shown,)))
    return Overview(figures=figures, parts=tuple(parts))


def _sample(sample: Sample) -> ShownAnswer:
    return ShownAnswer(model=t("history.at_step", step=say.count(sample.step)), target="", chip="", text=sample.answer)


def _step(step: StepRun, target: str) -> ShownAnswer:
    known = step_metrics(step)
    return ShownAnswer(
        model=name_of(known.model or target),
        target=target,
        chip=step_chip(step.state),
        text=step.answer or "",
        error=step.error or "",
        figures=_words(known.tokens, known.tokens_per_second, known.ttft_s, known.duration_s),
    )


def _words(
    tokens: int, tokens_per_second: float | None, ttft_s: float | None, duration_s: float | None
) -> tuple[str, ...]:
    """What is known of an answer, with units."""
    words = [tn("history.of_tokens", tokens, tokens=say.count(tokens))]
    if tokens_per_second is not None:
        words.append(t("history.of_speed", speed=say.speed(tokens_per_second)))
    if ttft_s is not None:
        words.append(t("history.of_ttft", time=say.seconds(ttft_s)))
    if duration_s is not None:
        words.append(say.seconds(duration_s))
    return tuple(words)
