"""What ``llm-cooperation distill`` does: a model writes training data, a person reviews it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from multi_llm_comparator.cli.answering import Here, chosen
from multi_llm_comparator.cli.consoles import messages, output, print_json, say
from multi_llm_comparator.cli.display import follow
from multi_llm_comparator.cli.running_models import everything
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.reading import read_text
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.training.data.distill import (
    DistillOptions,
    DistillPrompt,
    Review,
    make_prompts,
    read_prompts,
    write_training_file,
)
from multi_llm_comparator.training.data.distillation import Distillation
from multi_llm_comparator.wiring import Services

LINE_CHARS = 80
MAX_LINES_BYTES = 16 * 2**20


async def start(
    file: Path, model: str, system: str, parameters: Mapping[str, Any], *, as_json: bool, alone: bool
) -> bool:
    """Have all prompts answered; whether all of them are.

    Raises:
        DocumentError: there are no prompts, or the file cannot be read.
        ModelNotFoundError: nobody has that name.
    """
    prompts = _prompts(file.expanduser())
    async with everything(alone=alone) as work:
        found = work.models.find(model)
        target = found.id if found is not None else model if ":" in model else chosen(await Here(work).offered(), model)
        asked = {"target": target, "system_prompt": system, "parameters": dict(parameters)}
        return await _followed(work, await work.distillations.start(prompts, checked(DistillOptions, asked)), as_json)


def _prompts(file: Path) -> tuple[DistillPrompt, ...]:
    """Of a plain text one a line, of anything else as the page reads it."""
    if file.suffix.lower() != ".txt":
        return read_prompts(file)
    try:
        lines = read_text(file, MAX_LINES_BYTES).splitlines()
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{str(file)!r} cannot be read: {exc}") from exc
    return make_prompts([(Message("user", line.strip()),) for line in lines if line.strip()])


async def go_on(run_id: str, *, as_json: bool, alone: bool) -> bool:
    """Raises RunNotFoundError, RunAtWorkError."""
    async with everything(alone=alone) as work:
        return await _followed(work, await work.runs.resume(run_id, Distillation), as_json)


async def _followed(work: Services, run: Distillation, as_json: bool) -> bool:
    def standing() -> str:
        now = run.snapshot()
        return f"{now.done} of {len(now.prompts)} answered, {now.failed} failed"

    await follow(work.runs, run, standing, "distill continue")
    now = run.snapshot()
    told = {"run_id": run.id, "state": run.state, "prompts": len(now.prompts), "done": now.done, "failed": now.failed}
    steps = f"llm-cooperation distill show {run.id}, then distill review, and distill write {run.id} FILE"
    say(f"{standing()}; look at them: {steps}", as_json, told)
    return run.state == "done"


async def show(work: Services, run_id: str, as_json: bool) -> None:
    """Raises RunNotFoundError."""
    run = (await work.distillations.get(run_id)).snapshot()
    rows = [
        {
            "key": prompt.key,
            "prompt": "\n".join(message.content for message in prompt.messages),
            "answer": run.answers[prompt.key].final,
            "state": run.answers[prompt.key].state,
            "review": run.answers[prompt.key].review,
            "is_cut": run.answers[prompt.key].is_cut,
            "error": run.answers[prompt.key].error,
        }
        for prompt in run.prompts
    ]
    if as_json:
        print_json({"run_id": run_id, "state": run.state, "answers": rows})
        return
    for row in rows:
        said = row["answer"] if row["state"] == "done" else f"({row['state']}) {row['error']}"
        output.print(f"{row['key']}  {row['review']:<8}  {cut_line(str(row['prompt']), LINE_CHARS)}")
        output.print(f"    {cut_line(str(said), LINE_CHARS)}")


async def review(work: Services, run_id: str, key: str, verdict: str, text: str | None, as_json: bool) -> None:
    """Raises ConfigurationError: no such verdict; DocumentError: no such answer."""
    known = [one for one in get_args(Review) if one == verdict]
    if not known:
        raise ConfigurationError(f"{verdict!r} is no verdict; there are {', '.join(get_args(Review))}")
    run = await work.distillations.get(run_id)
    await run.review(key, known[0], text)
    say(f"{key}: {verdict}", as_json, {"run_id": run_id, "key": key, "review": verdict})


async def write(work: Services, run_id: str, file: Path, take_unreviewed: bool, as_json: bool) -> None:
    """Raises DocumentError: no answer is to be used; RunAtWorkError: it is still being written, elsewhere."""
    run = await work.distillations.get(run_id)
    if take_unreviewed:
        await run.take_unread()
    now = run.snapshot()
    count = write_training_file(file.expanduser(), now.pairs)
    told = {
        "answers": count,
        "taken_unreviewed": now.reviewed("taken"),
        "left_out": now.done - count,
        "rejected": now.reviewed("rejected"),
        "not_decided": now.reviewed("open"),
    }
    if now.can_be_taken:
        messages.print(f"{now.can_be_taken} that nobody has looked at could be used too: --take-unreviewed")
    messages.print(f"tune with: llm-cooperation tune --data_path {file}")
    said = (
        f"{count} answers are in {file}, {told['taken_unreviewed']} of them without having been looked at; "
        f"{told['left_out']} are left out: {told['rejected']} rejected, {told['not_decided']} not decided"
    )
    say(said, as_json, {"written": str(file), **told})
