"""A run as a file: what the exports of all kinds have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from jinja2 import Environment, FileSystemLoader

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.readable import Language

PACKAGE = Path(__file__).parents[1]

S = TypeVar("S")


class Exports(Generic[S]):
    """What a run of one kind is exported as. Called, it makes the file of a snapshot, also of a run that is at work.

    Args:
        what: the kind, as errors name it: ``a plan run``.
        writers: by format, the most telling first: each makes the file of a snapshot, with its words in a language.
    """

    def __init__(self, what: str, **writers: Callable[[S, Language], str | bytes]) -> None:
        self._what, self._writers = what, writers

    @property
    def formats(self) -> tuple[str, ...]:
        return tuple(self._writers)

    def __call__(self, snapshot: S, format: str, language: Language = "en") -> bytes:
        """The file. Raises ConfigurationError: there is none in this format."""
        if format not in self._writers:
            raise ConfigurationError(
                f"no export format {format!r} for {self._what}; there are {', '.join(self.formats)}"
            )
        written = self._writers[format](snapshot, language)
        return written if isinstance(written, bytes) else written.encode("utf-8", "replace")


def html_page(module: str, language: Language, **values: Any) -> str:
    """One page that loads nothing and runs nothing; all values are escaped.

    Args:
        module: the ``__file__`` of the module whose template it is: ``export_page.html`` beside it, which extends
            ``runs/export_base.html``.
        language: of the page.
        values: for the template.
    """
    place = Path(module).with_name("export_page.html").relative_to(PACKAGE)
    page = _templates().get_template(place.as_posix())
    return page.render(language="zh-CN" if language == "zh" else "en", **values)


@cache
def _templates() -> Environment:
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FileSystemLoader(PACKAGE))


def utc_time(at: float) -> str:
    """Seconds since the epoch as ``2026-11-21 10:02:15 UTC``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
