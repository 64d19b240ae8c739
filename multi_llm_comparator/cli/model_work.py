"""What ``llm-cooperation model`` does: one model of this machine, and the memory of the workbench that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multi_llm_comparator.cli.answering import running
from multi_llm_comparator.cli.beside import tell, the_running
from multi_llm_comparator.cli.consoles import messages, output, print_json, print_table, say
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.readable import size
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.core.settings import ModelServing, get_settings
from multi_llm_comparator.headless import scanned_models
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.keeping import changed_keeping, save_keeping
from multi_llm_comparator.services.memory_manager import MemoryEstimate, MemoryManager
from multi_llm_comparator.services.model_files import delete_model, id_at, places_of, rename_model, roots_of
from multi_llm_comparator.services.model_notes import ModelNotes

NO_MEMORY = "there is no memory to look into, to load into or to unload from"
# Long, or of use to the estimate alone.
_HIDDEN = frozenset({"files", "lineage", "kv_bytes_per_token", "weight_bytes", "heads"})


async def show(name: str, n_ctx: int | None, as_json: bool) -> None:
    """Raises ModelNotFoundError."""
    models = scanned_models()
    model = models.get(name)
    note = _notes().of(model.id)
    needed = _estimate(model, n_ctx) if model.is_loadable else None
    kept = (get_settings().model_serving.get(models.unique_name(model.id)) or ModelServing()).model_dump()
    about: dict[str, Any] = {
        "id": model.id,
        "name": models.unique_name(model.id),
        "type": model.model_type.value,
        "path": model.path,
        "size_bytes": model.size,
        "is_loadable": model.is_loadable,
        "note": note.note,
        "tags": list(note.tags),
        "adapters": list(model.adapters),
        "known": {key: value for key, value in model.config.items() if key not in _HIDDEN},
        "kept": kept,
        "memory": None if needed is None else {**asdict(needed), "total_bytes": needed.total_bytes},
    }
    if as_json:
        print_json(about)
        return
    for key, value in (*about.items(), *about["known"].items()):
        if key not in ("known", "memory", "kept") and value not in (None, "", [], {}):
            output.print(f"{key:16} {value}")
    if needed is not None:
        output.print(f"{'memory':16} about {size(needed.total_bytes)}")


def _estimate(model: ModelInfo, n_ctx: int | None) -> MemoryEstimate:
    """What loading it takes, with so much context."""
    settings = get_settings()
    options = LoadOptions(n_ctx=n_ctx or recommended(model).n_ctx, parallel=settings.parallel_requests)
    return MemoryManager(settings.max_memory_gb, settings.memory_mode).estimate(model, options)


async def memory(as_json: bool) -> None:
    """Raises ConfigurationError: no workbench runs."""
    async with the_running(NO_MEMORY) as there:
        found = (await there.get("/api/memory"))["models"]
    if as_json:
        print_json(found)
        return
    print_table(("model", "state", "memory", "context", "answers", "kept"), map(_held, found))


def _held(one: Mapping[str, Any]) -> tuple[str, ...]:
    kept = ", ".join(f"{name} {value}" for name, value in one["kept"].items() if value)
    held = ("" if one["is_measured"] else "about ") + size(one["memory_bytes"])
    return one["model"], one["state"], held, str(one["n_ctx"]), str(one["active"]), kept


async def load(name: str, n_ctx: int | None, as_json: bool) -> None:
    """Raises ConfigurationError: no workbench runs."""
    async with the_running(NO_MEMORY) as there:
        found = await there.post("/api/memory/load", {"model": name, "n_ctx": n_ctx})
    (loaded, *_) = found["models"]
    say(f"{loaded['model']} is in memory: {size(loaded['memory_bytes'])}", as_json, loaded)


async def unload(name: str, force: bool, as_json: bool) -> None:
    """Raises ConfigurationError: no workbench runs."""
    async with the_running(NO_MEMORY) as there:
        found = await there.post("/api/memory/unload", {"model": name, "force": force})
    was = "is out of memory" if found["unloaded"] else "was not in memory"
    say(f"{found['model']} {was}", as_json, found)


async def keep(name: str, changes: Mapping[str, Any], as_all: Sequence[str], as_json: bool) -> None:
    """Change how a model is kept; where a workbench runs, it does so and follows at once."""
    models = scanned_models()
    target = models.unique_name(models.get(name).id)
    own = changed_keeping(target, changes, as_all)
    if changes or as_all:
        async with running() as there:
            if there is not None:
                await there.post("/api/memory/keep", {"model": target, **changes, "as_all": list(as_all)})
            else:
                save_keeping(target, own)
    told = ", ".join(f"{key} {value}" for key, value in own.model_dump().items() if value) or "as all models are"
    say(f"{target} is kept: {told}", as_json, {"model": target, **own.model_dump()})


async def note(name: str, text: str | None, tags: Sequence[str] | None, as_json: bool) -> None:
    """Keep what is given; the rest of what was written stays."""
    model, notes = scanned_models().get(name), _notes()
    kept = notes.of(model.id)
    if text is not None or tags is not None:
        kept = notes.keep(model.id, kept.note if text is None else text, kept.tags if tags is None else tags)
    if as_json:
        print_json({"model": model.name, "note": kept.note, "tags": list(kept.tags)})
        return
    for line in (kept.note, f"tags: {', '.join(kept.tags)}" if kept.tags else ""):
        if line:
            output.print(line)


async def rename(name: str, new_name: str, as_json: bool) -> None:
    """Rename its files; a workbench that runs puts it out of memory first, and looks for models anew."""
    model = scanned_models().get(name)
    await _set_free(model)
    path = rename_model(model, new_name, roots_of(get_settings()))
    _notes().move(model.id, id_at(model, path))
    await tell(models=True)
    say(f"{model.name} is now {path}", as_json, {"model": model.name, "path": str(path), "id": id_at(model, path)})


async def delete(name: str, is_sure: bool, as_json: bool) -> None:
    """Raises ConfigurationError: nobody said to be sure, or its files are not the workbench's to delete."""
    model, roots = scanned_models().get(name), roots_of(get_settings())
    places = [str(place) for place in places_of(model, roots)]
    if not is_sure:
        raise ConfigurationError(f"this deletes {', '.join(places)} ({size(model.size)}) for good; say so with --yes")
    await _set_free(model)
    freed = delete_model(model, roots)
    _notes().forget(model.id)
    await tell(models=True)
    told = {"deleted": model.name, "paths": places, "freed_bytes": freed}
    say(f"deleted: {model.name}, {size(freed)}", as_json, told)


async def _set_free(model: ModelInfo) -> None:
    """Have a running workbench take it out of memory. Raises ProviderUnavailableError: it is answering there."""
    async with running() as there:
        if there is None:
            return
        held = (await there.get("/api/memory"))["models"]
        if any(one["id"] == model.loaded_as.id for one in held):
            await there.post("/api/memory/unload", {"model": model.id})
            messages.print(f"{model.name} is taken out of the memory of {there.where}")


def _notes() -> ModelNotes:
    return ModelNotes.in_home(Path(get_settings().home))
