"""Small changes to the task groups' file that leave all else in it as it is: comments, order, form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.groups.config_loader import TASK_GROUPS_FILE, ConfigLoader, parse_config, read_yaml

SECTION = "models"
_BY_HAND = "change it with an editor"


class ConfigFile:
    """The file, changed by lines and checked before it is written.

    Args:
        path: the file; that of the settings by default. It need not be there.

    Raises:
        ConfigurationError: in every method that changes it: the result would be wrong, or the file has a form that is
            not changed here. Nothing is written then.
    """

    def __init__(self, path: Path | None = None) -> None:

        self.path = path or ConfigLoader().path_of(TASK_GROUPS_FILE)

    def read(self) -> dict[str, Any]:
        """What it says; nothing where it is not there."""
        return read_yaml(self.path) if self.path.exists() else {}

    def add_model(self, name: str, declaration: Mapping[str, Any]) -> None:
        """Declare a model; the name must be new."""
        if name in (self.read().get(SECTION) or {}):
            raise ConfigurationError(f"{name!r} is declared in {str(self.path)!r} already; remove it first")
        line = f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(declaration, ensure_ascii=False)}"
        lines, section = self._lines()
        if section is None:
            lines += [f"{SECTION}:", f"  {line}"]
        elif isinstance(section, yaml.MappingNode) and section.value and not section.flow_style:
            first = section.value[0][0].start_mark
            lines.insert(first.line, " " * first.column + line)
        elif isinstance(section, yaml.ScalarNode) and section.value == "":
            lines.insert(section.start_mark.line + 1, f"  {line}")
        else:
            raise ConfigurationError(f"'{SECTION}' in {str(self.path)!r} stands on one line; {_BY_HAND}")
        self._write(lines)

    def remove_model(self, name: str) -> None:
        """Take a declaration out."""
        lines, section = self._lines()
        entries = section.value if isinstance(section, yaml.MappingNode) else []
        found = next(((key, value) for key, value in entries if key.value == name), None)
        if found is None:
            raise ConfigurationError(f"no model {name!r} is declared in {str(self.path)!r}")
        if isinstance(section, yaml.MappingNode) and section.flow_style:
            raise ConfigurationError(f"'{SECTION}' in {str(self.path)!r} stands on one line; {_BY_HAND}")
        key, value = found
        del lines[key.start_mark.line : _last_line(value) + 1]
        self._write(lines)

    def replace(self, data: Mapping[str, Any]) -> Path | None:
        """Write all of it anew; where the old file is kept, if there was one."""
        parse_config(data, "the imported file")
        kept = None
        if self.path.exists():
            kept = self.path.with_name(f"{self.path.name}.before-import")
            self.path.replace(kept)
        self._write(yaml.safe_dump(dict(data), allow_unicode=True, sort_keys=False).splitlines())
        return kept

    def _lines(self) -> tuple[list[str], yaml.Node | None]:
        """The file's lines, and what stands under ``models``."""
        data = self.read()
        text = self.path.read_text(encoding="utf-8") if data or self.path.exists() else ""
        root = yaml.compose(text, Loader=yaml.SafeLoader) if data else None
        entries = root.value if isinstance(root, yaml.MappingNode) else []
        section = next((value for key, value in entries if key.value == SECTION), None)
        return text.splitlines(), section

    def _write(self, lines: list[str]) -> None:
        text = "\n".join(lines) + "\n"
        try:
            data = parse_yaml(text.encode())
        except ValueError as exc:
            raise ConfigurationError(f"{str(self.path)!r} is of a form that is not changed here; {_BY_HAND}") from exc
        parse_config(data or {}, str(self.path))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, text)


def _last_line(node: yaml.Node) -> int:
    """Where a node's own text ends: the end that YAML gives a block lies behind the comments that follow it."""
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return max(_last_line(value) for _, value in node.value)
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return max(_last_line(one) for one in node.value)
    end: int = node.end_mark.line
    is_block_text = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return end - 1 if is_block_text else end
