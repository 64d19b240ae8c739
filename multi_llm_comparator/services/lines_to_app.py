"""How a process of ours is asked by the app, and answers: lines of JSON on standard input and output.

To be imported by such a process alone: from then on whatever else is printed there goes to standard error.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.services.worker import be_nicer, die_with_parent

TELL_EVERY_S = 0.2

log = logging.getLogger(__name__)

# Whatever a library prints must not get between our lines.
_to_app, sys.stdout = sys.stdout, sys.stderr


def requests(niceness: int = 0) -> Iterator[dict[str, Any]]:
    """What the app asks, one after the other. This process ends with it, lets others go first by ``niceness``, and
    warns on standard error."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    be_nicer(niceness)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        die_with_parent(request["parent"])
        yield request


def tell(kind: str, **content: Any) -> None:
    """One line to the app; a closed pipe ends this process, as it should when the app is gone."""
    _to_app.write(json.dumps({"kind": kind, **content}) + "\n")
    _to_app.flush()


def answer(
    work: Callable[[], Mapping[str, Any]], unexpected: type[MultiLLMError], explained: Callable[[Exception], str]
) -> None:
    """Do what was asked, and tell its result or what went wrong: the edge of the process.

    Args:
        work: gives the result.
        unexpected: the error that the app sees where something went wrong that is none of ours.
        explained: what that was, in words; the log has the details.
    """
    try:
        tell("result", **work())
    except BrokenPipeError:
        sys.exit(1)
    except MultiLLMError as exc:
        tell("error", type=type(exc).__name__, message=str(exc))
    except Exception as exc:
        tell("error", type=unexpected.__name__, message=explained(exc))
        log.exception("what was asked failed")
