"""Single entries of a YAML text changed, and every other line left as it is: comments, order, blank lines, form.

Where an entry begins and ends is told by the reader that also checks the file; lines between entries, such as comments,
belong to nobody and stay. The entry itself is written by ruamel.yaml, which keeps its comments, quotes and style. What
comes out is read again: it says what was meant and nothing else is otherwise, or the change is refused.
"""

from __future__ import annotations

import copy
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from multi_llm_comparator.core.bounded_yaml import READER, parse_yaml
from multi_llm_comparator.core.exceptions import ConfigurationError

Path = tuple[str, ...]
_COMMENT = re.compile(r"#[^\n]*")
# Entries are never folded: a long line stays one.
_WIDTH = 1 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name and its value in a mapping, by their places in the text."""

    key: yaml.Node
    value: yaml.Node
    is_in_flow: bool

    @property
    def first_line(self) -> int:
        return int(self.key.start_mark.line)

    @property
    def last_line(self) -> int:
        return max(int(self.key.end_mark.line), last_line(self.value))

    @property
    def column(self) -> int:
        return int(self.key.start_mark.column)


def put(text: str, path: Path, value: Any) -> str:
    """``text`` in which ``path`` is ``value``; what of it was there already stays as it is written.

    Args:
        text: one YAML document, a mapping, or nothing.
        path: names from the top down. A new one comes last among its neighbours.
        value: plain data; not None.

    Raises:
        ConfigurationError: the text has a form that is not changed here.
    """
    wanted = _data(text)
    inner = wanted
    for name in path[:-1]:
        if not isinstance(inner.get(name), dict):
            inner[name] = {}
        inner = inner[name]
    inner[path[-1]] = copy.deepcopy(value)
    return _checked(_put(text, path, value), wanted)


def remove(text: str, path: Path) -> str:
    """``text`` without what stands at ``path``, and without a mapping that would be empty then.

    Raises:
        ConfigurationError: nothing stands there, or the text has a form that is not changed here.
    """
    wanted = _data(text)
    outer = [wanted]
    for name in path[:-1]:
        inner = outer[-1].get(name)
        outer.append(inner if isinstance(inner, dict) else {})
    if path[-1] not in outer[-1]:
        raise ConfigurationError(f"there is no {'.'.join(path)!r}")
    del outer[-1][path[-1]]
    for depth in range(len(path) - 1, 1, -1):
        if not outer[depth]:
            del outer[depth - 1][path[depth - 1]]
    return _checked(_remove(text, path), wanted)


def rename(text: str, path: Path, name: str) -> str:
    """``text`` in which what stands at ``path`` has another last name, in its old place.

    Raises:
        ConfigurationError: nothing stands there, the name is taken, or the text has a form that is not changed here.
    """
    data = _data(text)
    outer = data
    for step in path[:-1]:
        inner = outer.get(step)
        outer = inner if isinstance(inner, dict) else {}
    if path[-1] not in outer:
        raise ConfigurationError(f"there is no {'.'.join(path)!r}")
    if name in outer:
        raise ConfigurationError(f"the name {name!r} is taken")
    entry = _find(text, path)
    if entry is None:
        raise _not_here(path)
    renamed = {name if key == path[-1] else key: value for key, value in outer.items()}
    outer.clear()
    outer.update(renamed)
    start, end = entry.key.start_mark.index, entry.key.end_mark.index
    key = _dumped({name: 0})[: -len(": 0\n")]
    return _checked(text[:start] + key + text[end:], data)


# --- changing --------------------------------------------------------------------------------------------------------


def _put(text: str, path: Path, value: Any) -> str:
    entry = _find(text, path)
    if entry is None:
        return _added(text, path, value)
    there = _at(_data(text), path)
    if _is_same(there, value):
        return text
    _refuse_aliases(text, entry, path)
    if entry.is_in_flow:
        return _put(text, path[:-1], {**_at(_data(text), path[:-1]), path[-1]: value})
    node = entry.value
    if isinstance(node, yaml.MappingNode) and not node.flow_style and isinstance(value, Mapping) and value:
        for name, one in value.items():
            text = _put(text, (*path, name), one)
        for name in there:
            if name not in value:
                text = _remove(text, (*path, name))
        return text
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and isinstance(value, Sequence) and value:
        return _with_items(text, node, list(there), list(value), path)
    return _rewritten(text, entry, value, path)


def _added(text: str, path: Path, value: Any) -> str:
    lines = text.splitlines()
    outer = path[:-1]
    entry = _find(text, outer) if outer else None
    if outer and entry is None:
        return _put(text, outer, {path[-1]: value})
    node = entry.value if entry else _root(text)
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        at, column = last_line(node) + 1, int(node.value[0][0].start_mark.column)
    elif node is None or (entry is None and _says_nothing(node)):
        at, column = len(lines), 0
    elif entry and _says_nothing(node):
        at, column = entry.first_line + 1, entry.column + 2
    elif entry and isinstance(node, yaml.MappingNode):
        return _put(text, outer, {**_at(_data(text), outer), path[-1]: value})
    else:
        raise _not_here(path)
    lines[at:at] = _indented(_dumped({path[-1]: value}), column)
    return _joined(lines)


def _remove(text: str, path: Path) -> str:
    entry = _find(text, path)
    if entry is None:
        raise _not_here(path)
    outer = _at(_data(text), path[:-1])
    if len(outer) == 1 and len(path) > 2:
        return _remove(text, path[:-1])
    if entry.is_in_flow:
        return _put(text, path[:-1], {name: one for name, one in outer.items() if name != path[-1]})
    lines = text.splitlines()
    del lines[entry.first_line : entry.last_line + 1]
    return _joined(lines)


def _with_items(text: str, node: yaml.SequenceNode, old: list[Any], new: list[Any], path: Path) -> str:
    """A list with a line for each item: lines move with their items, and comments above an item with it. Those above
    one that goes stay at the beginning."""
    lines = text.splitlines()
    firsts = [int(item.start_mark.line) for item in node.value]
    lasts = [last_line(item) for item in node.value]
    if not all(lines[first].lstrip().startswith("-") for first in firsts) or len(set(map(str, old))) != len(old):
        raise _not_here(path)
    begins = [firsts[0], *(last + 1 for last in lasts[:-1])]
    written: list[str] = []
    for value, begin, first in zip(old, begins, firsts, strict=True):
        if value not in new:
            written += lines[begin:first]
    for value in new:
        if value in old:
            place = old.index(value)
            written += lines[begins[place] : lasts[place] + 1]
        else:
            written += _indented(_dumped([value]), int(node.start_mark.column))
    lines[firsts[0] : lasts[-1] + 1] = written
    return _joined(lines)


def _rewritten(text: str, entry: _Entry, value: Any, path: Path) -> str:
    """One entry written anew, by itself."""
    from ruamel.yaml.error import YAMLError

    lines = text.splitlines()
    # Where comments stand is counted from the entry's own beginning.
    margin = " " * entry.column
    before = _joined([line.removeprefix(margin) for line in lines[entry.first_line : entry.last_line + 1]])
    writer = _writer()
    try:
        document = writer.load(before)
        name = next(iter(document))
        document[name] = _merged(document[name], value)
        written = io.StringIO()
        writer.dump(document, written)
    except YAMLError as exc:
        raise _not_here(path) from exc
    after = written.getvalue()
    if lost := Counter(_comments(before)) - Counter(_comments(after)):
        raise ConfigurationError(
            f"changing {'.'.join(path)!r} here would lose the comment {next(iter(lost))!r}; change it with an editor"
        )
    lines[entry.first_line : entry.last_line + 1] = _indented(after, entry.column)
    return _joined(lines)


def _merged(old: Any, new: Any) -> Any:
    """``old`` as ruamel.yaml read it, changed into ``new`` where it differs."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(old, CommentedMap) and isinstance(new, Mapping):
        for name in [name for name in old if name not in new]:
            del old[name]
        for name, value in new.items():
            old[_text(name) if name not in old else name] = _merged(old.get(name), value)
        return old
    if isinstance(old, CommentedSeq) and isinstance(new, Sequence) and not isinstance(new, str):
        if _is_same(list(old), list(new)):
            return old
        known = {str(item): item for item in old if isinstance(item, str)}
        items = [known.get(item, _styled(item)) if isinstance(item, str) else _styled(item) for item in new]
        old[:] = items
        return old
    return old if _is_same(old, new) and old is not None else _styled(new)


# --- writing ---------------------------------------------------------------------------------------------------------


def _writer() -> Any:
    from ruamel.yaml import YAML

    writer = YAML()
    writer.preserve_quotes = True
    writer.width = _WIDTH
    writer.indent(mapping=2, sequence=4, offset=2)
    return writer


def _dumped(data: Mapping[str, Any] | Sequence[Any]) -> str:
    written = io.StringIO()
    writer = _writer()
    writer.indent(mapping=2, sequence=2, offset=0)
    styled = _styled(data)
    styled.fa.set_block_style()
    writer.dump(styled, written)
    return written.getvalue()


def _styled(value: Any) -> Any:
    """New data as the file's own style has it: what holds no mapping stands on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Mapping):
        mapping = CommentedMap((_text(name), _styled(one)) for name, one in value.items())
        holds_mappings = any(isinstance(one, Mapping) for one in value.values())
        mapping.fa.set_block_style() if holds_mappings else mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, Sequence) and not isinstance(value, str):
        sequence = CommentedSeq(map(_styled, value))
        sequence.fa.set_flow_style()
        return sequence
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    """Quoted where the reader would take it for something else, as a value or a name, in braces too: ``yes`` is a text
    to YAML 1.2 and a truth value to 1.1; what ends in ``?`` ends nothing within braces."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    text = f"[{value}, {{{value}: {value}}}]"
    try:
        # Readers differ at the edges; it is plain where all agree.
        is_plain = all(read == [value, {value: value}] for read in (parse_yaml(text.encode()), yaml.safe_load(text)))
    except (ValueError, yaml.YAMLError):
        is_plain = False
    return value if is_plain else DoubleQuotedScalarString(value)


def _indented(text: str, column: int) -> list[str]:
    return [" " * column + line if line.strip() else line for line in text.splitlines()]


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


# --- looking ---------------------------------------------------------------------------------------------------------


def _data(text: str) -> dict[str, Any]:
    """What it says; sections that say nothing are empty."""
    data = parse_yaml(text.encode()) or {}
    if not isinstance(data, dict):
        raise ConfigurationError("the file must hold names and values")
    return {name: {} if value is None else value for name, value in data.items()}


def _at(data: dict[str, Any], path: Path) -> Any:
    found: Any = data
    for name in path:
        found = found[name]
    return found


def _root(text: str) -> yaml.Node | None:
    return yaml.compose(text, Loader=READER)


def _find(text: str, path: Path) -> _Entry | None:
    node, entry = _root(text), None
    for name in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((key, value) for key, value in pairs if key.value == name), None)
        if found is None or node is None:
            return None
        entry = _Entry(*found, is_in_flow=isinstance(node, yaml.MappingNode) and bool(node.flow_style))
        node = entry.value
    return entry


def _says_nothing(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "" and not node.style


def last_line(node: yaml.Node) -> int:
    """Where a node's own text ends: the end that YAML gives a block lies behind the comments that follow it."""
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return max(max(int(key.end_mark.line), last_line(value)) for key, value in node.value)
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return max(last_line(one) for one in node.value)
    end: int = node.end_mark.line
    is_block_text = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return end - 1 if is_block_text else end


def _comments(text: str) -> list[str]:
    """In order; they stand between what has a meaning."""
    found, end = [], 0
    for token in yaml.scan(text, Loader=READER):
        found += _COMMENT.findall(text[end : token.start_mark.index])
        end = max(end, token.end_mark.index)
    return [comment.rstrip() for comment in [*found, *_COMMENT.findall(text[end:])]]


def _refuse_aliases(text: str, entry: _Entry, path: Path) -> None:
    """What is written elsewhere cannot be changed here."""
    for event in yaml.parse(text, Loader=READER):
        at = event.start_mark.line if isinstance(event, yaml.AliasEvent) and event.start_mark else -1
        if entry.first_line <= at <= entry.last_line:
            raise _not_here(path)


def _is_same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _checked(text: str, wanted: dict[str, Any]) -> str:
    try:
        says = _data(text)
    except ValueError as exc:
        raise ConfigurationError("the file has a form that is not changed here; change it with an editor") from exc
    if says != wanted:
        raise ConfigurationError("the file has a form that is not changed here; change it with an editor")
    return text


def _not_here(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{'.'.join(path)!r} stands in a form that is not changed here (anchors, or all on one line); "
        "change it with an editor"
    )
