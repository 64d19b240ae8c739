"""Pictures that a command asks about."""

from __future__ import annotations

from pathlib import Path

from multi_llm_comparator.applications.reading.process import read_image
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.image_data import MAX_IMAGE_BYTES
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.stored_images import StoredImage


async def stored_image(path: Path) -> StoredImage:
    """A picture as it is kept with a run. Raises ConfigurationError, DocumentError: it cannot be read."""
    try:
        data = read_bytes(path.expanduser(), MAX_IMAGE_BYTES)
    except OSError as exc:
        raise ConfigurationError(f"the image {str(path)!r} cannot be read: {exc.strerror or exc}") from exc
    return await read_image(path.name, data)
