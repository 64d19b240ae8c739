"""Images that go into a prompt: decoded, made smaller and written anew, in the child process.

Written anew they are without what cameras put beside the picture, such as the place where it was taken.
"""

from __future__ import annotations

import base64
import io
from typing import Any

from multi_llm_comparator.core.exceptions import DocumentError, RequestRefusedError
from multi_llm_comparator.core.image_data import data_url, digest_of
from multi_llm_comparator.core.pictures import pictures_of
from multi_llm_comparator.core.stored_images import MAX_KEPT_BYTES, MAX_KEPT_SIDE, THUMBNAIL_SIDE, StoredImage

# Drawings and screenshots stay small as PNG, and sharp; photographs do not.
_MAX_PNG_BYTES = 1_000_000
_QUALITIES = (92, 80, 60)


def prepared_image(name: str, data: bytes) -> StoredImage:
    """An image as it is kept and asked with.

    Raises:
        DocumentError: it is damaged, too large or of an unknown format.
    """
    try:
        (picture,) = pictures_of([data_url(data)])
    except RequestRefusedError as exc:
        raise DocumentError(f"{name!r}: {exc}") from exc
    image = picture.image
    image.thumbnail((MAX_KEPT_SIDE, MAX_KEPT_SIDE))
    kept = _written(image)
    if len(kept) > MAX_KEPT_BYTES:
        raise DocumentError(f"{name!r} is too large even when it is made smaller; give a simpler image")
    small = image.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    thumbnail = "data:image/jpeg;base64," + base64.b64encode(_saved(small, "JPEG", quality=80)).decode()
    return StoredImage(digest_of(kept), name, data_url(kept), thumbnail, image.width, image.height)


def _written(image: Any) -> bytes:
    png = _saved(image, "PNG", optimize=True)
    if len(png) <= _MAX_PNG_BYTES:
        return png
    jpegs = (_saved(image, "JPEG", quality=quality) for quality in _QUALITIES)
    return next((jpeg for jpeg in jpegs if len(jpeg) <= MAX_KEPT_BYTES), png)


def _saved(image: Any, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()
