"""Where chat templates run: Jinja's sandbox with what Hugging Face templates expect, and bounds.

A template comes with the model file, so it is a stranger's program. The sandbox keeps it from Python's internals, the
bounds keep each value small, and the budget keeps all of them together, and the time they take, within what a prompt
needs. What no count can interrupt, one long operation inside Python, is left to the time limit of the model's process.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context

from multi_llm_comparator.inferencers import chat_bounds as bounds
from multi_llm_comparator.inferencers.chat_budget import Budget

# Filters that no chat template needs and that make much out of little.
_REFUSED_FILTERS = ("batch", "center", "filesizeformat", "pprint", "slice", "urlize", "wordwrap", "xmlattr")


class TemplateRefusal(TemplateError):
    """The template itself said no, by calling ``raise_exception``."""


class _GenerationBlock(Extension):
    """``{% generation %}`` marks the assistant's tokens for training; here it only shows its body."""

    tags = {"generation"}  # noqa: RUF012 - the type that jinja2 declares

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _BoundedCode(CodeGenerator):
    """Compiles what makes values, and each round of a loop, to calls that the environment can bound and count."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.join_texts((")
        for child in node.nodes:
            self.visit(child, frame)
            self.write(", ")
        self.write("))")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:
        self._write_made(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        self._write_made(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        if node.ctx == "load":
            self._write_made(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        if isinstance(node.arg, nodes.Slice):
            self._write_made(super().visit_Getitem, node, frame)
        else:
            super().visit_Getitem(node, frame)

    def _write_made(self, visit: Callable[[Any, Frame], None], node: nodes.Node, frame: Frame) -> None:
        self.write("environment.budget.made(")
        visit(node, frame)
        self.write(")")

    def blockvisit(self, nodes: Iterable[nodes.Node], frame: Frame) -> None:
        if frame.loop_frame:
            self.writeline("environment.budget.step()")
        super().blockvisit(nodes, frame)

    def buffer(self, frame: Frame) -> None:
        """What a macro or a block writes is collected in a list, which grows out of sight of who reads the prompt."""
        frame.buffer = self.temporary_identifier()
        self.writeline(f"{frame.buffer} = environment.new_buffer()")


class _Buffer(list[str]):
    """A list of texts that refuses to become too long a text."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget
        self._size = 0

    def append(self, text: str) -> None:
        self.extend((text,))

    def extend(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._size += len(text)
            bounds.check_size(self._size)
            self._budget.spend(len(text))
            super().append(text)


class ChatSandbox(ImmutableSandboxedEnvironment):
    """The Jinja environment of one chat template. Anything refused raises a ``jinja2.TemplateError``.

    Its :attr:`budget` is begun anew before each rendering.
    """

    code_generator_class = _BoundedCode
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        # Not optimized: constant expressions would be computed while compiling, outside the bounds.
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            finalize=_shown,
            extensions=[_GenerationBlock, "jinja2.ext.loopcontrols"],
        )
        self.budget = Budget()
        for name in _REFUSED_FILTERS:
            del self.filters[name]
        self.filters["tojson"] = self._tojson
        self.filters = {name: self._bounded(name, function) for name, function in self.filters.items()}
        del self.globals["lipsum"]
        self.globals["raise_exception"] = _raise_exception
        self.globals["strftime_now"] = _strftime_now

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        bounds.check_operands(operator, left, right)
        return self.budget.made(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        __self.budget.step()
        name = getattr(__obj, "__name__", "")
        if name != "safe_range":  # which the sandbox bounds itself
            bounds.check_numbers(name, (*args, *kwargs.values()))
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps str.format
        text = getattr(method, "__self__", None)
        if isinstance(text, str | bytes):
            args = bounds.bound_method(name, text, args, kwargs)
        return __self.budget.made(bounds.check_result(super().call(__context, __obj, *args, **kwargs)))

    def join_texts(self, values: tuple[Any, ...]) -> str:
        bounds.check_text(*values)
        text = "".join(map(str, values))
        self.budget.spend(len(text))
        return text

    def new_buffer(self) -> list[str]:
        return _Buffer(self.budget)

    def _bounded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        # Some filters are given what they run in before the value.
        first = 1 if hasattr(function, "jinja_pass_arg") else 0

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            self.budget.step_aside()
            value, given = args[first], args[first + 1 :]
            bounds.check_numbers(name, (*given, *kwargs.values()))
            value = bounds.bound_filter(name, value, given, kwargs)
            return self.budget.made(bounds.check_result(function(*args[:first], value, *given, **kwargs)))

        return checked

    def _tojson(
        self,
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        """JSON as it is: Jinja's own filter escapes what HTML cares about, which a model would read literally."""
        encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
        pieces = _Buffer(self.budget)
        pieces.extend(encoder.iterencode(value))
        return "".join(pieces)


@pass_context
def _shown(context: Context, value: Any) -> Any:
    """What is printed. It takes the context so that no constant is computed, and kept, while compiling."""
    bounds.check_text(value)
    return value


def _raise_exception(message: object) -> None:
    bounds.check_text(message)
    raise TemplateRefusal(str(message))


def _strftime_now(form: str) -> str:
    bounds.check_format(form[:64])
    return datetime.now().strftime(form[:64])
