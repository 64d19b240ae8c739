"""Images that a session of votes is about: chosen beside one's own prompts, and shown above them."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.applications.reading.process import read_image
from multi_llm_comparator.comparison.limits import MAX_RUN_IMAGES, MAX_UPLOAD_BYTES
from multi_llm_comparator.core.image_data import image_bytes
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.ui.compare.attachments import IMAGE_TYPES, READING_TIMEOUT_S
from multi_llm_comparator.ui.kit.actions import perform, warn
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.html_pieces import thumbnail
from multi_llm_comparator.ui.kit.i18n import t

_CHOSEN, _UPLOADS = "vote_images", "vote_images_uploads"
# As high as leaves room for the answers beneath.
SHOWN_PX = 420


def chosen_images() -> tuple[StoredImage, ...]:
    """Those of the session that is being set up, each once."""
    known: tuple[StoredImage, ...] = st.session_state.get(_CHOSEN, ())
    return known


def choose_images(images: tuple[StoredImage, ...]) -> None:
    st.session_state[_CHOSEN] = images


def draw_choice() -> None:
    """Beside one's own prompts: files to choose, and those that are chosen, each to be taken away."""
    number = st.session_state.get(_UPLOADS, 0)
    uploads = st.file_uploader(
        t("vote.images"),
        type=list(IMAGE_TYPES),
        accept_multiple_files=True,
        key=f"vote_images_{number}",
        max_upload_size=MAX_UPLOAD_BYTES >> 20,
        help=t("vote.images_why"),
    )
    if uploads:
        # A new widget is empty: what was read is not read again.
        st.session_state[_UPLOADS] = number + 1
        with st.spinner(t("attach.reading")):
            for upload in uploads:
                _take(upload.name, upload.getvalue())
        st.rerun()
    if not chosen_images():
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="vote_images_chosen"):
        for position, image in enumerate(chosen_images()):
            st.html(thumbnail(image), width="content")
            quiet_button(
                "attach.remove",
                choose_images,
                tuple(other for other in chosen_images() if other is not image),
                icon="close",
                key=f"icon_vote_image_{position}",
                values={"name": image.name},
            )


def _take(name: str, data: bytes) -> None:
    if len(chosen_images()) >= MAX_RUN_IMAGES:
        warn(t("vote.too_many_images", n=MAX_RUN_IMAGES))
        return
    image = perform(read_image(name, data), timeout_s=READING_TIMEOUT_S)
    if image is not None and image.digest not in {other.digest for other in chosen_images()}:
        choose_images((*chosen_images(), image))


def draw_asked(images: tuple[StoredImage, ...]) -> None:
    """Above a prompt. The page gets an address, not the picture itself: an open turn is drawn every few seconds."""
    for image in images:
        st.image(image_bytes(image.url), width=max(1, min(image.width, SHOWN_PX * image.width // max(1, image.height))))
