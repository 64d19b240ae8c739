"""What ``llm-cooperation share`` does: links and bundles, as under *Export* of a run's page."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from multi_llm_comparator.cli.consoles import messages, output, print_json, say
from multi_llm_comparator.cli.display import show_while
from multi_llm_comparator.cli.export import language_of
from multi_llm_comparator.cli.running_models import everything
from multi_llm_comparator.cli.runs import stored
from multi_llm_comparator.comparison.importing import MAX_IMPORT_BYTES
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.file_names import file_stem
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.home import running_in
from multi_llm_comparator.core.readable import iso_time
from multi_llm_comparator.core.reading import read_given
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.headless import COMMAND_LINE, opened_alone, scanned_models
from multi_llm_comparator.sharing.links import DAY_S, SharedLink, SharedLinks
from multi_llm_comparator.voting.documents import KIND as VOTE
from multi_llm_comparator.wiring import Services

ZIP = b"PK"


async def link(work: Services, run_id: str, days: float, as_json: bool) -> None:
    """Raises RunNotFoundError; ConfigurationError: too many links."""
    await stored(work, run_id)
    made, path = _links().make(run_id, days * DAY_S)
    told = _told(made, path)
    if as_json:
        print_json(told)
        return
    output.print(told["address"] or path)
    messages.print(f"until {iso_time(made.expires_at)}; take it back: llm-cooperation share take-back {made.id}")
    if told["address"] is None:
        messages.print("no workbench runs with this home; put the address of one before it")


async def list_links(work: Services, run_id: str | None, as_json: bool) -> None:
    """Those that are not over."""
    links = _links()
    found = [_told(one, links.path_of(one)) for one in (links.of_run(run_id) if run_id else links.all())]
    if as_json:
        print_json(found)
        return
    for one in found:
        output.print(
            f"{one['id']}  {one['run_id']}  until {iso_time(one['expires_at'])}  {one['address'] or one['path']}"
        )


async def take_back(work: Services, link_id: str, as_json: bool) -> None:
    """Raises ConfigurationError: there is no such link."""
    if link_id not in {one.id for one in _links().all()}:
        raise ConfigurationError(f"there is no link {link_id!r}; see: llm-cooperation share list")
    _links().take_back(link_id)
    say(f"{link_id} shows nothing any more", as_json, {"taken_back": link_id})


async def bundle(work: Services, run_id: str, to: Path | None, language: str, as_json: bool) -> None:
    """Raises RunNotFoundError; ConfigurationError: runs of its kind are not bundled."""
    words = language_of(language)
    run = await stored(work, run_id)
    data = await work.shared.bundle(run.kind, run_id, words)
    path = (to or Path()).expanduser()
    if path.is_dir():
        path = path / f"{file_stem(run.kind, run.created_at, run.title, run_id)}.zip"
    write_atomically(path, data)
    say(f"written: {path}", as_json, {"run_id": run_id, "written": str(path), "size_bytes": len(data)})


async def look(file: Path, as_json: bool) -> None:
    """Raises DocumentError: it cannot be read."""
    data = read_given(file, MAX_IMPORT_BYTES)
    # Groups and endpoints count too; nobody is asked.
    async with opened_alone(scanned_models(), lambda engine: engine, origin=COMMAND_LINE) as work:
        manifest, here = await work.shared.look(data)
    if as_json:
        differences = [asdict(one) for one in here.differences]
        print_json({"manifest": manifest, "is_complete": here.is_complete, "differences": differences})
        return
    output.print(f"{manifest.kind}: {manifest.title[:200]}, {len(manifest.prompts)} prompts")
    for one in here.differences:
        there, own = one.there[:24] or "–", one.here[:24] or "–"
        output.print(f"{one.kind}: {one.what[:120]} (there {there}, here {own})")
    if not here.differences:
        output.print("models and versions are the same here")


async def open_file(work: Services, file: Path, as_json: bool) -> None:
    """Raises DocumentError: it is neither a bundle nor an export of a comparison."""
    data = read_given(file, MAX_IMPORT_BYTES)
    is_bundle = data.startswith(ZIP)
    run_id = await work.shared.open_run(data) if is_bundle else (await work.comparisons.import_run(data)).id
    say(f"kept as {run_id}; read it: llm-cooperation export {run_id} -f md -o -", as_json, {"run_id": run_id})


async def again(file: Path, as_json: bool, alone: bool) -> bool:
    """Raises DocumentError: it cannot be read; ConfigurationError: a model that answered there is not here."""
    data = read_given(file, MAX_IMPORT_BYTES)
    async with everything(alone=alone) as work:
        kind, run_id = await work.shared.run_again(data)
        if kind == VOTE:
            # It waits for votes, which are given in a command of their own.
            await work.runs.stop(run_id)
            say(f"vote: llm-cooperation vote continue {run_id}", as_json, {"run_id": run_id, "kind": kind})
            return True
        run = await work.comparisons.get(run_id)
        try:
            await show_while(run.wait(), lambda: f"{run.stage}: {run.title[:80]}")
        except BaseException:
            await work.runs.stop(run_id)
            raise
        state = run.state
    say(f"{state}: {run_id}", as_json, {"run_id": run_id, "kind": kind, "state": state})
    return state == "done"


def _links() -> SharedLinks:
    return SharedLinks(get_settings().home)


def _told(one: SharedLink, path: str) -> dict[str, Any]:
    """A link with its address on the workbench that runs with this home; None where none does."""
    holder = running_in(get_settings().home)
    address = None if holder is None else holder.address.rstrip("/") + path
    return {**one.model_dump(), "path": path, "address": address}
