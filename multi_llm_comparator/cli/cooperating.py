"""``cooperate``: a question to several models together, and one answer."""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.cli.answering import running
from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.cli.talking import Wanted, question_of
from multi_llm_comparator.cooperation.scheduler import finished
from multi_llm_comparator.cooperation.source import figures_of
from multi_llm_comparator.cooperation.spec import MODES, checked_spec
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.headless import opened_alone, scanned_models


async def cooperate(
    question: str | None, mode: str, models: str, options: dict[str, Any], wanted: Wanted, as_json: bool, alone: bool
) -> bool:
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
        return True
    output.print(result["result"])
    for member in result["members"]:
        words = f"{member['model']}: {member['calls']} calls, {member['completion_tokens']} tokens"
        messages.print(words, style="dim")
    for left in result["left_out"]:
        messages.print(f"{left['model']}: {left['reason']} {left['detail']}".rstrip(), style="dim")
    for note in result["notes"]:
        messages.print(note, style="yellow")
    messages.print(f"run: {result['run_id']}", style="dim")
    return True


async def _here(body: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    fields = {
        "integration": body.get("integration_strategy", ""),
        "rounds": body.get("voting_rounds", 1),
        "samples": body.get("samples", 1),
        "integrator": body.get("integrator", ""),
        "deadline_s": body.get("deadline_s"),
        "config": wanted.config(),
    }
    given = {name: value for name, value in fields.items() if value not in (None, "")}
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
