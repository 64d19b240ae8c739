"""Images as they travel: ``data:`` URLs, and what an image's first bytes say of it. Nothing is decoded here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from multi_llm_comparator.core.exceptions import RequestRefusedError

MAX_IMAGES = 16  # of one request
MAX_IMAGE_BYTES = 8 * 2**20
# Of all images of a request together, so that it fits into one line to a model's process.
MAX_IMAGES_BYTES = 16 * 2**20
_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,")
_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")  # as Pillow calls them


def media_type(data: bytes) -> str | None:
    """What an image's first bytes say that it is; None for none that is read here."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for beginning, kind in _BEGINNINGS.items() if data.startswith(beginning)), None)


def image_bytes(url: str) -> bytes:
    """The image that a ``data:`` URL holds.

    Raises:
        RequestRefusedError: it is another kind of address (nothing is fetched), damaged, or too large.
    """
    found = _DATA_URL.match(url)
    if found is None:
        raise RequestRefusedError(
            f"an image must come with the request, as a data: URL in base64, not as {url[:60]!r}: local models fetch "
            "nothing from elsewhere"
        )
    if (len(url) - found.end()) * 3 // 4 > MAX_IMAGE_BYTES:
        raise RequestRefusedError(f"an image may have {MAX_IMAGE_BYTES >> 20} MiB; send a smaller one")
    try:
        return base64.b64decode(url[found.end() :], validate=True)
    except (binascii.Error, ValueError) as exc:
        raise RequestRefusedError(f"an image is no valid base64 ({exc}); encode it again") from exc


def data_url(data: bytes) -> str:
    """An image as an address that holds it.

    Raises:
        RequestRefusedError: it is no image of a known format.
    """
    kind = media_type(data)
    if kind is None:
        raise RequestRefusedError("the file is no image that is read here: give a PNG, JPEG, WebP or GIF file")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def digest_of(data: bytes) -> str:
    """What tells an image from others: the SHA-256 of its bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
