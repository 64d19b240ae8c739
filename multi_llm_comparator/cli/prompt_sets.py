"""What ``llm-cooperation promptset`` does: prompt sets that are kept here, as files."""

from __future__ import annotations

from pathlib import Path

from multi_llm_comparator.cli.consoles import messages, output, print_json, say
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.core.reading import read_given
from multi_llm_comparator.evaluation.prompt_set_files import (
    FILE_FORMATS,
    MAX_FILE_BYTES,
    FileFormat,
    prompt_set_file,
    read_prompt_set,
)
from multi_llm_comparator.evaluation.prompt_sets import PromptRow, PromptSet
from multi_llm_comparator.evaluation.prompt_store import PromptSets


def list_sets(as_json: bool) -> None:
    if as_json:
        print_json([{"id": facts.id, "name": facts.name, "rows": facts.rows} for facts in PromptSets().list()])
        return
    for facts in PromptSets().list():
        output.print(f"{facts.id}  {facts.rows:>6} prompts  {facts.name}")


def import_set(file: Path, name: str | None, replaced: str | None, as_json: bool) -> None:
    """Raises ConfigurationError, DocumentError: the file cannot be read, or holds no prompts."""
    prompts = read_prompt_set(read_given(file, MAX_FILE_BYTES), file.name, file.expanduser().parent)
    earlier = _kept(replaced) if replaced is not None else None
    called = name or (earlier.name if earlier is not None else prompts.name)
    changes = {"name": called[:100], **({"id": earlier.id} if earlier is not None else {})}
    kept = PromptSets().save(prompts.model_copy(update=changes))
    if as_json:
        print_json({"id": kept.id, "name": kept.name, "rows": len(kept.rows)})
    else:
        output.print(kept.id)
    messages.print(f"{len(kept.rows)} prompts are kept as {kept.name!r}")


def add_prompt(name: str, prompt: str, compare: str, expected: str, tags: tuple[str, ...], as_json: bool) -> None:
    """Raises ConfigurationError: there is no such set, or the prompt cannot be in one."""
    row = checked(PromptRow, {"id": "0", "prompt": prompt, "compare": compare, "expected": expected, "tags": tags})
    kept = PromptSets().add_row(_kept(name).id, row)
    told = {"id": kept.id, "name": kept.name, "rows": len(kept.rows), "row": kept.rows[-1].id}
    say(f"{kept.name!r} has {len(kept.rows)} prompts now", as_json, told)


def export_set(name: str, to: Path, as_json: bool) -> None:
    prompts = _kept(name)
    write_atomically(to, prompt_set_file(prompts, _format(to)).decode())
    messages.print(f"written: {to}")
    if as_json:
        print_json({"id": prompts.id, "rows": len(prompts.rows), "written": str(to)})


def delete_set(name: str, as_json: bool) -> None:
    prompts = _kept(name)
    PromptSets().delete(prompts.id)
    messages.print(f"deleted: {prompts.name}")
    if as_json:
        print_json({"deleted": prompts.id, "name": prompts.name})


def _kept(name: str) -> PromptSet:
    """Raises ConfigurationError: there is none of this id or name."""
    prompts = PromptSets().find(name)
    if prompts is None:
        raise ConfigurationError(f"no prompt set {name!r} is kept here; see promptset list")
    return prompts


def _format(path: Path) -> FileFormat:
    found = [format for format in FILE_FORMATS if f".{format}" == path.suffix.lower()]
    if not found:
        raise ConfigurationError(f"{str(path)!r} must end in one of {', '.join(f'.{f}' for f in FILE_FORMATS)}")
    return found[0]
