"""What ``llm-cooperation compare`` does: the same prompt to several models, side by side, kept as a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.table import Table
from rich.text import Text

from multi_llm_comparator.cli.answering import Here, Offered, chosen
from multi_llm_comparator.cli.attached import document, stored_image
from multi_llm_comparator.cli.compare_app import Asked
from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.cli.display import show_while
from multi_llm_comparator.cli.running_models import everything
from multi_llm_comparator.cli.talking import question_of
from multi_llm_comparator.comparison.attached import with_documents
from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.presets import Presets
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot
from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.constraints import MAX_CHARACTERS, Constraint
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.reading import read_given
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.wiring import Services

LINE_CHARS = 60
_STYLES = {"done": "green", "failed": "red", "stopped": "yellow"}


async def compare(asked: Asked) -> bool:
    """Whether all answers to the last prompt are whole.

    Raises:
        ConfigurationError: nothing is asked, or nobody.
        ModelNotFoundError, RunNotFoundError: there is no such model or run.
    """
    _check(asked)
    prompts = [] if asked.again is not None else asked.prompt or [question_of(None)]
    images = [await stored_image(path) for path in asked.image or ()]
    if asked.file:
        documents = [await document(path) for path in asked.file]
        prompts = [with_documents(prompts[0], documents), *prompts[1:]]
    async with everything(alone=asked.alone) as work:
        run = await _begun(work, asked)
        try:
            if asked.again is not None:
                await show_while(run.wait(), lambda: standing(run))
            for number, prompt in enumerate(prompts):
                await _ask(run, prompt, asked.repeats, images if not number else ())
        except BaseException:
            await run.stop()
            await run.wait()
            messages.print(f"stopped; what was answered is kept: llm-cooperation runs show {run.id}")
            raise
        snapshot = run.snapshot()
    tell_turns(snapshot, len(prompts) or len(snapshot.turns), as_json=asked.as_json)
    return snapshot.status == "done"


def _check(asked: Asked) -> None:
    """Raises ConfigurationError: options that do not go together."""
    if asked.model and asked.is_old:
        raise ConfigurationError("--continue and --again ask the models of that comparison; leave --model out")
    if not asked.model and not asked.is_old:
        raise ConfigurationError("there is nobody to ask: give --model, once for each")
    given = (*_given(asked).values(), asked.parameters or None, asked.regex, asked.schema)
    if asked.is_old and any(value is not None for value in given):
        raise ConfigurationError("--continue and --again ask with the parameters of that comparison; leave them out")
    if asked.again and (asked.prompt or asked.image or asked.file or asked.go_on):
        raise ConfigurationError("--again asks what was asked; leave --query, --image, --file and --continue out")
    if asked.regex is not None and asked.schema is not None:
        raise ConfigurationError("--regex and --schema both say what answers are; give one of them")
    if asked.at_turn is not None and not asked.go_on:
        raise ConfigurationError("--at-turn goes with --continue")


def _given(asked: Asked) -> dict[str, Any]:
    """Parameters by name, None where as recommended."""
    return {
        "temperature": asked.temperature,
        "max_tokens": asked.max_tokens,
        "seed": asked.seed,
        "system_prompt": asked.system,
    }


async def _begun(work: Services, asked: Asked) -> Comparison:
    if asked.again is not None:
        return await work.comparisons.rerun(asked.again, same_seeds=not asked.new_seeds)
    if asked.go_on is not None and asked.at_turn is not None:
        return await work.comparisons.branch(asked.go_on, asked.at_turn - 1)
    if asked.go_on is not None:
        return await work.comparisons.get(asked.go_on)
    offered = await Here(work).offered()
    constraint = _constraint(asked)
    panes = [
        replace(_pane(work, offered, name, sets, _given(asked)), constraint=constraint)
        for name, sets in _with_sets(asked)
    ]
    return await work.comparisons.create(panes, title=asked.title, in_turn=asked.in_turn)


def _constraint(asked: Asked) -> Constraint | None:
    """What answers are held to. Raises ConfigurationError, DocumentError: it cannot be meant."""
    if asked.regex is not None:
        return Constraint(regex=asked.regex)
    if asked.schema is None:
        return None
    schema = read_json(read_given(asked.schema, MAX_CHARACTERS), repr(str(asked.schema)), MAX_CHARACTERS)
    return Constraint.of_schema(schema)


def _with_sets(asked: Asked) -> list[tuple[str, str | None]]:
    """Each model with the name of its set of parameters. Raises ConfigurationError: neither one nor one for each."""
    models, sets = asked.model or [], asked.parameters or []
    if len(sets) not in (0, 1, len(models)):
        raise ConfigurationError(f"--parameters is given {len(sets)} times for {len(models)} models; one for each")
    if len(sets) < 2:
        return [(name, sets[0] if sets else None) for name in models]
    return list(zip(models, sets, strict=True))


def _pane(work: Services, offered: list[Offered], name: str, parameters: str | None, given: Mapping[str, Any]) -> Pane:
    """Raises ModelNotFoundError, ConfigurationError: no such model, or parameters."""
    model = work.models.find(name)
    if model is None and ":" not in name:
        chosen(offered, name)
    config, by_hand = recommended(model), frozenset[str]()
    if parameters is not None:
        preset = Presets().load(parameters)
        config, by_hand = preset.apply(config), frozenset(preset.parameters)
    chosen_now = {key: value for key, value in given.items() if value is not None}
    pane = Pane.new(model.id if model is not None else name)
    return pane.with_parameters(replace(config, **chosen_now), by_hand | frozenset(chosen_now))


async def _ask(run: Comparison, prompt: str, repeats: int, images: Sequence[StoredImage]) -> None:
    await run.send(prompt, repeats=repeats, images=images)
    await show_while(run.wait(), lambda: standing(run))


def standing(run: Comparison) -> Table:
    """How far each answer is."""
    snapshot = run.snapshot()
    table = Table(box=None, padding=(0, 1), show_header=False)
    for answer in snapshot.turns[-1].answers.values() if snapshot.turns else ():
        speed = answer.figures.tokens_per_second
        rate = f"{speed:.1f} tokens/s" if speed else ""
        state = Text(answer.progress.state, _STYLES.get(answer.progress.state, "cyan"))
        tail = " ".join(answer.text[-4 * LINE_CHARS :].split())[-LINE_CHARS:]
        table.add_row(
            Text(answer.model_name, "bold"), state, f"{answer.figures.tokens} tokens", rate, Text(tail, "dim")
        )
    return table


def tell_turns(snapshot: ComparisonSnapshot, turns: int, *, as_json: bool, pane_id: str | None = None) -> None:
    """The last so many turns; with ``pane_id`` only that pane's answers."""
    last = snapshot.turns[-turns:] if turns else ()
    shown = [(one.prompt, [a for key, a in one.answers.items() if pane_id in (None, key)]) for one in last]
    if as_json:
        told = [{"prompt": prompt, "answers": [_told(one) for one in answers]} for prompt, answers in shown]
        print_json({"run_id": snapshot.id, "state": snapshot.status, "turns": told})
        return
    for prompt, answers in shown:
        messages.print(f"> {cut_line(prompt, LINE_CHARS)}", style="dim")
        for answer in answers:
            of = answer.figures
            speed = f", {of.tokens_per_second:.1f} tokens/s" if of.tokens_per_second else ""
            first = f", first token after {of.ttft_s:.2f} s" if of.ttft_s is not None else ""
            output.print(Text(f"{answer.model_name}  ({of.tokens} tokens{speed}{first})", "bold"))
            output.print(answer.text or f"no answer: {answer.progress.error}")
            output.print()
    messages.print(f"run: {snapshot.id}; export it: llm-cooperation export {snapshot.id}", style="dim")


def _told(answer: AnswerSnapshot) -> dict[str, Any]:
    return {
        "model": answer.model_name,
        "target": answer.target,
        "text": answer.text,
        "thought": answer.thought,
        "state": answer.progress.state,
        "error": answer.progress.error,
        "seed": answer.progress.seed,
        "fingerprint": answer.model.fingerprint,
        "figures": asdict(answer.figures),
    }
