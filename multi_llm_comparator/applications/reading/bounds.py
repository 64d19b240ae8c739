"""How much of a document is read, and what its process may take."""

from __future__ import annotations

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.readable import size

MAX_FILE_BYTES = 64 * 2**20
# Of the documents of all runs together, as they were given.
MAX_KEPT_BYTES = 4 * 2**30
# Of the text that a model is asked about. 300 dense pages have about one million characters.
MAX_TEXT_CHARS = 4_000_000
MAX_PIECE_CHARS = 20_000
MAX_PIECES = 50_000
MAX_PAGES = 3_000
# Rows that become text for a model; all rows are computed with.
MAX_TEXT_ROWS = 2_000
MAX_DATA_ROWS = 3_000_000
MAX_CELLS = 30_000_000
MAX_SHEETS = 50
MAX_CELL_CHARS = 2_000
# Office files are archives, and say themselves how large they become.
MAX_UNPACKED_BYTES = 512 * 2**20
MAX_MEMBERS = 5_000
MAX_RATIO = 300

# What the process that reads may take: computing time, waiting time, and memory of its own.
MAX_CPU_S = 180
MAX_WALL_S = 900.0
MAX_MEMORY_BYTES = 2 * 2**30
# So many documents are read at once; others wait.
MAX_READERS = 2
# Of what it sends back.
MAX_LINE_BYTES = 96 * 2**20


def too_large(name: str, size_bytes: int) -> DocumentError:
    """The refusal of a document that has more than ``MAX_FILE_BYTES``."""
    what = repr(name) if name else "the document"
    return DocumentError(f"{what} has {size(size_bytes)}; at most {size(MAX_FILE_BYTES)} are read: split it")


def too_much_memory(name: str) -> str:
    """What is said of a document whose process was stopped at ``MAX_MEMORY_BYTES``."""
    return f"{name!r} takes more than {size(MAX_MEMORY_BYTES)} of memory to be read; split it"
