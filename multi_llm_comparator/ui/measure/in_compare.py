"""A prompt asked in Compare: a row of an evaluation once more, or one of a set before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from multi_llm_comparator.applications.reading.process import read_image
from multi_llm_comparator.comparison.limits import MAX_PANES
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.image_data import image_bytes
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.ui.compare.state import open_run as open_comparison
from multi_llm_comparator.ui.compare.state import pane_choices
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.workbench import get_workbench

# Images are read by a process of their own.
ASKING_S = 60.0
# Rows that are offered one by one; a larger set is looked through in its matrix.
MAX_OFFERED, SHOWN_CHARS = 500, 100


def ask_in_compare(panes: Sequence[Pane], prompt: str, images: Sequence[str] = (), run_id: str = "-") -> None:
    """Ask a prompt, with images as ``data:`` URLs, in panes of a new comparison, and turn to it."""
    comparison_id = perform(_asked(panes, prompt, images), run_id, timeout_s=ASKING_S)
    if comparison_id is not None:
        open_comparison(comparison_id)
        go_to("compare", run=comparison_id)


async def _asked(panes: Sequence[Pane], prompt: str, urls: Sequence[str]) -> str:
    images = [await read_image(str(number), image_bytes(url)) for number, url in enumerate(urls, 1)]
    comparison = await get_workbench().comparisons.create(panes)
    await comparison.send(prompt, images=images)
    return comparison.id


def draw_try_row(prompts: PromptSet, models: Sequence[str], config: ModelConfig) -> None:
    """A popover that asks one row of a set of the chosen models, in Compare."""
    known = pane_choices()
    targets = [target for target in models if target in known][:MAX_PANES]
    with st.popover(
        t("measure.try_row"), icon=":material/view_column:", type="tertiary", key="measure_try_row", on_change="rerun"
    ) as box:
        if not box.open:
            return
        number = st.selectbox(
            t("measure.column_prompt"),
            range(min(len(prompts.rows), MAX_OFFERED)),
            format_func=lambda n: cut_line(prompts.prompt_of(prompts.rows[n]), SHOWN_CHARS),
            key="measure_try_row_number",
        )
        if st.button(t("measure.in_compare"), key="measure_try_row_now", type="primary", disabled=not targets):
            row = prompts.rows[number or 0]
            asked = replace(config, system_prompt=prompts.system or config.system_prompt)
            ask_in_compare([Pane.new(target, asked) for target in targets], prompts.prompt_of(row), row.images)
