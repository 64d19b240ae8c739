"""One model that somebody names by its path."""

from __future__ import annotations

from pathlib import Path

from multi_llm_comparator.core.exceptions import ModelNotFoundError, UnsupportedModelError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.scan.folder import scan_folder
from multi_llm_comparator.services.scan.gguf_files import gguf_entry, group_parts
from multi_llm_comparator.services.scan.projectors import with_projectors


def model_at(path: str | Path) -> ModelInfo:
    """The checkpoint in a folder, or the GGUF file.

    Raises:
        ModelNotFoundError: there is none, or several.
        UnsupportedModelError: there is one that cannot be loaded, with the reason.
    """
    path = Path(path)
    if path.is_file() and path.suffix.lower() == ".gguf":
        beside = [other for other in path.parent.glob("*.gguf") if "mmproj" in other.name.lower() and other != path]
        listed = with_projectors([gguf_entry(files, "") for files in group_parts([path, *beside])])
        found = [model for model in listed if model.path == str(path)]
    elif path.is_dir():
        found = scan_folder(path, "")
        here = [model for model in found if Path(model.path).resolve() == path.resolve()]
        found = here or [model for model in found if model.model_type is not ModelType.CUSTOM]
    else:
        raise ModelNotFoundError(f"{str(path)!r} is neither a folder nor a GGUF file; check the path")
    if len(found) != 1:
        what = "no model" if not found else f"{len(found)} models ({', '.join(model.name for model in found[:5])})"
        raise ModelNotFoundError(f"{str(path)!r} holds {what}; give the path of one checkpoint or GGUF file")
    if found[0].problem:
        raise UnsupportedModelError(f"{found[0].name!r} cannot be loaded: {found[0].problem}")
    return found[0]
