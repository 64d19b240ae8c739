"""A distillation as one watches and reviews it: answers are data once it is decided to use them, each or all."""

from __future__ import annotations

from functools import partial
from html import escape

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.training.data.distill import DistilledAnswer, DistillPrompt, Review, write_training_file
from multi_llm_comparator.training.data.distillation import Distillation, DistillationSnapshot
from multi_llm_comparator.ui.history.rows import state_of_run
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, inform, perform, show_notices
from multi_llm_comparator.ui.kit.buttons import button, main_button, quiet_button
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import figure, model_label, problem
from multi_llm_comparator.ui.kit.i18n import t, tm, tn
from multi_llm_comparator.ui.plans.targets import name_of
from multi_llm_comparator.ui.tune.sources import Source
from multi_llm_comparator.ui.tune.state import change_draft, current_draft, leave_run, set_draft
from multi_llm_comparator.workbench import get_workbench

POLL_S = 1.0
PAGE = 8
MAX_EDIT_CHARS = 20_000
MAX_TITLE_CHARS = 120
SHOWN = ("all", "open", "kept", "taken", "rejected", "failed")
WRITTEN = "written"

_VERDICTS: tuple[tuple[Review, str], ...] = (("kept", "check"), ("rejected", "close"))


def draw_review_heading(run: DistillationSnapshot) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="tune_heading"):
        st.title(plain(cut_line(run.title, MAX_TITLE_CHARS)), anchor=False, width="stretch")
        if run.state in ("queued", "running"):
            button("act.stop", _stop, run.id, icon="stop_circle", key="tune_write_stop")
        elif run.done < len(run.prompts):
            button(
                "tune.resume", _resume, run.id, icon="resume", key="tune_write_resume", help=t("tune.write_resume_why")
            )
        quiet_button("run.new", leave_run, icon="add_comment", key="tune_new")


def draw_review(run: DistillationSnapshot) -> None:
    """How far it is, the answers, and the button that makes data of them."""
    seen = (run.state, run.done, run.failed)

    @st.fragment(run_every=POLL_S if run.state in ("queued", "running") else None)
    def live() -> None:
        show_notices()
        latest = taken(run.id)
        if latest is None or (latest.state, latest.done, latest.failed) != seen:
            st.rerun()
        st.html(_status(latest))

    live()
    if run.error:
        st.html(problem(t("tune.write_failed"), run.error))
    _draw_use(run)
    _draw_answers(run)


def taken(run_id: str) -> DistillationSnapshot | None:
    """A distillation as it is now; None if there is none, which the reader has been told."""
    run = perform(get_workbench().distillations.get(run_id), run_id)
    return None if run is None else run.snapshot()


def _status(run: DistillationSnapshot) -> str:
    reviewed, taken_unread, undecided = run.reviewed("kept", "rejected"), run.reviewed("taken"), run.reviewed("open")
    target = run.options.target
    chips = f"{state_of_run(run.state)}{model_label(name_of(target), tone_of(target))}"
    pieces = [
        figure(f"{run.done:,} / {len(run.prompts):,}", t("tune.write_answered"), t("tune.write_answered_why")),
        figure(say.count(run.failed), t("tune.write_unanswered"), t("tune.write_unanswered_why")),
        figure(say.count(reviewed), t("tune.write_reviewed"), t("tune.write_reviewed_why")),
        figure(
            say.count(run.used),
            t("tune.write_used"),
            t("tune.write_used_why"),
            note=t("tune.write_unread_n", n=say.count(taken_unread)) if taken_unread else None,
            warns=True,
        ),
        figure(
            say.count(run.done - run.used),
            t("tune.write_left_out"),
            t("tune.write_left_out_why"),
            note=t("tune.write_undecided_n", n=say.count(undecided)) if undecided else None,
        ),
    ]
    return f'<div class="mlc-plan-status">{chips}</div><div class="mlc-strip">{"".join(pieces)}</div>'


def _draw_use(run: DistillationSnapshot) -> None:
    """What is decided for all answers at once, each with how many these are."""
    with st.container(horizontal=True, vertical_alignment="center", key="tune_write_use"):
        main_button(
            "tune.write_use",
            _use,
            run.id,
            icon="model_training",
            key="tune_write_use_button",
            values={"n": run.used},
            why=True,
            disabled=not run.used,
        )
        for name, count, icon in (
            ("take_unread", run.can_be_taken, "done_all"),
            ("leave_unread", run.reviewed("taken"), "undo"),
        ):
            if count:
                values, key = {"n": count}, f"tune_write_{name}"
                button(f"tune.write_{name}", _decide, run.id, name, icon=icon, key=key, values=values, why=True)


def _decide(run_id: str, name: str) -> None:
    async def work() -> None:
        run = await get_workbench().distillations.get(run_id)
        await (run.take_unread() if name == "take_unread" else run.leave_unread())

    perform(work(), run_id)


def _use(run_id: str) -> None:
    """Write the file, and set up a tuning with it."""
    run = taken(run_id)
    if run is None:
        return
    place = get_workbench().settings.home / WRITTEN / f"{run.id}.jsonl"
    place.parent.mkdir(parents=True, exist_ok=True)
    count = attempt(lambda: write_training_file(place, run.pairs), run_id)
    if count:
        leave_run()
        change_draft(source=Source("path", str(place), place.name))
        set_draft(current_draft())
        inform(tn("tune.write_done", count))


def _draw_answers(run: DistillationSnapshot) -> None:
    shown = st.segmented_control(
        t("tune.write_show"),
        SHOWN,
        default="all",
        required=True,
        format_func=lambda one: t(f"tune.write_show_{one}"),
        key=f"tune_write_show_{run.id}",
        label_visibility="collapsed",
    )
    listed = [prompt for prompt in run.prompts if _is_shown(run.answers[prompt.key], shown)]
    pages = max(1, -(-len(listed) // PAGE))
    page = 1
    if pages > 1:
        key = f"tune_write_page_{run.id}_{shown}"
        page = int(st.number_input(tm("tune.write_page", n=pages), 1, pages, 1, key=key))
    for prompt in listed[(page - 1) * PAGE : page * PAGE]:
        _draw_answer(run.id, prompt, run.answers[prompt.key])
    if not listed:
        st.html(f'<div class="mlc-waiting">{escape(t("tune.write_none"))}</div>')


def _is_shown(answer: DistilledAnswer, shown: str | None) -> bool:
    if shown == "failed":
        return answer.state == "failed" or answer.is_cut
    return shown in (None, "all") or (answer.state == "done" and answer.review == shown)


def _draw_answer(run_id: str, prompt: DistillPrompt, answer: DistilledAnswer) -> None:
    with st.container(border=True, key=f"tune_written_{prompt.key}"):
        asked = "\n".join(message.content for message in prompt.messages)
        st.html(f'<div class="mlc-tune-asked">{escape(asked[:MAX_EDIT_CHARS])}</div>')
        if answer.state == "failed":
            st.html(problem(t("tune.write_no_answer"), answer.error))
            return
        if answer.state != "done":
            st.html(f'<div class="mlc-waiting">{escape(t("tune.write_waits"))}</div>')
            return
        key = f"tune_edit_{run_id}_{prompt.key}"
        st.text_area(
            t("tune.write_answer"),
            answer.final[:MAX_EDIT_CHARS],
            key=key,
            height="content",
            max_chars=MAX_EDIT_CHARS,
            label_visibility="collapsed",
            on_change=_edited,
            args=(run_id, prompt.key, key),
        )
        if answer.is_cut:
            st.caption(t("tune.write_cut"))
        if answer.review == "taken":
            st.caption(t("tune.write_taken_unread"))
        _draw_verdict(run_id, prompt.key, answer)


def _draw_verdict(run_id: str, key: str, answer: DistilledAnswer) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        for review, icon in _VERDICTS:
            is_given = answer.review == review
            button(
                f"tune.write_{review}_it",
                partial(_review, run_id, key, "open" if is_given else review),
                icon=icon,
                key=f"tune_{review}_{run_id}_{key}",
                type="primary" if is_given else "secondary",
            )


def _edited(run_id: str, key: str, widget: str) -> None:
    _review(run_id, key, "kept", str(st.session_state[widget]))


def _review(run_id: str, key: str, review: Review, edited: str | None = None) -> None:
    async def work() -> None:
        await (await get_workbench().distillations.get(run_id)).review(key, review, edited)

    perform(work(), run_id)


def _stop(run_id: str) -> None:
    perform(get_workbench().runs.stop(run_id), run_id)


def _resume(run_id: str) -> None:
    perform(get_workbench().runs.resume(run_id, Distillation), run_id)
