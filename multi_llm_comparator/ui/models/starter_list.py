"""A starter list: well-known small models by their names on the Hub, whether they fit, and one click to fetch one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

import streamlit as st

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.hub import HubChoice, HubListing
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform, show_notices
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.choices import type_name
from multi_llm_comparator.ui.kit.html_pieces import note_chip
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.models.downloads import LOOK_UP_TIMEOUT_S
from multi_llm_comparator.ui.models.fit import fit_chip
from multi_llm_comparator.workbench import get_workbench

_FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True, slots=True)
class Starter:
    """One model of the list. ``file`` is the GGUF file; "" means the checkpoint. Sizes are about right, not exact."""

    repo_id: str
    file: str
    parameters: int
    size_bytes: int
    licence: str
    model: ModelInfo
    good_for: str

    def choice_in(self, listing: HubListing) -> HubChoice:
        """What to fetch of what the repository offers.

        Raises:
            DownloadError: it does not offer that any more.
        """
        for choice in listing.choices:
            names = {PurePosixPath(file.name).name for file in choice.files}
            is_checkpoint = choice.kind is ModelType.PYTORCH and not choice.is_pickle
            if self.file in names or (not self.file and is_checkpoint):
                return choice
        raise DownloadError(
            f"{self.repo_id!r} does not offer {self.file or 'a safetensors checkpoint'} any more; "
            "look it up under Download and choose another file"
        )

    def place(self, models_dir: Path) -> Path:
        """Where it lies once it is here."""
        name = self.file or PurePosixPath(self.repo_id).name
        return models_dir / self.model.model_type.value / name


@cache
def starters() -> tuple[Starter, ...]:
    """The list, smallest download first."""
    found = [_read(entry) for entry in parse_yaml(_FILE.read_bytes())]
    return tuple(sorted(found, key=lambda starter: starter.size_bytes))


def _read(entry: dict[str, Any]) -> Starter:
    repo_id, file = entry["repo"], entry["file"]
    layers, heads, head_size, width, feed_forward, words = entry["shape"]
    kind = ModelType.GGUF if file else ModelType.PYTORCH
    size = entry["bytes"]
    known: dict[str, Any] = {
        "parameters": entry["parameters"],
        "context_length": entry["context"],
        "weight_bytes": size,
        # Keys and values in 16 bit.
        "kv_bytes_per_token": 2 * layers * heads * head_size * 2,
        "hidden_size": width,
        "feed_forward_size": feed_forward,
        "vocab_size": words,
        "dtype": "BF16",
        "stored_dtype": "BF16",
    }
    name = PurePosixPath(file).stem if file else PurePosixPath(repo_id).name
    model = ModelInfo(f"starter:{repo_id}", name, repo_id, kind, size, known)
    return Starter(repo_id, file, known["parameters"], size, entry["licence"], model, entry["good_for"])


def draw_starter_list() -> None:
    """The list behind a heading, with sizes that are said to be about right."""
    with st.expander(
        t("starter.title"), icon=":material/rocket_launch:", key="models_starters", on_change="rerun"
    ) as box:
        if not box.open:
            return
        st.caption(t("starter.why"))
        for number, starter in enumerate(starters()):
            _draw_row(starter, number)


def _draw_row(starter: Starter, number: int) -> None:
    workbench = get_workbench()
    with st.container(horizontal=True, vertical_alignment="center", key=f"models_starter_{number}", wrap=False):
        st.html(_row(starter), width="stretch")
        arriving = any(
            not download.progress.is_over and download.listing.repo_id == starter.repo_id
            for download in workbench.hub.downloads
        )
        if starter.place(workbench.settings.models_dir).exists():
            st.html(note_chip(t("starter.here"), "", STATE_TONES["done"]), width="content")
        elif arriving:
            st.html(note_chip(t("starter.arriving"), "", STATE_TONES["running"]), width="content")
        elif button("download.start", icon="download", key=f"models_starter_get_{number}"):
            _fetch(starter)


def _fetch(starter: Starter) -> None:
    """Ask the Hub for the file and begin; offline the reader is told so."""

    async def look_up_and_start() -> bool:
        hub = get_workbench().hub
        listing = await hub.look_up(starter.repo_id)
        hub.start(listing, starter.choice_in(listing))
        return True

    with st.spinner(t("download.asking")):
        started = perform(look_up_and_start(), timeout_s=LOOK_UP_TIMEOUT_S)
    if started:
        st.rerun()
    show_notices()


def _row(starter: Starter) -> str:
    facts = (
        type_name(starter.model.model_type),
        t("starter.parameters", n=say.parameters(starter.parameters)),
        t("starter.size", size=say.size(starter.size_bytes)),
        starter.licence,
    )
    return (
        f'<div class="mlc-run"><span><b>{escape(starter.model.name)}</b> {fit_chip(starter.model)}</span>'
        f"<span>{escape(t(f'starter.{starter.good_for}'))}</span>"
        f'<span class="mlc-muted">{escape(" · ".join(facts))} · {escape(starter.repo_id)}</span></div>'
    )
