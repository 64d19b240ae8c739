"""What is otherwise here than where a bundle was made, and which models of this machine stand in for those of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.groups.config import GroupsConfig
from multi_llm_comparator.sharing.bundle import BundledModel, Manifest

# Candidates whose weights are hashed to find one model: hashing takes seconds for large ones.
MAX_HASHED = 8
DifferenceKind = Literal["missing", "weights", "unknown", "version"]


@dataclass(frozen=True, slots=True)
class Difference:
    """``missing``: no such model here, nothing can be asked of it. ``weights``: one of its name, with other weights.
    ``unknown``: its weights were not hashed there, or it is no local model. ``version``: of a library."""

    kind: DifferenceKind
    what: str
    there: str = ""
    here: str = ""


@dataclass(frozen=True, slots=True)
class Here:
    """``targets`` are the names here, by those of the bundle; those that are missing are not in it."""

    targets: dict[str, str]
    differences: tuple[Difference, ...]

    @property
    def is_complete(self) -> bool:
        """Whether everybody who answered there can be asked here."""
        return not any(one.kind == "missing" for one in self.differences)


def look_here(
    manifest: Manifest,
    models: Sequence[ModelInfo],
    fingerprint: Callable[[ModelInfo], str | None],
    versions: dict[str, str],
    is_known: Callable[[str], bool],
) -> Here:
    """Compare a bundle with this machine. Hashes model files: to be called in a thread.

    Args:
        manifest: of the bundle.
        models: those of this machine.
        fingerprint: hashes a model's weights.
        versions: of libraries here.
        is_known: whether a name can be asked that is no local model: a group, a plan, a remote model.
    """
    targets: dict[str, str] = {}
    found: list[Difference] = []
    for model in manifest.models:
        if model.target in targets:
            continue
        target, difference = _stand_in(model, models, fingerprint, is_known)
        if target is not None:
            targets[model.target] = target
        if difference is not None and difference not in found:
            found.append(difference)
    for name, there in manifest.versions.items():
        if (here := versions.get(name, "")) != there:
            found.append(Difference("version", name, there, here))
    return Here(targets, tuple(found))


def _stand_in(
    model: BundledModel,
    models: Sequence[ModelInfo],
    fingerprint: Callable[[ModelInfo], str | None],
    is_known: Callable[[str], bool],
) -> tuple[str | None, Difference | None]:
    named = [one for one in models if one.name == model.name or one.id == model.target]
    same_size = [one for one in models if one not in named and one.size == model.size_bytes]
    if model.fingerprint is not None:
        for one in [*named, *same_size][:MAX_HASHED]:
            if _hash(one, fingerprint) == model.fingerprint:
                return one.id, None
    if named:
        kind: DifferenceKind = "weights" if model.fingerprint is not None else "unknown"
        return named[0].id, Difference(kind, model.name, model.fingerprint or "", _hash(named[0], fingerprint) or "")
    if is_known(model.target):
        return model.target, Difference("unknown", model.name)
    return None, Difference("missing", model.name, model.fingerprint or "")


def is_named(config: GroupsConfig, name: str) -> bool:
    """Whether the task groups' file has a name: a group or an echelon of one, a remote model, a pool, a node."""
    group, _, echelon = name.partition(".")
    found = config.task_groups.get(group)
    if found is not None and (not echelon or echelon in found.echelons):
        return True
    return any(name in names for names in (config.models, config.polling_pools, config.nodes))


def _hash(model: ModelInfo, fingerprint: Callable[[ModelInfo], str | None]) -> str | None:
    try:
        return fingerprint(model)
    except (MultiLLMError, OSError):
        return None


def missing(differences: Iterable[Difference]) -> list[str]:
    """The names of what cannot be asked here."""
    return [one.what for one in differences if one.kind == "missing"]
