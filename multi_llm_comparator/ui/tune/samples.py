"""What the model says while it learns: answers to fixed prompts, old beside new, and the best and worst rows that were
kept for validation."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from multi_llm_comparator.jobs.events import Sample
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.ui.kit.html_pieces import table
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.markdown import bounded

MAX_ANSWER_CHARS = 2000
MAX_PROMPT_CHARS = 400
MAX_PROMPTS = 8
MAX_ROWS = 12


def draw_samples(job: JobSnapshot, asked: Sequence[str] = ()) -> None:
    """Answers to the fixed prompts at two evaluations beside each other; nothing before the first evaluation. ``asked``
    is the order of the prompts, where it is known."""
    by_prompt = answers_by_step(job.samples, asked)
    if not by_prompt:
        st.html(f'<div class="mlc-waiting">{escape(t(_why_none(job, "samples")))}</div>')
        return
    steps = sorted({step for answers in by_prompt.values() for step in answers})
    old = steps[0]
    if len(steps) > 2:
        # Made anew with each evaluation, so that a browser that is still drawing the last one cannot send its choice.
        kept = st.session_state.get(f"tune_old_{job.id}", steps[0])
        old = st.select_slider(
            t("tune.old_step"),
            steps[:-1],
            value=kept if kept in steps[:-1] else steps[0],
            format_func=_step_name,
            key=f"tune_old_slider_{job.id}_{len(steps)}",
            width=420,
        )
        st.session_state[f"tune_old_{job.id}"] = old
    st.html(beside_html(by_prompt, old, steps[-1]))


def _why_none(job: JobSnapshot, what: str) -> str:
    """The words for what comes with the first evaluation, and for a job that ended before it."""
    return "tune.ended_before" if job.is_over else f"tune.no_{what}"


def answers_by_step(samples: Sequence[Sample], asked: Sequence[str] = ()) -> dict[str, dict[int, str]]:
    """Of each fixed prompt the answers by step: prompts in the order in which they are ``asked``, then the others."""
    found: dict[str, dict[int, str]] = {prompt: {} for prompt in asked}
    for sample in samples:
        if sample.kind == "fixed":
            found.setdefault(sample.prompt, {})[sample.step] = sample.answer
    answered = [(prompt, answers) for prompt, answers in found.items() if answers]
    return dict(answered[:MAX_PROMPTS])


def beside_html(by_prompt: dict[str, dict[int, str]], old: int, new: int) -> str:
    """Each prompt, and below it the old answer beside the new one."""
    rows = []
    for prompt, answers in by_prompt.items():
        asked = f'<div class="mlc-tune-asked">{escape(bounded(prompt, MAX_PROMPT_CHARS))}</div>'
        cells = [_answer(step, answers.get(step)) for step in dict.fromkeys((old, new))]
        rows.append(f'{asked}<div class="mlc-tune-beside">{"".join(cells)}</div>')
    return f'<div class="mlc-tune-samples">{"".join(rows)}</div>'


def _answer(step: int, answer: str | None) -> str:
    said = t("tune.no_answer") if not answer else bounded(answer, MAX_ANSWER_CHARS)
    kind = "" if answer else " mlc-muted"
    return (
        f'<div class="mlc-tune-answer" data-step="{step}"><div class="mlc-label">{escape(_step_name(step))}</div>'
        f'<div class="mlc-tune-said{kind}">{escape(said)}</div></div>'
    )


def _step_name(step: int) -> str:
    return t("tune.step_n", n=step) if step else t("tune.before")


def draw_validation(job: JobSnapshot) -> None:
    """The rows kept for validation that the model of the last evaluation finds easiest and hardest."""
    kept = [sample for sample in job.samples if sample.kind in ("best", "worst")]
    if not kept:
        st.html(f'<div class="mlc-waiting">{escape(t(_why_none(job, "validation")))}</div>')
        return
    last = max(sample.step for sample in kept)
    st.caption(t("tune.validation_why", step=f"{last:,}"))
    head = [t(f"tune.column_{name}") for name in ("rank_of", "prompt", "reference", "answer", "row_loss")]
    rows = [_row(sample) for sample in kept if sample.step == last][:MAX_ROWS]
    st.html(table(head, rows, words=(1, 2, 3)))


def _row(sample: Sample) -> list[str]:
    texts = (sample.prompt, sample.reference or "", sample.answer)
    return [
        escape(t(f"tune.rank_{sample.kind}")),
        *(escape(bounded(text, MAX_PROMPT_CHARS)) for text in texts),
        "" if sample.score is None else f"{sample.score:.3f}",
    ]
