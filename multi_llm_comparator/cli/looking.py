"""``models``, ``scan``, ``status`` and ``test``: what there is, and how it does."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict
from typing import Any

from multi_llm_comparator.cli.answering import Answering, Told, answering, chosen, running
from multi_llm_comparator.cli.consoles import messages, output, print_json, print_table
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.headless import scanned_models

FORMATS = ("table", "names", "json")
# Of these a test without --model asks all: local models would have to be loaded one by one.
TESTED = ("endpoint", "group", "pool", "node")


async def models(format: str, alone: bool) -> None:
    """List what can be asked.

    Raises:
        ConfigurationError: an unknown format.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"--format is {format!r}; there are {', '.join(FORMATS)}")
    async with answering(alone=alone) as who:
        offered = await who.offered()
    if format == "json":
        print_json([asdict(one) for one in offered])
        return
    if format == "names":
        for one in offered:
            output.print(one.name)
        return
    rows = []
    for one in offered:
        kind = f"{one.kind}, sees images" if one.sees_images else one.kind
        rows.append((one.name, kind, str(one.context_length or "")))
    print_table(("name", "kind", "context"), rows)


async def scan(as_json: bool) -> None:
    """Look for models now."""
    found = scanned_models().get_available_models()
    rows: list[dict[str, Any]] = [
        {
            "id": model.id,
            "name": model.name,
            "type": model.model_type.value,
            "size_bytes": model.size,
            "path": model.path,
            "problem": model.problem,
        }
        for model in found
    ]
    if as_json:
        print_json(rows)
        return
    cells = ((one.name, one.model_type.value, f"{one.size / 1e6:,.0f}", one.path, one.problem or "") for one in found)
    print_table(("name", "type", "MB", "path", "problem"), cells)
    messages.print(f"{len(rows)} models; more places are chosen on the Settings page")


async def status(as_json: bool) -> None:
    """Say who runs with this home."""
    home = str(get_settings().home)
    async with running() as found:
        told = await found.status() if found is not None else {}
    if found is None:
        if as_json:
            print_json({"running": False, "home": home})
        else:
            output.print(f"no workbench is running with {home}; start one: python app.py, or llm-server")
        return
    about = {"running": True, "address": found.where, "pid": found.holder.pid, "home": home, **told}
    if as_json:
        print_json(about)
        return
    output.print(f"running at {found.where} (process {found.holder.pid}) for {told['uptime']}")
    output.print(f"models in memory: {', '.join(told['active_models']) or 'none'}")
    health = "" if told["success_rate"] is None else f", {told['success_rate']:.1%} of them answered"
    output.print(f"requests: {told['total_requests']}{health}")


async def test(model: str | None, as_json: bool, alone: bool) -> bool:
    """Ask a short question; whether all that were asked answered."""
    async with answering(alone=alone) as who:
        offered = await who.offered()
        if model is not None:
            targets = [chosen(offered, model)]
        else:
            targets = [one.name for one in offered if one.kind in TESTED] or [chosen(offered, None)]
        results = [await _tried(who, target) for target in targets]
    if as_json:
        print_json(results)
    else:
        rows = []
        for one in results:
            said = one["error"] or " ".join(one["said"].split())[:60]
            rows.append((one["model"], "yes" if one["answers"] else "no", f"{one['seconds']:.2f}", said))
        print_table(("model", "answers", "seconds", "said"), rows)
    return all(one["answers"] for one in results)


async def _tried(who: Answering, target: str) -> dict[str, Any]:
    began_at, pieces, error = time.monotonic(), [], None
    config = ModelConfig(temperature=0, max_tokens=8)
    try:
        async with contextlib.aclosing(who.answer(target, (Message("user", "Say OK."),), config, Told())) as answer:
            async for piece in answer:
                pieces.append(piece)
    except MultiLLMError as exc:
        error = str(exc)
    seconds = round(time.monotonic() - began_at, 3)
    return {"model": target, "answers": error is None, "seconds": seconds, "said": "".join(pieces), "error": error}
