"""How much a chat template may build: what a call would make of its arguments is reckoned before it is made."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from string import Formatter
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.utils import Namespace

MAX_TEXT_CHARS = 16 * 1024 * 1024  # of one prompt, and of anything a template builds on the way
MAX_NUMBER = 10_000  # as an argument: widths, counts, indents
MAX_INTEGER_BITS = 1024
# What one field of a format adds at most to its value: a width and a precision of three digits each.
_FIELD_CHARS = 2_000
_WIDE_FORMAT = re.compile(r"\d{4,}|\*")
_ENTRY_CHARS = 2  # the comma and the space after an entry
_OBJECT_CHARS = 32  # the text of anything else: a number, none, a function
# The filters that read the text of whatever they are given, be it a list.
_OF_TEXT = {"capitalize", "e", "escape", "forceescape", "format", "indent", "lower", "replace", "safe", "string"}
_OF_TEXT |= {"striptags", "title", "trim", "truncate", "upper", "urlencode", "wordcount"}


def check_size(size: int) -> None:
    if size > MAX_TEXT_CHARS:
        raise SecurityError(f"a value of {size} characters or entries is over the limit of {MAX_TEXT_CHARS}")


def check_text(*values: Any) -> None:
    """See that the values' text is within the limit, before it is made."""
    check_size(_weight(*values))


def check_result(value: Any) -> Any:
    """``value``, if it is within the limit; what is made only while it is read is counted then."""
    if isinstance(value, Iterator):
        return _counted(value)
    if isinstance(value, Collection):
        check_size(len(value))
    return value


def check_numbers(name: str, values: Iterable[Any]) -> None:
    for value in values:
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise SecurityError(f"{name}() was given {value}, over the limit of {MAX_NUMBER}")


def check_format(text: str) -> None:
    if _WIDE_FORMAT.search(text):
        raise SecurityError("a format with a width of its own choice is refused")


def check_percent(text: Any, values: Any) -> None:
    """See to ``text % values``."""
    check_format(str(text))
    check_size(_formatted(str(text), "%", values.values() if isinstance(values, Mapping) else [values]))


def check_operands(operator: str, left: Any, right: Any) -> None:
    if operator == "%" and isinstance(left, str | bytes):
        check_percent(left, right)
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
        if bits > MAX_INTEGER_BITS:
            raise SecurityError(f"a number of {bits} bits is over the limit of {MAX_INTEGER_BITS}")
    elif operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
        check_size(len(left) + len(right))
    elif operator == "*":
        for many, times in ((left, right), (right, left)):
            if hasattr(many, "__len__") and isinstance(times, int):
                check_size(len(many) * times)


def bound_method(name: str, text: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments to call a text's method with: its outcome is within the limit."""
    if name == "join" and args:
        return (_counted(args[0], len(text)), *args[1:])
    if name == "replace":
        _check_replace(text, args, kwargs)
    elif name == "expandtabs":
        (size,) = (*args, *kwargs.values()) or (8,)
        check_size(len(text) + len(text) * int(size))
    elif name == "translate":
        raise SecurityError("translate() is refused")
    elif name in ("format", "format_map"):
        check_format(text)
        if any("{" in (spec or "") for _, _, spec, _ in Formatter().parse(text)):
            raise SecurityError("a format with a width of its own choice is refused")
        check_size(_formatted(text, "{", [*args, *kwargs.values()]))
    return args


def bound_filter(name: str, value: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The value to call a filter with: its outcome is within the limit."""
    given = [*args, *kwargs.values()]
    if name == "join":
        separator = _named(("d", "attribute"), args, kwargs).get("d", "")
        check_text(separator)
        return _counted(value, len(str(separator)))
    if name == "sum":
        if any(isinstance(start, Collection) and not isinstance(start, str) for start in given):
            raise SecurityError("a sum of anything but numbers is refused")
    elif name in _OF_TEXT:
        check_text(value, *given)
        if name == "replace":
            _check_replace(str(value), args, kwargs)
        elif name == "indent":
            width = _named(("width",), args, kwargs).get("width", 4)
            columns = len(width) if isinstance(width, str) else int(width)
            check_size(len(str(value)) + (len(str(value).splitlines()) + 1) * columns)
        elif name == "format":
            check_percent(value, kwargs or args)
    return value


def _check_replace(text: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    given = _named(("old", "new", "count"), args, kwargs)
    old, new = given.get("old", ""), given.get("new", "")
    if isinstance(text, str):
        check_text(old, new)
        old, new = str(old), str(new)
    check_size(len(text) + text.count(old) * len(new))


def _named(names: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _formatted(text: str, sign: str, values: Iterable[Any]) -> int:
    longest = max((_weight(value) for value in values), default=0)
    return len(text) + text.count(sign) * (longest + _FIELD_CHARS)


def _counted(items: Iterable[Any], separator: int = 0) -> Iterator[Any]:
    """The items, as long as their text and the separators between them are within the limit."""
    size = 0
    for item in items:
        size += _weight(item) + separator
        check_size(size)
        yield item


def _weight(*values: Any) -> int:
    """About how many characters the values' text has; no further than the limit is it counted."""
    size, waiting = 0, list(values)
    while waiting and size <= MAX_TEXT_CHARS:
        value = waiting.pop()
        if isinstance(value, str | bytes):
            size += len(value)
        elif isinstance(value, int):
            size += value.bit_length() // 3 + 1
        elif isinstance(value, Namespace):
            size += _OBJECT_CHARS
            waiting.append(object.__getattribute__(value, "_Namespace__attrs"))
        elif isinstance(value, Collection):
            # Counted before they are looked at: a list of lists of lists must not wait here whole.
            size += _ENTRY_CHARS * (len(value) + 1)
            waiting += [*value, *value.values()] if isinstance(value, Mapping) else value
        else:
            size += _OBJECT_CHARS
    return size
