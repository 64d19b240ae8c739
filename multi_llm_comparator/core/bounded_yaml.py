"""Reading YAML that anybody may have written, in a time that grows with its size and nothing else.

Before anything is built, the stream of events is counted: nodes (each alias counts as all that it stands for), depth,
and no tags, which could ask for another reading than the one meant. Numbers with colons (``1:30``, base 60 in YAML 1.1)
are texts here, and so are whole numbers of more digits than any figure has.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml is slower, and reads the same
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

# What reads here; places in a text are to be asked of the same.
READER: Any = _Base
MAX_NODES = 50_000
MAX_DEPTH = 64
# Whole numbers: as YAML 1.1 has them, without base 60 and no longer than 64 bits are.
_INTEGER = re.compile(r"^[-+]?(?:0b[01_]{1,80}|0[0-7_]{1,30}|0|[1-9][0-9_]{0,24}|0x[0-9a-fA-F_]{1,20})$")
_FLOAT = re.compile(
    r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


class _Loader(_Base):
    """Safe, without base 60, and with every key of a mapping said once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = [key for key, count in keys.items() if count > 1 and key != "<<"]
        if twice:
            problem = f"the key {twice[0][:80]!r} stands twice"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NUMBERS]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_NUMBERS[0], _INTEGER, list("-+0123456789"))
_Loader.add_implicit_resolver(_NUMBERS[1], _FLOAT, list("-+0123456789."))


def parse_yaml(raw: bytes) -> Any:
    """The data of one YAML document; None for an empty one. How large ``raw`` may be is for the caller to bound.

    Raises:
        ValueError: not YAML, a key that stands twice, a tag, more than ``MAX_NODES`` nodes or ``MAX_DEPTH`` levels. It
            says what and where, and quotes nothing else of the text: there may be a key in it.
    """
    try:
        _check(raw)
        return yaml.load(raw, Loader=_Loader)
    except yaml.MarkedYAMLError as exc:
        raise ValueError(_place(exc)) from None
    except yaml.YAMLError as exc:
        # An unreadable character: its message names the position, nothing of the text.
        raise ValueError(" ".join(str(exc).split())[:300]) from None
    except (TypeError, RecursionError) as exc:
        raise ValueError(f"a value in it cannot be read: {exc}") from None


def _check(raw: bytes) -> None:
    """Walk the events, which build nothing."""
    sizes: dict[str, int] = {}
    # Of each collection that is open: its anchor, and how many nodes there were before it.
    opened: list[tuple[str | None, int]] = []
    nodes = 0
    for event in yaml.parse(raw, Loader=_Base):
        if isinstance(event, yaml.AliasEvent):
            if any(event.anchor == anchor for anchor, _ in opened):
                raise ValueError(f"the alias in line {_line(event)} stands within what it stands for")
            # One that was never there is the composer's to refuse.
            nodes += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            _refuse_tag(event)
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, nodes - 1))
            elif event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = nodes - before
        elif isinstance(event, yaml.DocumentStartEvent):
            nodes += 1
        if nodes > MAX_NODES or len(opened) > MAX_DEPTH:
            what = f"it holds more than {MAX_NODES} values" if nodes > MAX_NODES else f"more than {MAX_DEPTH} levels"
            raise ValueError(f"{what} by line {_line(event)}; such files are refused")


def _refuse_tag(event: Any) -> None:
    if getattr(event, "tag", None) not in (None, "!"):
        raise ValueError(f"the tag {str(event.tag)[:80]!r} in line {_line(event)} is not read here; leave it out")


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _place(error: yaml.MarkedYAMLError) -> str:
    """What is wrong and where, without the lines around it that the error itself would quote: they may hold a key."""
    mark = error.problem_mark or error.context_mark
    said = error.problem or error.context or "something is wrong"
    return f"{said} in line {mark.line + 1}, column {mark.column + 1}" if mark else said
