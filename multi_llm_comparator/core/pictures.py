"""The images of a request, decoded: strangers' files, opened only in a model's own process."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.exceptions import RequestRefusedError
from multi_llm_comparator.core.image_data import FORMATS, MAX_IMAGES, MAX_IMAGES_BYTES, digest_of, image_bytes

# A note on a model whose vision part cannot be used.
NOT_SEEING = "It sees no images here, and answers from the text alone. Why: {}."
NO_SIGHT = "this model does not see images: ask in text alone, or ask a model that sees"
# A photograph of a good telephone has 12 to 50 million; what claims more is a bomb more often than a picture.
MAX_PIXELS = 50_000_000
MAX_ALL_PIXELS = 100_000_000
# No model looks at more, and its own code makes it smaller still.
MAX_SIDE = 4096
# A strip of one row would become a thousand tiles.
MAX_RATIO = 100


@dataclass(frozen=True)
class Picture:
    """An image in RGB, upright; ``digest`` tells it from others."""

    image: Any  # PIL.Image.Image
    digest: str


def pictures_of(urls: Sequence[str]) -> list[Picture]:
    """Decode a request's images.

    Raises:
        RequestRefusedError: there are too many, or one is too large, damaged or of an unknown format.
    """
    if len(urls) > MAX_IMAGES:
        raise RequestRefusedError(f"the request has {len(urls)} images; at most {MAX_IMAGES} are taken")
    found = [image_bytes(url) for url in urls]
    if (size := sum(map(len, found))) > MAX_IMAGES_BYTES:
        raise RequestRefusedError(
            f"the request's images have {size / 2**20:.1f} MiB together; at most {MAX_IMAGES_BYTES >> 20} are taken"
        )
    left, made = MAX_ALL_PIXELS, []
    for number, data in enumerate(found, start=1):
        image = _opened(data, number)
        left -= image.width * image.height
        if left < 0:
            raise RequestRefusedError(f"the request's images have more than {MAX_ALL_PIXELS:,} pixels together")
        made.append(Picture(_decoded(image, number), digest_of(data)))
    return made


def _opened(data: bytes, number: int) -> Any:
    """An image of which only the header is read."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as exc:
        raise RequestRefusedError(f"image {number} has far too many pixels; at most {MAX_PIXELS:,} are taken") from exc
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as exc:
        raise RequestRefusedError(
            f"image {number} cannot be read ({type(exc).__name__}): give a PNG, JPEG, WebP or GIF file"
        ) from exc
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise RequestRefusedError(f"image {number} has {width} x {height} pixels; at most {MAX_PIXELS:,} are taken")
    if not width or not height or max(width, height) > MAX_RATIO * min(width, height):
        raise RequestRefusedError(
            f"image {number} has {width} x {height} pixels; one side may be {MAX_RATIO} times the other at most"
        )
    return image


def _decoded(image: Any, number: int) -> Any:
    """The first frame in RGB, turned as it was taken, what is transparent in white."""
    from PIL import Image, ImageOps

    try:
        # A JPEG is decoded at half its size and less where that is enough.
        image.draft("RGB", (MAX_SIDE, MAX_SIDE))
        image.load()
        image = ImageOps.exif_transpose(image)
        image.thumbnail((MAX_SIDE, MAX_SIDE))
        if "A" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            ground = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(ground, image)
        return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as exc:
        raise RequestRefusedError(f"image {number} is damaged ({type(exc).__name__}); save it anew") from exc
