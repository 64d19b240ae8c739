"""Commands whose options are the fields of a dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def taking(options: Callable[..., T]) -> Callable[[Callable[[T], R]], Callable[..., R]]:
    """Make a function of one dataclass into one of its fields, from which Typer reads the options of a command."""

    def command_of(act: Callable[[T], R]) -> Callable[..., R]:
        @wraps(act)
        def command(**given: Any) -> R:
            return act(options(**given))

        vars(command)["__signature__"] = inspect.signature(options, eval_str=True)
        return command

    return command_of
