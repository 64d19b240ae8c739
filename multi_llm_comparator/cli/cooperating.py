"""``cooperate``: a question to several models together, and one answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multi_llm_comparator.cli.answering import running
from multi_llm_comparator.cli.consoles import messages, output, print_json, say
from multi_llm_comparator.cli.talking import Wanted, question_of
from multi_llm_comparator.cooperation.saved import SavedCooperations
from multi_llm_comparator.cooperation.scheduler import finished
from multi_llm_comparator.cooperation.source import figures_of
from multi_llm_comparator.cooperation.spec import MODES, checked_spec
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.headless import local_names, opened_alone, scanned_models


async def cooperate(
    question: str | None, mode: str, models: str, options: dict[str, Any], wanted: Wanted, as_json: bool, alone: bool
) -> None:
    """Have models work together.

    Args:
        question: read from a pipe if None.
        mode: one of the modes.
        models: names with commas between them; empty for those of ``cooperate:MODE``.
        options: further fields of a task, as ``/cooperation/task`` takes them.
        wanted: how the members answer.
        as_json: print one JSON value and nothing else.
        alone: load models here even if a workbench is running.

    Raises:
        ConfigurationError: there is no such mode, or nothing is asked.
    """
    if mode not in MODES:
        raise ConfigurationError(f"--mode is {mode!r}; there are {', '.join(MODES)}")
    asked = question_of(question)
    members = [name.strip() for name in models.split(",") if name.strip()]
    config = wanted.config()
    body = {"query": asked, "mode": mode, "models": members, **options}
    body |= {"max_tokens": config.max_tokens, "temperature": config.temperature}
    async with running(alone=alone) as there:
        result = await (there.post("/cooperation/task", body) if there is not None else _here(body, wanted))
    if as_json:
        print_json(result)
        return
    output.print(result["result"])
    for member in result["members"]:
        words = f"{member['model']}: {member['calls']} calls, {member['completion_tokens']} tokens"
        messages.print(words, style="dim")
    for left in result["left_out"]:
        messages.print(f"{left['model']}: {left['reason']} {left['detail']}".rstrip(), style="dim")
    for note in result["notes"]:
        messages.print(note, style="yellow")
    messages.print(f"run: {result['run_id']}", style="dim")


async def save(name: str, mode: str, models: str, options: Mapping[str, Any], wanted: Wanted, as_json: bool) -> None:
    """Keep who works together, and how, as ``cooperate:NAME``.

    Raises:
        ConfigurationError: no such mode, too few members, or the name cannot be.
    """
    members = [name.strip() for name in models.split(",") if name.strip()]
    if mode not in MODES or not members:
        raise ConfigurationError(f"say who works together, --models A,B, and how, --mode {', '.join(MODES)}")
    body = {"query": "?", "mode": mode, "models": members, **options}
    found = checked_spec(
        mode=mode, members=tuple({"target": one} for one in members), question="?", **_fields(body, wanted)
    )
    available = scanned_models()
    path = SavedCooperations(lambda: local_names(available)).save(name, found)
    say(f"cooperate:{name} can be asked; it is in {path}", as_json, {"name": f"cooperate:{name}", "file": str(path)})


def _fields(body: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """What is given of a task, by the names of its specification."""
    fields = {
        "integration": body.get("integration_strategy", ""),
        "rounds": body.get("voting_rounds", 1),
        "samples": body.get("samples", 1),
        "integrator": body.get("integrator", ""),
        "deadline_s": body.get("deadline_s"),
        "config": wanted.config(),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


async def _here(body: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    given = _fields(body, wanted)
    async with opened_alone(scanned_models()) as services:
        if body["models"]:
            members = tuple({"target": model} for model in body["models"])
            spec = checked_spec(mode=body["mode"], members=members, question=body["query"], **given)
        else:
            spec = services.saved_cooperations.load(body["mode"], body["query"], **given)
        found = await finished(services.cooperations, spec)
    return {
        "result": found.answer,
        "mode": spec.mode,
        "models": [member.target for member in spec.members],
        "processing_time": round(found.wall_s or 0.0, 3),
        **figures_of(found),
    }
