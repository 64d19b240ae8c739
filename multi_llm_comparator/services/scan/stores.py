"""Where other programs keep models: the Hugging Face cache, Ollama, LM Studio."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.scan.entry import model_entry
from multi_llm_comparator.services.scan.fields import recommended
from multi_llm_comparator.services.scan.folder import scan_folder
from multi_llm_comparator.services.scan.gguf_files import GgufSet, gguf_entry
from multi_llm_comparator.services.scan.projectors import give_projector
from multi_llm_comparator.services.scan.reading import read_json
from multi_llm_comparator.services.scan.walk import ScanBudget, Walk

HUGGING_FACE, OLLAMA, LM_STUDIO = "Hugging Face cache", "Ollama", "LM Studio"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_OLLAMA_LAYER = "application/vnd.ollama.image."
_MAX_MANIFESTS = 5_000


def hugging_face_root() -> Path:
    """Where huggingface_hub keeps its cache, by the variables that it obeys."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return (Path(home).expanduser() if home else cache / "huggingface") / "hub"


def ollama_root() -> Path:
    """Ollama's store of this user, or that of the service that its Linux installer sets up."""
    if named := os.environ.get("OLLAMA_MODELS"):
        return Path(named).expanduser()
    own, service = Path("~/.ollama/models").expanduser(), Path("/usr/share/ollama/.ollama/models")
    return service if service.is_dir() and not own.is_dir() else own


def lm_studio_root() -> Path:
    """LM Studio's store, in its present place or that of older versions."""
    own, older = Path("~/.lmstudio/models").expanduser(), Path("~/.cache/lm-studio/models").expanduser()
    return older if older.is_dir() and not own.is_dir() else own


def scan_hugging_face(root: Path, notes: list[str], budget: ScanBudget | None = None) -> list[ModelInfo]:
    """The current revision of each cached model; checkpoints are named as on the Hub, ``owner/name``."""
    models: list[ModelInfo] = []
    for repository in sorted(root.glob("models--*")):
        snapshot = _current_snapshot(repository)
        if snapshot is None:
            continue
        for model in scan_folder(snapshot, HUGGING_FACE, notes=notes, budget=budget):
            if model.path == str(snapshot):
                model.name = repository.name.removeprefix("models--").replace("--", "/")
            models.append(model)
    return models


def _current_snapshot(repository: Path) -> Path | None:
    """The snapshot that ``main`` points to, else the newest."""
    try:
        main = repository / "refs" / "main"
        if main.is_file() and main.stat().st_size <= 256:
            named = repository / "snapshots" / Path(main.read_text(encoding="utf-8", errors="replace").strip()).name
            if named.is_dir() and named.parent.name == "snapshots":
                return named
        snapshots = [path for path in (repository / "snapshots").iterdir() if path.is_dir()]
        return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)
    except (OSError, ValueError):
        return None


def scan_ollama(root: Path, notes: list[str], budget: ScanBudget | None = None) -> list[ModelInfo]:
    """Ollama's models, named ``model:tag`` as Ollama does; their weights are GGUF blobs named by their hash."""
    budget = budget or ScanBudget()
    return [_ollama_entry(root, manifest) for manifest in _manifests(root / "manifests", notes, budget)]


def _manifests(folder: Path, notes: list[str], budget: ScanBudget) -> Iterator[Path]:
    """Manifests lie at registry/namespace/model/tag."""
    seen = 0
    for inner in Walk(max_depth=5, budget=budget, notes=notes).folders(folder):
        for path in inner.files:
            if len(path.relative_to(folder).parts) == 4 and not path.name.startswith("."):
                seen += 1
                if seen > _MAX_MANIFESTS:
                    notes.append(f"{str(folder)!r} holds more than {_MAX_MANIFESTS} manifests; the rest was left out")
                    return
                if budget.spent():
                    return
                yield path


def _ollama_entry(root: Path, manifest: Path) -> ModelInfo:
    _, namespace, model, tag = manifest.parts[-4:]
    name = f"{model}:{tag}" if namespace == "library" else f"{namespace}/{model}:{tag}"
    try:
        layers = _layers(read_json(manifest))
        weights = _blob(root, layers, "model")
        if weights is None:
            raise ModelLoadError("its manifest names no GGUF weights; only such models of Ollama's can be run")
    except ModelLoadError as exc:
        config = {"source": OLLAMA, "file_format": "Ollama manifest", "files": [], "problem": str(exc)}
        return model_entry(name, manifest, ModelType.GGUF, size=0, config=config)
    entry = gguf_entry(GgufSet(name, (weights,), 1), OLLAMA)
    _add_ollama_extras(entry, root, layers)
    return entry


def _layers(manifest: dict[str, Any]) -> dict[str, str]:
    """Layer kind to digest, of those layers that are as they should be."""
    listed = manifest.get("layers")
    found: dict[str, str] = {}
    for layer in listed[:100] if isinstance(listed, list) else ():
        if not isinstance(layer, dict):
            continue
        kind, digest = layer.get("mediaType"), layer.get("digest")
        # A digest becomes a file name: anything but a plain hash could lead elsewhere.
        if isinstance(kind, str) and isinstance(digest, str) and _DIGEST.fullmatch(digest):
            found.setdefault(kind.removeprefix(_OLLAMA_LAYER), digest)
    return found


def _blob(root: Path, layers: dict[str, str], kind: str) -> Path | None:
    digest = layers.get(kind)
    return root / "blobs" / digest.replace(":", "-") if digest else None


def _add_ollama_extras(entry: ModelInfo, root: Path, layers: dict[str, str]) -> None:
    """Recommended parameters, and a word about parts that are not used here."""
    parameters = _blob(root, layers, "params")
    if parameters is not None:
        try:
            stored = read_json(parameters)
        except ModelLoadError:
            stored = {}
        known: dict[str, Any] = {
            name: stored[name] for name in ("temperature", "top_k", "top_p", "repeat_penalty") if name in stored
        }
        entry.config["generation"] = {**entry.config.get("generation", {}), **recommended(known)}
    blob = _blob(root, layers, "projector")
    vision = gguf_entry(GgufSet(entry.name, (blob,), 1), OLLAMA) if blob is not None else None
    is_of_use = vision is not None and vision.config.get("is_projector") is True
    unused = [kind for kind in ("adapter", "projector") if kind in layers and not (kind == "projector" and is_of_use)]
    if unused:
        entry.config["warnings"] = [f"its {kind} is not used here" for kind in unused]
    give_projector(entry, vision if is_of_use else None)


def scan_lm_studio(root: Path, notes: list[str], budget: ScanBudget | None = None) -> list[ModelInfo]:
    """LM Studio keeps plain files as publisher/model/file."""
    return scan_folder(root, LM_STUDIO, notes=notes, budget=budget)
