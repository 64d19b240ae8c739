"""Deleting and renaming the files of a model that was found: only what lies below a folder of models."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.hub_files import is_plain

MAX_NAME_CHARS = 120


def roots_of(settings: Settings) -> list[Path]:
    """The folders whose models are the user's to change here."""
    return [settings.models_dir, *(folder.expanduser() for folder in settings.extra_model_dirs)]


def id_at(model: ModelInfo, path: Path) -> str:
    """The id that a scan will give ``model`` once it lies at ``path``, beside where it lay."""
    return ModelInfo("", "", str(Path(model.path).with_name(path.name)), model.model_type, 0).id


def places_of(model: ModelInfo, roots: Iterable[Path]) -> list[Path]:
    """What would be deleted: a checkpoint's or an adapter's folder, or the files of a GGUF model.

    Raises:
        ConfigurationError: they are another program's, a job's, or reached by a link: not the workbench's to change.
    """
    path = Path(model.path)
    places = [path] if path.is_dir() or model.base is not None else _parts(model)
    for place in places:
        _refuse_outside(place, model, list(roots))
    return places


def _parts(model: ModelInfo) -> list[Path]:
    parts = [Path(file) for file in model.config.get("files") or ()]
    return [part for part in parts if part.suffix.lower() == ".gguf"] or [Path(model.path)]


def _refuse_outside(place: Path, model: ModelInfo, roots: list[Path]) -> None:
    if place.is_symlink():
        raise ConfigurationError(f"{str(place)!r} is a link to another place; change it there")
    here = place.resolve()
    if not any(root.resolve() in here.parents for root in roots):
        source = model.config.get("source") or "another place"
        raise ConfigurationError(
            f"{model.name!r} lies in {str(here.parent)!r} ({source}), which is no folder of models of this workbench; "
            "delete or rename it with the program that put it there, or delete the job that made it"
        )
    # Kinds have their folders, which stay.
    if any(here.parent == root.resolve() and here.name in {kind.value for kind in ModelType} for root in roots):
        raise ConfigurationError(f"{str(here)!r} is the folder of all models of a kind")


def delete_model(model: ModelInfo, roots: Iterable[Path]) -> int:
    """Delete a model's files for good; how many bytes that freed. Nobody may have it loaded.

    Raises:
        ConfigurationError: see :func:`places_of`; or the system refuses.
    """
    freed = 0
    for place in places_of(model, roots):
        try:
            if place.is_dir():
                freed += sum(file.lstat().st_size for file in place.rglob("*") if file.is_file())
                shutil.rmtree(place)
            else:
                freed += place.lstat().st_size
                place.unlink()
        except OSError as exc:
            raise ConfigurationError(
                f"{exc.filename or str(place)!r} cannot be deleted: {exc.strerror or exc}; check who may write there"
            ) from exc
    return freed


def rename_model(model: ModelInfo, name: str, roots: Iterable[Path]) -> Path:
    """Give a model's folder or file another name, without its ending; the new path. Nobody may have it loaded.

    Raises:
        ConfigurationError: the name is none for a file, is taken, or the model has several files; see
            :func:`places_of`.
    """
    wanted = name.strip()
    if not wanted or len(wanted) > MAX_NAME_CHARS or "/" in wanted or ":" in wanted or not is_plain(wanted):
        raise ConfigurationError(
            f"{name[:80]!r} cannot be the name of a file everywhere; use letters, digits, dots, dashes and spaces"
        )
    places = places_of(model, roots)
    if len(places) > 1:
        raise ConfigurationError(f"{model.name!r} has {len(places)} parts whose names belong together; rename none")
    (place,) = places
    ending = "" if place.is_dir() else place.suffix
    target = place.with_name(wanted.removesuffix(ending) + ending)
    if target.exists():
        raise ConfigurationError(f"{str(target)!r} is there already; choose another name")
    try:
        return place.rename(target)
    except OSError as exc:
        raise ConfigurationError(f"{str(place)!r} cannot be renamed: {exc.strerror or exc}") from exc
