"""The vision parts of GGUF models (mmproj files): which belongs to which model of its folder."""

from __future__ import annotations

import re
from collections.abc import Sequence

from multi_llm_comparator.core.models import ModelInfo

MISSING = (
    "it may see images, with its vision part: an mmproj file, which is not beside it; fetch it from where the model is "
    "from"
)
UNLIKE = (
    "the vision part beside it, {name!r}, is of another model: it gives {gives} numbers for each part of an image, and "
    "this one takes {takes}"
)
# What names of files say of anything but the model.
_COMMON = re.compile(r"^(mmproj|model|gguf|instruct|chat|it|b?f\d+|i?q\d.*|k|m|s|l|xl|ud|\d)$")


def with_projectors(entries: Sequence[ModelInfo]) -> list[ModelInfo]:
    """The models of one folder, each with its vision part, if one is there; those parts are no models of their own.

    Where nothing else lies beside them they are listed, with what they are as the reason that they cannot be loaded.
    """
    projectors = [entry for entry in entries if entry.config.get("is_projector")]
    models = [entry for entry in entries if not entry.config.get("is_projector")]
    writing = [model for model in models if not model.problem]
    for model in writing:
        give_projector(model, _of(model, projectors, writing), projectors)
    return models if writing else list(entries)


def give_projector(model: ModelInfo, projector: ModelInfo | None, beside: Sequence[ModelInfo] = ()) -> None:
    """Note in a model's entry which vision part it has, or what is wrong with those beside it."""
    may_see = model.config.pop("may_see", False)
    if projector is not None:
        model.config |= {"sees_images": True, "projector": projector.path, "projector_bytes": projector.size}
    elif may_see:
        takes = model.config.get("hidden_size")
        near = [one for one in beside if _likeness(model, one)]
        gives = near[0].config.get("projection_size") if near else None
        why = UNLIKE.format(name=f"{near[0].name}.gguf", gives=gives, takes=takes) if gives else MISSING
        model.config["warnings"] = [*model.config.get("warnings", ()), why]


def _of(model: ModelInfo, projectors: Sequence[ModelInfo], models: Sequence[ModelInfo]) -> ModelInfo | None:
    """Of those that fit, the one whose name is most like the model's; the smallest of several files of the same."""
    fitting = [one for one in projectors if _fits(model, one)]
    if len({(m.config.get("architecture"), m.config.get("hidden_size")) for m in models}) > 1:
        # Several kinds of models lie here: then only its name tells whose it is.
        fitting = [one for one in fitting if _likeness(model, one)]
    return min(fitting, key=lambda one: (-_likeness(model, one), one.size, one.name), default=None)


def _fits(model: ModelInfo, projector: ModelInfo) -> bool:
    """Whether it gives vectors of the model's width. Some kinds give several for each part, one after the other."""
    gives, takes = projector.config.get("projection_size"), model.config.get("hidden_size")
    return not gives or not takes or gives % takes == 0


def _likeness(model: ModelInfo, projector: ModelInfo) -> int:
    return len(_words(model.name) & _words(projector.name))


def _words(name: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9.]+", name.lower()) if word and not _COMMON.match(word)}
