"""The tab on which a model writes training data: what is asked, who answers, and the start."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import streamlit as st

from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.training.data.distill import (
    DistillOptions,
    DistillPrompt,
    make_prompts,
    read_prompts,
)
from multi_llm_comparator.training.data.distillation import KIND, Distillation
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.kit.actions import perform, warn
from multi_llm_comparator.ui.kit.buttons import main_button, opener
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.plans.targets import known_targets, offered_targets
from multi_llm_comparator.ui.tune.sources import UPLOADS, keep_upload
from multi_llm_comparator.ui.tune.state import draft_revision, open_run, show_run
from multi_llm_comparator.workbench import get_workbench

ENDINGS = ("txt", "json", "jsonl", "csv", "tsv", "parquet")
MAX_PROMPTS_CHARS = 200_000
MAX_SYSTEM_CHARS = 8000
MAX_ANSWER_TOKENS, USUAL_TOKENS = 4096, 256
READING_S = 60.0


def draw_distillation() -> None:
    """Prompts on the left, who answers on the right, and what was written before."""
    st.caption(t("tune.write_why"))
    targets = known_targets()
    if not targets:
        st.info(t("welcome.no_models"), icon=":material/info:")
        return
    revision = draft_revision()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        text = st.text_area(
            t("tune.write_prompts"),
            key=f"tune_write_prompts_{revision}",
            height=210,
            max_chars=MAX_PROMPTS_CHARS,
            placeholder=t("tune.write_prompts_placeholder"),
        )
        uploaded = st.file_uploader(t("tune.write_file"), list(ENDINGS), key=f"tune_write_file_{revision}")
    with right:
        target, system, max_tokens = _draw_answerer(targets, revision)
        if main_button("tune.write_start", icon="edit_square", key="tune_write_start", width="stretch"):
            options = DistillOptions(
                target=target, system_prompt=system, parameters={"max_tokens": max_tokens, "temperature": 0.0}
            )
            _start(text, (uploaded.name, uploaded.getvalue()) if uploaded is not None else None, options)
    draw = partial(draw_recent, KIND, open_run, key="tune_written_runs")
    opener("tune.written", draw, icon="history", key="tune_written", type="tertiary")


def _draw_answerer(targets: Mapping[str, str], revision: int) -> tuple[str, str, int]:
    """Who answers, the system prompt, and the most tokens of an answer."""
    target = st.selectbox(
        t("tune.write_target"),
        offered_targets(),
        key=f"tune_write_target_{revision}",
        format_func=lambda one: targets[one],
        help=t("tune.write_target_why"),
    )
    system = st.text_area(
        t("tune.write_system"),
        key=f"tune_write_system_{revision}",
        height=90,
        max_chars=MAX_SYSTEM_CHARS,
        help=t("tune.write_system_why"),
    )
    tokens = st.number_input(
        t("param.max_tokens"), 1, MAX_ANSWER_TOKENS, USUAL_TOKENS, key=f"tune_write_tokens_{revision}"
    )
    return target, system.strip(), int(tokens)


def _start(text: str, file: tuple[str, bytes] | None, options: DistillOptions) -> None:
    """Begin, and turn to the run; why it was refused is said."""
    if not text.strip() and file is None:
        warn(t("composer.empty"))
        st.rerun()
    run = perform(_begun(text, file, options), timeout_s=READING_S)
    if run is not None:
        show_run(run.id)
    st.rerun()


async def _begun(text: str, file: tuple[str, bytes] | None, options: DistillOptions) -> Distillation:
    workbench = get_workbench()
    prompts = await asyncio.to_thread(prompts_of, text, file, workbench.settings.home / UPLOADS)
    return await workbench.distillations.start(prompts, options)


def prompts_of(text: str, file: tuple[str, bytes] | None, folder: Path) -> tuple[DistillPrompt, ...]:
    """The prompts of a text, one a line, and of a file; each once.

    Raises:
        DocumentError: there are none, too many, or the file cannot be read.
    """
    lines = [(Message("user", line.strip()),) for line in text.splitlines() if line.strip()]
    if file is None:
        return make_prompts(lines)
    read = read_prompts(keep_upload(*file, folder).value)
    return make_prompts([*lines, *(prompt.messages for prompt in read)])
