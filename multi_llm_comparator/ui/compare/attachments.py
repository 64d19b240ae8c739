"""Documents and images that go into the next prompt, and how much of each pane's context they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import streamlit as st

from multi_llm_comparator.applications.reading.process import read_document
from multi_llm_comparator.comparison.attached import with_documents
from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.context_room import Room, room_for
from multi_llm_comparator.comparison.limits import MAX_PROMPT_CHARS, MAX_UPLOAD_BYTES
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.ui.compare.state import draft_panes, pane_choices, save_draft
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform, warn
from multi_llm_comparator.ui.kit.buttons import opener, quiet_button
from multi_llm_comparator.ui.kit.choices import sees_images
from multi_llm_comparator.ui.kit.html_pieces import letter, note_chip, thumbnail
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.kit.taking_files import (
    IMAGE_TYPES,
    READING_TIMEOUT_S,
    draw_taken,
    draw_upload,
    read_picture,
)

MAX_ATTACHED = 8
TYPES = ("txt", "md", "pdf", "docx", "html", "csv", "xlsx", "json", "py", "log", "xml", "yaml", *IMAGE_TYPES)
# Of prompt and answer together, rounded up to this.
_CONTEXT_STEP = 1024
_ATTACHED = "compare_attached"


@dataclass(frozen=True)
class Attachment:
    """A document that was read, or an image. ``pages`` is None where the format has none."""

    name: str
    text: str = ""
    words: int = 0
    pages: int | None = None
    image: StoredImage | None = None


def attached() -> list[Attachment]:
    known: list[Attachment] = st.session_state.get(_ATTACHED, [])
    return known


def with_attachments(prompt: str, attachments: Sequence[Attachment]) -> str:
    """The prompt, and each document behind it in a fence that it cannot leave."""
    return with_documents(prompt, [(one.name, one.text) for one in attachments if one.image is None])


def attached_images() -> tuple[StoredImage, ...]:
    """The images among what is attached, each once."""
    return tuple(dict.fromkeys(one.image for one in attached() if one.image is not None))


def forget_attachments() -> None:
    """They were sent."""
    st.session_state.pop(_ATTACHED, None)


def draw_attach_button() -> None:
    """Beside the prompt box; what is chosen is read at once, in a process of its own."""
    opener("attach.title", _draw_choice, icon="attach_file", key="icon_compare_attach", type="tertiary")


def _draw_choice() -> None:
    draw_upload("attach.choose", TYPES, MAX_UPLOAD_BYTES, _attach, key="compare_attach", several=True, why="attach.why")


def _attach(name: str, data: bytes) -> None:
    if len(attached()) >= MAX_ATTACHED:
        warn(t("attach.too_many", n=MAX_ATTACHED))
        return
    if name.rpartition(".")[2].lower() in IMAGE_TYPES:
        if (image := read_picture(name, data)) is not None:
            st.session_state[_ATTACHED] = [*attached(), Attachment(name, image=image)]
        return
    read = perform(read_document(name, data), timeout_s=READING_TIMEOUT_S)
    if read is None:
        return
    if not read.text.strip():
        warn(t("attach.empty", name=name))
        return
    if len(read.text) + sum(len(one.text) for one in attached()) > MAX_PROMPT_CHARS:
        warn(t("attach.too_long", name=name, limit=say.count(MAX_PROMPT_CHARS)))
        return
    st.session_state[_ATTACHED] = [*attached(), Attachment(name, read.text, read.words, read.pages)]


def draw_attached(comparison: Comparison | None) -> None:
    """Above the prompt box: what is attached, each to be taken away, and what of each context it takes."""
    if not attached():
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="compare_attached_row"):
        draw_taken([(_chip(one), one.name) for one in attached()], _detach, key="attached")
        _draw_meter(comparison)
        if attached_images() and (blind := blind_panes()):
            letters = ", ".join(map(letter, blind))
            st.html(note_chip(t("images.blind", letters=letters), t("images.blind_why"), STATE_TONES["loading"]))


def blind_panes() -> list[int]:
    """The places of the panes whose models do not see images."""
    choices = pane_choices()
    return [i for i, pane in enumerate(draft_panes()) if not sees_images(choices.get(pane.target))]


def _chip(one: Attachment) -> str:
    if one.image is not None:
        size = f"{one.image.width} × {one.image.height}"
        picture = thumbnail(one.image)
    else:
        size = tn("attach.words", one.words) + (f", {tn('attach.pages', one.pages)}" if one.pages else "")
        picture = ""
    return f'<span class="mlc-attached">{picture}{escape(one.name)} <i>{escape(size)}</i></span>'


def _detach(position: int) -> None:
    st.session_state[_ATTACHED] = [one for at, one in enumerate(attached()) if at != position]


def _draw_meter(comparison: Comparison | None) -> None:
    prompt = with_attachments("", attached())
    snapshot = comparison.snapshot() if comparison is not None else None
    blind, n_images = blind_panes(), len(attached_images())
    rooms = [
        room_for(prompt, pane, snapshot, n_images=0 if i in blind else n_images) for i, pane in enumerate(draft_panes())
    ]
    st.html(f'<div class="mlc-rooms">{"".join(_meter(i, room) for i, room in enumerate(rooms))}</div>', width="content")
    if any(room.is_cut for room in rooms):
        quiet_button("attach.make_room", _make_room, rooms, icon="open_in_full", key="compare_make_room", why=True)


def _meter(index: int, room: Room) -> str:
    """How full a context would be; in words too, for colour is not for everybody."""
    part = min(1.0, room.taken / room.context)
    words = t("attach.room", taken=say.count(room.taken), context=say.count(room.context))
    state = "full" if not room.fits else "tight" if room.is_cut else "fits"
    why = t(f"attach.{state}_why") + ("" if room.is_measured else " " + t("attach.estimate_why"))
    return (
        f'<span class="mlc-room-{state}" title="{escape(why)}" tabindex="0"><b>{letter(index)}</b> {escape(words)}: '
        f'{escape(t(f"attach.{state}"))}<i style="width:{100 * part:.0f}%"></i></span>'
    )


def _make_room(rooms: Sequence[Room]) -> None:
    """As much context as prompt and answer need, as far as each model can have it."""
    choices, panes = pane_choices(), []
    for pane, room in zip(draft_panes(), rooms, strict=True):
        wanted = -(-(room.taken + room.answer) // _CONTEXT_STEP) * _CONTEXT_STEP
        choice = choices.get(pane.target)
        trained = (choice.model.config.get("context_length") if choice and choice.model else None) or wanted
        n_ctx = max(pane.config.n_ctx, min(wanted, trained))
        panes.append(
            replace(pane, config=replace(pane.config, n_ctx=n_ctx), by_hand=(pane.by_hand or frozenset()) | {"n_ctx"})
        )
    save_draft(panes)
