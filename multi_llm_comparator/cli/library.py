"""What ``llm-cooperation prompt`` and ``parameters`` do: what a user keeps to ask with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from multi_llm_comparator.cli.consoles import output, print_json, say
from multi_llm_comparator.comparison.presets import MAX_FILE_BYTES, Presets
from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.reading import read_given
from multi_llm_comparator.evaluation.prompt_library import MAX_PROMPTS, PromptLibrary
from multi_llm_comparator.evaluation.prompt_sets import MAX_PROMPT_CHARS

LINE_CHARS = 80


def list_prompts(text: str, as_json: bool) -> None:
    library = PromptLibrary()
    found = library.search(text, MAX_PROMPTS) if text else library.list()
    if as_json:
        print_json([prompt.model_dump() for prompt in found])
        return
    for prompt in found:
        tags = f"  [{', '.join(prompt.tags)}]" if prompt.tags else ""
        output.print(f"{prompt.name}{tags}  {cut_line(prompt.text, LINE_CHARS)}")


def show_prompt(name: str, as_json: bool) -> None:
    """Raises ConfigurationError: there is none of that name."""
    known = {prompt.name: prompt for prompt in PromptLibrary().list()}
    _check(name, list(known), "no prompt is saved as")
    if as_json:
        print_json(known[name].model_dump())
    else:
        output.print(known[name].text)


def save_prompt(name: str, text: str | None, tags: tuple[str, ...], as_json: bool) -> None:
    """Raises ConfigurationError: nothing to keep, or too much."""
    if text is None and sys.stdin.isatty():
        raise ConfigurationError("there is nothing to keep: give --text, or pipe the prompt in")
    kept = PromptLibrary().save(name, sys.stdin.read(MAX_PROMPT_CHARS + 1).strip() if text is None else text, tags)
    say(f"saved: {kept.name}", as_json, kept.model_dump())


def delete_prompt(name: str, as_json: bool) -> None:
    """Raises ConfigurationError: there is none of that name."""
    _check(name, [prompt.name for prompt in PromptLibrary().list()], "no prompt is saved as")
    PromptLibrary().delete(name)
    say(f"deleted: {name}", as_json, {"deleted": name})


def list_parameters(as_json: bool) -> None:
    found = Presets().list()
    if as_json:
        print_json([{"name": one.name, "parameters": dict(one.parameters), "note": one.note} for one in found])
        return
    for one in found:
        values = ", ".join(f"{name} {value}" for name, value in one.parameters.items())
        output.print(f"{one.name}  {values}{f'  ({one.note})' if one.note else ''}")


def save_parameters(name: str, values: Sequence[str], note: str, as_json: bool) -> None:
    """Raises ConfigurationError: a parameter that there is not, or out of its range."""
    kept = Presets().save(name, dict(map(_parameter, values)), note)
    say(f"saved: {kept.name}", as_json, {"name": kept.name, "parameters": dict(kept.parameters), "note": kept.note})


def _parameter(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigurationError(f"{text[:80]!r} is no parameter; write NAME=VALUE, such as temperature=0.2")
    try:
        return name, parse_yaml(value.encode())
    except ValueError as exc:
        raise ConfigurationError(f"the value of {name!r} is not readable: {exc}") from exc


def delete_parameters(name: str, as_json: bool) -> None:
    """Raises ConfigurationError: there are none of that name."""
    _check(name, [one.name for one in Presets().list()], "no parameters are saved as")
    Presets().delete(name)
    say(f"deleted: {name}", as_json, {"deleted": name})


def export_parameters(file: Path, names: Sequence[str] | None, as_json: bool) -> None:
    """Raises ConfigurationError: there are none of a name."""
    known = [one.name for one in Presets().list()]
    for name in names or ():
        _check(name, known, "no parameters are saved as")
    write_atomically(file.expanduser(), Presets().export(names))
    say(f"written: {file}", as_json, {"written": str(file), "names": list(names or known)})


def import_parameters(file: Path, as_json: bool) -> None:
    """Raises DocumentError, ConfigurationError: it is no such file."""
    added = Presets().import_(read_given(file, MAX_FILE_BYTES))
    say(f"added: {', '.join(added) or 'nothing, all of it is here'}", as_json, {"added": list(added)})


def _check(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        raise ConfigurationError(f"{what} {name!r}{did_you_mean(name, list(known))}")
