"""Examples in a file of JSON lines: what stays of a data set after cleaning, however much it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.training.data.chats import Example, from_dict, to_dict


class ExampleFile:
    """The examples of a file, read anew each time. With ``lines`` only those of these numbers, counted from 0.

    ``len`` is how many they are.
    """

    def __init__(self, path: Path, size: int, lines: frozenset[int] | None = None) -> None:
        self.path, self._size, self.lines = path, size, lines

    def __len__(self) -> int:
        return self._size if self.lines is None else len(self.lines)

    def __iter__(self) -> Iterator[Example]:
        """Raises DocumentError: the file is gone or was changed."""
        try:
            with self.path.open(encoding="utf-8") as file:
                for number, line in enumerate(file):
                    if self.lines is None or number in self.lines:
                        yield from_dict(json.loads(line))
        except (OSError, ValueError, KeyError) as exc:
            raise DocumentError(f"{str(self.path)!r} cannot be read any more ({exc}); clean the data again") from exc

    def only(self, lines: Iterable[int]) -> ExampleFile:
        """Those of these numbers, counted from 0."""
        return ExampleFile(self.path, self._size, frozenset(lines))


def write_line(example: Example) -> str:
    """One line of such a file."""
    return json.dumps(to_dict(example), ensure_ascii=False, separators=(",", ":")) + "\n"
