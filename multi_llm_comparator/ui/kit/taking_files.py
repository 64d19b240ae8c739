"""Files that a reader gives to a page: taken as they come, shown as a row, each to be taken away again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import streamlit as st

from multi_llm_comparator.applications.reading.process import read_image
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.i18n import t

READING_TIMEOUT_S = 240.0
IMAGE_TYPES = ("png", "jpg", "jpeg", "webp", "gif")


def draw_upload(
    words: str,
    types: Collection[str],
    max_bytes: int,
    take: Callable[[str, bytes], object],
    *,
    key: str,
    several: bool = False,
    why: str = "",
) -> None:
    """A place for a file. ``take`` gets its name and content at once, and the place is empty again.

    ``words`` and ``why`` are the keys of the label and the tooltip in the locales.
    """
    counter = f"{key}_uploads"
    number = st.session_state.get(counter, 0)
    given = st.file_uploader(
        t(words),
        type=list(types),
        accept_multiple_files=several,
        # A new widget is empty: what was taken is not taken again.
        key=f"{key}_{number}",
        max_upload_size=max_bytes >> 20,
        help=t(why) if why else None,
    )
    if not given:
        return
    st.session_state[counter] = number + 1
    with st.spinner(t("attach.reading")):
        for file in given if isinstance(given, list) else [given]:
            take(file.name, file.getvalue())
    st.rerun()


def draw_taken(pieces: Iterable[tuple[str, str]], take_away: Callable[[int], None], *, key: str) -> None:
    """What was taken, as HTML and a name each, with a button that takes it away by its place."""
    for position, (html, name) in enumerate(pieces):
        st.html(html, width="content")
        quiet_button(
            "attach.remove", take_away, position, icon="close", key=f"icon_{key}_{position}", values={"name": name}
        )


def read_picture(name: str, data: bytes) -> StoredImage | None:
    """An image, read in a process of its own; None where that was refused, which the reader is told."""
    return perform(read_image(name, data), timeout_s=READING_TIMEOUT_S)
