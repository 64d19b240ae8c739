"""Examples in a file of JSON lines: what stays of a data set after cleaning, however much it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.training.data.chats import Example, from_dict, to_dict


class ExampleFile:
    """The examples of a file, read anew each time.

    Args:
        path: the file.
        size: how many lines it has.
        lines: the numbers of some of them, counted from 0.
        are_left_out: all but these lines are meant, not these.
    """

    def __init__(
        self, path: Path, size: int, lines: frozenset[int] = frozenset(), *, are_left_out: bool = True
    ) -> None:
        self.path, self._size, self._lines, self._are_left_out = path, size, lines, are_left_out

    def __len__(self) -> int:
        return self._size - len(self._lines) if self._are_left_out else len(self._lines)

    def __iter__(self) -> Iterator[Example]:
        """Raises DocumentError: the file is gone or was changed."""
        try:
            with self.path.open(encoding="utf-8") as file:
                for number, line in enumerate(file):
                    if (number in self._lines) != self._are_left_out:
                        yield from_dict(json.loads(line))
        except (OSError, ValueError, KeyError) as exc:
            raise DocumentError(f"{str(self.path)!r} cannot be read any more ({exc}); clean the data again") from exc

    def only(self, lines: frozenset[int]) -> ExampleFile:
        """Those of these numbers, counted from 0."""
        return ExampleFile(self.path, self._size, lines, are_left_out=False)

    def without(self, lines: frozenset[int]) -> ExampleFile:
        """All but those of these numbers, counted from 0."""
        return ExampleFile(self.path, self._size, lines)


def write_line(example: Example) -> str:
    """One line of such a file."""
    return json.dumps(to_dict(example), ensure_ascii=False, separators=(",", ":")) + "\n"
