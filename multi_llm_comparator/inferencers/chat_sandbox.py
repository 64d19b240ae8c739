"""Where chat templates run: Jinja's sandbox with what Hugging Face templates expect, and bounds.

A template comes with the model file, so it is a stranger's program. The sandbox keeps it from Python's internals; the
bounds here keep it from filling the memory. A template that merely loops for ever is left to whoever watches the
model's process.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TEXT_CHARS = 16 * 1024 * 1024  # of one prompt, and of anything a template builds on the way
MAX_NUMBER = 10_000  # as an argument: widths, counts, indents
MAX_INTEGER_BITS = 1024
# Filters that no chat template needs and that make much out of little.
_REFUSED_FILTERS = ("batch", "center", "filesizeformat", "pprint", "slice", "urlize", "wordwrap", "xmlattr")
_WIDE_FORMAT = re.compile(r"\d{4,}|\*")


class TemplateRefusal(TemplateError):
    """The template itself said no, by calling ``raise_exception``."""


class _GenerationBlock(Extension):
    """``{% generation %}`` marks the assistant's tokens for training; here it only shows its body."""

    tags = {"generation"}  # noqa: RUF012 - the type that jinja2 declares

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _BoundedCode(CodeGenerator):
    """Compiles ``a ~ b`` to a call that the environment can bound, as it can with ``+`` and ``*``."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.join_texts((")
        for child in node.nodes:
            self.visit(child, frame)
            self.write(", ")
        self.write("))")


class ChatSandbox(ImmutableSandboxedEnvironment):
    """The Jinja environment of chat templates. Anything refused raises a ``jinja2.TemplateError``."""

    code_generator_class = _BoundedCode
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        # Not optimized: constant expressions would be computed while compiling, outside the bounds.
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            extensions=[_GenerationBlock, "jinja2.ext.loopcontrols"],
        )
        for name in _REFUSED_FILTERS:
            del self.filters[name]
        self.filters["tojson"] = _tojson
        self.filters = {name: _bounded(name, function) for name, function in self.filters.items()}
        del self.globals["lipsum"]
        self.globals["raise_exception"] = _raise_exception
        self.globals["strftime_now"] = _strftime_now

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _check_operands(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        name = getattr(__obj, "__name__", "")
        if name != "safe_range":  # which the sandbox bounds itself
            _check_arguments(name, (*args, *kwargs.values()))
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps str.format
        if name in ("format", "format_map") and isinstance(getattr(method, "__self__", None), str):
            _check_format(method.__self__)
        return super().call(__context, __obj, *args, **kwargs)

    def join_texts(self, values: Iterable[Any]) -> str:
        texts = [str(value) for value in values]
        _check_size(sum(map(len, texts)))
        return "".join(texts)


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        _check_arguments(name, (*args[1:], *kwargs.values()))
        if name == "format":
            _check_format(str(args[0]))
        return function(*args, **kwargs)

    return checked


def _check_arguments(name: str, values: Iterable[Any]) -> None:
    for value in values:
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise SecurityError(f"{name}() was given {value}, over the limit of {MAX_NUMBER}")


def _check_format(text: str) -> None:
    if _WIDE_FORMAT.search(text):
        raise SecurityError("a format with a width of its own choice is refused")


def _check_size(size: int) -> None:
    if size > MAX_TEXT_CHARS:
        raise SecurityError(f"a value of {size} characters or entries is over the limit of {MAX_TEXT_CHARS}")


def _check_operands(operator: str, left: Any, right: Any) -> None:
    if operator == "%" and isinstance(left, str):
        _check_format(left)
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
        if bits > MAX_INTEGER_BITS:
            raise SecurityError(f"a number of {bits} bits is over the limit of {MAX_INTEGER_BITS}")
    elif operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
        _check_size(len(left) + len(right))
    elif operator == "*":
        for many, times in ((left, right), (right, left)):
            if hasattr(many, "__len__") and isinstance(times, int):
                _check_size(len(many) * times)


def _raise_exception(message: object) -> None:
    raise TemplateRefusal(str(message))


def _strftime_now(form: str) -> str:
    _check_format(form[:64])
    return datetime.now().strftime(form[:64])


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is: Jinja's own filter escapes what HTML cares about, which a model would read literally."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
