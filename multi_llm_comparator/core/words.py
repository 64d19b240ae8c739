"""What the rooms say to people in each language: words as data, in a YAML file for each language beside the module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import get_args

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.readable import Language

# Says the text of a key, with its places filled in.
Say = Callable[..., str]


class Words(Mapping[Language, Mapping[str, str]]):
    """Texts by key for each language, read when they are first asked for.

    Args:
        module: the ``__file__`` of a module: ``words.py`` has ``words.en.yaml`` and the like beside it.
    """

    def __init__(self, module: str) -> None:
        self._module = Path(module)

    def __getitem__(self, language: Language) -> Mapping[str, str]:
        return _read(self._module.with_suffix(f".{language}.yaml"))

    def __iter__(self) -> Iterator[Language]:
        return iter(get_args(Language))

    def __len__(self) -> int:
        return len(get_args(Language))

    def of(self, language: Language) -> Say:
        """What says these texts in a language."""
        texts = self[language]

        def say(key: str, /, **values: object) -> str:
            return texts[key].format(**values) if values else texts[key]

        return say


@cache
def _read(file: Path) -> Mapping[str, str]:
    return {str(name): str(text) for name, text in parse_yaml(file.read_bytes()).items()}
