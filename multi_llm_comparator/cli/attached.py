"""Files that a command asks about: pictures and documents."""

from __future__ import annotations

from pathlib import Path

from multi_llm_comparator.applications.reading.bounds import MAX_FILE_BYTES
from multi_llm_comparator.applications.reading.process import read_document, read_image
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.image_data import MAX_IMAGE_BYTES
from multi_llm_comparator.core.reading import read_given
from multi_llm_comparator.core.stored_images import StoredImage


async def stored_image(path: Path) -> StoredImage:
    """A picture as it is kept with a run. Raises ConfigurationError, DocumentError: it cannot be read."""
    return await read_image(path.name, read_given(path, MAX_IMAGE_BYTES))


async def document(path: Path) -> tuple[str, str]:
    """The name and the text of a document. Raises ConfigurationError, DocumentError: it cannot be read, or has none."""
    read = await read_document(path.name, read_given(path, MAX_FILE_BYTES))
    if not read.text.strip():
        raise ConfigurationError(f"{str(path)!r} has no text that could be read")
    return path.name, read.text
