"""An image as runs keep it: small enough for pages and stores, and named by its contents."""

from __future__ import annotations

import re
from dataclasses import dataclass

from multi_llm_comparator.core.exceptions import DocumentError, RequestRefusedError
from multi_llm_comparator.core.image_data import digest_of, image_bytes, media_type

# What is kept of an image is no longer than this on its longer side, in pixels; few models look at more at once.
MAX_KEPT_SIDE = 1536
MAX_KEPT_BYTES = 3 * 2**20
THUMBNAIL_SIDE = 256
MAX_THUMBNAIL_CHARS = 128 * 1024
# The two kinds that are written here. An SVG, for one, could hold more than a picture.
_THUMBNAIL = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True)
class StoredImage:
    """``url`` and ``thumbnail`` are ``data:`` URLs, ``digest`` the SHA-256 of what ``url`` holds."""

    digest: str
    name: str
    url: str
    thumbnail: str
    width: int
    height: int

    def check(self) -> StoredImage:
        """The same image, if it is what it says; to be asked of what comes from a file.

        Raises:
            DocumentError: it is not.
        """
        try:
            data = image_bytes(self.url)
        except RequestRefusedError as exc:
            raise DocumentError(f"the image {self.name[:80]!r} cannot be used: {exc}") from exc
        if len(data) > MAX_KEPT_BYTES or media_type(data) is None:
            raise DocumentError(f"the image {self.name[:80]!r} is too large, or no PNG, JPEG, WebP or GIF file")
        if digest_of(data) != self.digest:
            raise DocumentError(f"the image {self.name[:80]!r} was changed since it was written")
        if len(self.thumbnail) > MAX_THUMBNAIL_CHARS or not _THUMBNAIL.fullmatch(self.thumbnail):
            raise DocumentError(f"the small form of the image {self.name[:80]!r} is none that is written here")
        return self
