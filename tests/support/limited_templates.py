"""Tries chat templates in a process whose limits are switched on, as those of models are.

python -m tests.support.limited_templates < sources.json
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

# Shorter than those of models, so that tests end sooner.
SECONDS, SOFT_SECONDS = 2.0, 0.5
ENDED = "the process was ended"


@dataclass(frozen=True)
class Tried:
    """What became of one template; ``more_bytes`` is how much the most grew that its process has ever held."""

    problem: str | None
    text: str
    more_bytes: int


def tried(sources: Sequence[str]) -> list[Tried]:
    """What became of each template, in a process of their own; after one that is ended, in another."""
    command = [sys.executable, "-m", "tests.support.limited_templates"]
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
    vars(chat)["TEMPLATE"] = replace(time_limits.TEMPLATE, seconds=SECONDS, soft_seconds=SOFT_SECONDS)
    for given in json.load(sys.stdin):
        print(json.dumps(asdict(_try(given))), flush=True)
