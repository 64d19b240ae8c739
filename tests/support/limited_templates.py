"""Tries chat templates in a process whose limits are switched on, as those of models are.

python -m tests.support.limited_templates SOFT_SECONDS < sources.json
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers import chat, time_limits

# Shorter than those of models, so that tests end sooner: of processor time, so that a busy machine changes nothing.
SOFT_SECONDS = 0.2
# How many times as long until a process is ended.
HARDER = 4
ENDED = "the process was ended"


@dataclass(frozen=True)
class Tried:
    """What became of one template; ``more_bytes`` is how much the most grew that its process has ever held."""

    problem: str | None
    text: str
    more_bytes: int


def tried(sources: Sequence[str], *, soft_seconds: float = SOFT_SECONDS) -> list[Tried]:
    """What became of each template, in a process of their own; after one that is ended, in another."""
    from tests.support.warm_places import LIGHT_ENGINE
    from tests.support.warm_python import warm_python

    command = [warm_python(LIGHT_ENGINE), "-m", "tests.support.limited_templates", str(soft_seconds)]
    outcomes: list[Tried] = []
    while len(outcomes) < len(sources):
        left = json.dumps(list(sources[len(outcomes) :]))
        done = subprocess.run(command, input=left, capture_output=True, text=True)
        outcomes += [Tried(**json.loads(line)) for line in done.stdout.splitlines()]
        if done.returncode:
            assert done.returncode == -getattr(signal, time_limits.TEMPLATE.signal), done.stderr
            outcomes.append(Tried(ENDED, "", 0))
    return outcomes


def _try(source: str) -> Tried:
    before = _peak_bytes()
    template = chat.ChatTemplate(source)
    text = template.render(GenerationRequest(messages=(Message("user", "Why?"),))).text
    return Tried(template.problem, text, _peak_bytes() - before)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    time_limits.switch_on()
    soft_seconds = float(sys.argv[1])
    vars(chat)["TEMPLATE"] = replace(time_limits.TEMPLATE, seconds=HARDER * soft_seconds, soft_seconds=soft_seconds)
    for given in json.load(sys.stdin):
        print(json.dumps(asdict(_try(given))), flush=True)
