"""Cooperations under a name: ``cooperations/NAME.yaml`` beside the task groups. They are asked as the model
``cooperate:NAME``.

Each mode has a name from the start: ``cooperate:voting`` and the others, with members chosen from what is there until a
file of that name says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from multi_llm_comparator.cooperation.spec import MODES, PREFIX, CooperationSpec, Mode, checked_spec
from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.callers import refuse_workspaces
from multi_llm_comparator.core.exceptions import ConfigurationError, ModelNotFoundError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.settings import get_settings

MAX_SAVED = 200
MAX_FILE_BYTES = 256 * 2**10
MAX_DEFAULT_MEMBERS = 3
_NAME = re.compile(r"\w[\w.-]{0,59}")
# Of a cooperation's fields, those that belong to one question.
_OF_A_QUESTION = frozenset({"question", "history", "constraint", "title"})

# Who takes part where nobody is named: targets that can be asked, the smallest first.
Available = Callable[[], Sequence[str]]


class SavedCooperations:
    """The files of one folder; each call reads them, so that all processes see the same.

    Args:
        available: who could take part, the smallest first.
        folder: ``cooperations`` in the folder of configurations by default.
    """

    def __init__(self, available: Available, folder: Path | None = None) -> None:
        self._available = available
        self._folder = folder or get_settings().configs_dir / "cooperations"

    def names(self) -> list[str]:
        """What can be asked as ``cooperate:NAME``: the modes, as long as there are members, then what was saved."""
        found = (path.stem for path in sorted(self._folder.glob("*.yaml")) if path.is_file())
        saved = [name for name in found if _NAME.fullmatch(name)][:MAX_SAVED]
        modes = list(MODES) if saved or self._available() else []
        return list(dict.fromkeys([*modes, *saved]))

    def load(self, name: str, question: str, **more: Any) -> CooperationSpec:
        """How ``cooperate:NAME`` answers a question.

        Args:
            name: without the prefix.
            question: what is asked.
            more: fields of :class:`CooperationSpec` that the question brings.

        Raises:
            ModelNotFoundError: there is no such name, or nobody who could take part.
            ConfigurationError: its file is wrong, or a field is.
        """
        path = self._folder / f"{name}.yaml"
        if _NAME.fullmatch(name) and path.is_file():
            try:
                data = parse_yaml(read_bytes(path, MAX_FILE_BYTES))
            except (OSError, ValueError) as exc:
                raise ConfigurationError(f"{str(path)!r} cannot be read: {exc}") from exc
            if not isinstance(data, dict):
                raise ConfigurationError(f"{str(path)!r} must hold one mapping: mode, members, and options")
            try:
                return checked_spec(**{**data, "question": question, **more})
            except ConfigurationError as exc:
                raise ConfigurationError(f"{str(path)!r}: {exc}") from exc
        if name not in MODES:
            raise ModelNotFoundError(
                f"no cooperation is called {name[:80]!r}{did_you_mean(name, self.names())}; the modes are "
                f"{', '.join(MODES)}, others are files in {str(self._folder)!r}"
            )
        members = self.default_members(name)
        return checked_spec(**{"mode": name, "members": members, "question": question, **more})

    def default_members(self, mode: Mode) -> tuple[dict[str, str], ...]:
        """Who takes part where no file says it: up to three, the smallest first.

        Raises:
            ModelNotFoundError: there is nobody, or too few for the mode.
        """
        found = list(self._available())[:MAX_DEFAULT_MEMBERS]
        if len(found) < (2 if mode == "cascade" else 1):
            raise ModelNotFoundError(
                f"{PREFIX}{mode} has too few members: {len(found)} models can be asked here; add one on the Models page"
            )
        return tuple({"target": target} for target in found)

    def save(self, name: str, spec: CooperationSpec) -> Path:
        """Keep a cooperation under a name; one of that name is replaced. Gives its file.

        Raises:
            NotAllowedError: the caller is no admin.
            ConfigurationError: a name that no file could have, or MAX_SAVED files already.
        """
        refuse_workspaces("save cooperations for everybody")
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"a cooperation's name is 1 to 60 letters, digits, '_', '-' or '.', not {name[:80]!r}"
            )
        known = list(self._folder.glob("*.yaml"))
        path = self._folder / f"{name}.yaml"
        if path not in known and len(known) >= MAX_SAVED:
            raise ConfigurationError(f"there are {MAX_SAVED} saved cooperations, and no more are kept; delete some")
        data = spec.model_dump(mode="json", exclude=set(_OF_A_QUESTION), exclude_defaults=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, yaml.safe_dump({"mode": spec.mode, **data}, allow_unicode=True, sort_keys=False))
        return path
