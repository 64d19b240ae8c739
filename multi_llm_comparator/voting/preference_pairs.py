"""Votes as data to learn from: pairs of a chosen and a rejected answer, as trl and :mod:`training.data` read them
(https://huggingface.co/docs/trl/dataset_formats#preference)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.voting.snapshot import VotingSnapshot


def preference_rows(sessions: Iterable[VotingSnapshot]) -> Iterator[dict[str, Any]]:
    """A row for each answer that was found worse than another to its prompt; ties and bad answers teach no preference.
    Answers about images are left out: the text alone does not say what they were better at.

    What is chosen and rejected is each said once, also where several votes say the same.
    """
    said: set[tuple[str, str, str, str]] = set()
    for session in sessions:
        system = session.spec.system
        for turn in session.voted:
            best = turn.best
            if best is None or not best.text.strip() or session.spec.prompts[turn.prompt].images:
                continue
            prompt = session.spec.prompts[turn.prompt].text
            for other in turn.answers:
                key = system, prompt, best.text, other.text
                if other is best or not other.text.strip() or other.text == best.text or key in said:
                    continue
                said.add(key)
                asked = [{"role": "system", "content": system}] if system else []
                yield {
                    "prompt": [*asked, {"role": "user", "content": prompt}],
                    "chosen": [{"role": "assistant", "content": best.text}],
                    "rejected": [{"role": "assistant", "content": other.text}],
                }


def pairs_text(sessions: Iterable[VotingSnapshot]) -> str:
    """The rows as JSON lines; empty where no vote prefers anything."""
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in preference_rows(sessions))


def write_pairs(path: Path, sessions: Iterable[VotingSnapshot]) -> int:
    """Write the rows to a file of JSON lines; how many there are.

    Raises:
        ConfigurationError: no vote prefers one answer to another.
        NotWrittenError: the file could not be written.
    """
    text = pairs_text(sessions)
    if not text:
        raise ConfigurationError("no vote prefers one answer to another yet: there is nothing to learn from them")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)
    return text.count("\n")
