"""From Compare into a prompt set: the prompts of a comparison become rows."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.prompt_sets import MAX_NAME_CHARS, PromptRow, PromptSet, checked_set
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.ui.kit.actions import attempt, inform
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.i18n import t, tn

# A prompt, and the images that stand before it.
Asked = tuple[str, tuple[str, ...]]


def draw_add_to_set(snapshot: ComparisonSnapshot) -> None:
    """A choice of the set, and one button; the set that was changed last is chosen already."""
    if not snapshot.turns:
        return
    sets = PromptSets().list()
    names = {facts.id: facts.name for facts in sets}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox(
            t("measure.add_to_set"),
            [*names, ""],
            format_func=lambda one: names.get(one, t("measure.add_new_set")),
            key=f"compare_to_set_{snapshot.id}",
            help=t("measure.add_to_set_why"),
        )
        button(
            "measure.add_now",
            _add,
            snapshot,
            chosen or "",
            icon="playlist_add",
            key=f"compare_add_to_set_{snapshot.id}",
        )


def _add(snapshot: ComparisonSnapshot, set_id: str) -> None:
    asked = [(turn.prompt, tuple(image.url for image in snapshot.images_of(turn))) for turn in snapshot.turns]
    prompts = list(dict.fromkeys(asked))
    kept = attempt(lambda: _extended(prompts, set_id) if set_id else _new(snapshot, prompts))
    if kept is not None:
        inform(tn("measure.added", len(prompts), name=kept.name))


def _new(snapshot: ComparisonSnapshot, prompts: list[Asked]) -> PromptSet:
    rows = [
        {"id": str(number), "prompt": prompt, "images": images} for number, (prompt, images) in enumerate(prompts, 1)
    ]
    name = cut_line(snapshot.title, MAX_NAME_CHARS) or t("measure.add_new_set")
    return PromptSets().save(checked_set(name, name=name, rows=rows))


def _extended(prompts: list[Asked], set_id: str) -> PromptSet:
    sets = PromptSets()
    kept = sets.load(set_id)
    for prompt, images in prompts:
        kept = sets.add_row(set_id, PromptRow(id="0", prompt=prompt, images=images))
    return kept
