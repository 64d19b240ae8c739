"""Images that a session of votes is about: chosen beside one's own prompts, and shown above them."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.comparison.limits import MAX_RUN_IMAGES, MAX_UPLOAD_BYTES
from multi_llm_comparator.core.image_data import image_bytes
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.ui.kit.actions import warn
from multi_llm_comparator.ui.kit.html_pieces import thumbnail
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.taking_files import IMAGE_TYPES, draw_taken, draw_upload, read_picture

_CHOSEN = "vote_images"
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
    draw_upload("vote.images", IMAGE_TYPES, MAX_UPLOAD_BYTES, _take, key=_CHOSEN, several=True, why="vote.images_why")
    if not chosen_images():
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="vote_images_chosen"):
        draw_taken([(thumbnail(image), image.name) for image in chosen_images()], _take_away, key="vote_image")


def _take(name: str, data: bytes) -> None:
    if len(chosen_images()) >= MAX_RUN_IMAGES:
        warn(t("vote.too_many_images", n=MAX_RUN_IMAGES))
        return
    image = read_picture(name, data)
    if image is not None and image.digest not in {other.digest for other in chosen_images()}:
        choose_images((*chosen_images(), image))


def _take_away(position: int) -> None:
    choose_images(tuple(image for place, image in enumerate(chosen_images()) if place != position))


def draw_asked(images: tuple[StoredImage, ...]) -> None:
    """Above a prompt. The page gets an address, not the picture itself: an open turn is drawn every few seconds."""
    for image in images:
        st.image(image_bytes(image.url), width=max(1, min(image.width, SHOWN_PX * image.width // max(1, image.height))))
