"""Finding models and choosing among them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from multi_llm_comparator.core.exceptions import ModelNotFoundError
from multi_llm_comparator.core.home import CLUSTER_JOBS
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.settings import Settings, get_settings
from multi_llm_comparator.core.shipped import MODELS
from multi_llm_comparator.services.scan import stores
from multi_llm_comparator.services.scan.adapters import scan_jobs, with_adapters
from multi_llm_comparator.services.scan.folder import scan_folder
from multi_llm_comparator.services.scan.walk import ScanBudget

logger = logging.getLogger(__name__)

MAX_NOTES = 20


class ModelManager:
    """Finds models, and keeps what is available and what is chosen.

    A model's id comes from its path as scanned: a relative ``models_dir`` gives the same ids wherever the project lies.
    """

    def __init__(self, models_dir: str | Path = "models", *, settings: Settings | None = None) -> None:
        self.models_dir = Path(models_dir)
        self.available_models: list[ModelInfo] = []
        self.selected_models: list[ModelInfo] = []
        self.max_models = 4
        self.scan_notes: list[str] = []
        self._settings = settings
        self._scans = threading.Lock()
        self._scanned = threading.Event()
        self._ended = threading.Event()

    def scan_models(self, directory: str | Path | None = None) -> list[ModelInfo]:
        """List the models in ``pytorch/`` and ``gguf/`` of a folder, also those that cannot be loaded.

        Args:
            directory: the folder to scan, and nothing else; None means ``models_dir`` and whatever further places
                the settings switch on.

        Returns:
            All that was found within the scan's budget, each file once. :attr:`ModelInfo.problem` says why one cannot
            be loaded; :attr:`scan_notes` says afterwards what the scan left out.
        """
        with self._scans:
            self._scanned.clear()
            try:
                notes: list[str] = []
                self._ended.clear()
                models = self._scan_home(self.models_dir if directory is None else Path(directory), notes)
                if directory is None:
                    models += self._scan_further(notes)
                self.available_models = with_adapters(_each_once(models))
                self._keep_notes(notes)
            finally:
                self._scanned.set()
        return self.available_models.copy()

    @property
    def is_scanning(self) -> bool:
        """Whether the first scan is still to come to its end, or another one is at work."""
        return not self._scanned.is_set()

    def announce_scan(self) -> None:
        """A scan is about to begin in another thread: from now on :attr:`is_scanning` is true."""
        self._scanned.clear()

    def wait_for_scan(self, timeout_s: float) -> bool:
        """Wait for the first scan, and for one that is at work; whether it has ended in time."""
        return self._scanned.wait(timeout_s)

    def end_scan(self) -> None:
        """Have a scan that is at work come to its end; it keeps what it has found."""
        self._ended.set()

    def _budget(self) -> ScanBudget:
        """One for each place, so that none is left out for what another one leads to."""
        return ScanBudget(ended=self._ended)

    def _keep_notes(self, notes: list[str]) -> None:
        more = len(notes) - MAX_NOTES
        self.scan_notes = [*notes[:MAX_NOTES], *([f"... and {more} more places"] if more > 0 else [])]
        for note in self.scan_notes:
            logger.warning("scan: %s", note)

    def _scan_home(self, home: Path, notes: list[str]) -> list[ModelInfo]:
        models: list[ModelInfo] = []
        for kind in (ModelType.PYTORCH, ModelType.GGUF):
            folder = home / kind.value
            if folder.is_dir():
                models += scan_folder(folder, "models", kinds=frozenset({kind}), notes=notes, budget=self._budget())
        return models

    def _scan_further(self, notes: list[str]) -> list[ModelInfo]:
        settings = self._settings or get_settings()
        models: list[ModelInfo] = []
        if MODELS is not None:
            models += scan_folder(MODELS, "shipped", notes=notes, budget=self._budget())
        for folder in settings.extra_model_dirs:
            models += scan_folder(folder.expanduser(), str(folder), notes=notes, budget=self._budget())
        places: tuple[tuple[bool, Path, Callable[[Path, list[str], ScanBudget], list[ModelInfo]]], ...] = (
            (settings.scan_hf_cache, stores.hugging_face_root(), stores.scan_hugging_face),
            (settings.scan_ollama, stores.ollama_root(), stores.scan_ollama),
            (settings.scan_lm_studio, stores.lm_studio_root(), stores.scan_lm_studio),
        )
        for is_wanted, root, scan in places:
            if is_wanted and root.is_dir():
                models += scan(root, notes, self._budget())
            elif is_wanted:
                notes.append(f"{str(root)!r} was not found; switch the place off in the settings, or set its variable")
        # Those of a cluster lie here where its machine is this one, or the homes are shared.
        for jobs in ("jobs", CLUSTER_JOBS):
            models += scan_jobs(settings.home / jobs, self._budget())
        return models

    def select_models(self, model_ids: list[str]) -> bool:
        """Choose the models to compare.

        Returns:
            Whether all ids were known; the known ones are chosen in any case.

        Raises:
            ValueError: more than :attr:`max_models`; the choice stays as it was.
        """
        if len(model_ids) > self.max_models:
            raise ValueError(f"Cannot select more than {self.max_models} models, not {len(model_ids)}")
        found = [self.get_model_by_id(model_id) for model_id in model_ids]
        self.selected_models = [model for model in found if model is not None]
        return None not in found

    def get_model_by_id(self, model_id: str) -> ModelInfo | None:
        """The model with this id, or None."""
        return next((model for model in self.available_models if model.id == model_id), None)

    def find(self, target: str) -> ModelInfo | None:
        """The model with this id or name, or None; of several with one name, the only one that can be loaded."""
        known = self.get_model_by_id(target)
        if known is not None:
            return known
        named = [model for model in self.available_models if model.name == target]
        loadable = [model for model in named if model.is_loadable]
        candidates = named if len(named) == 1 else loadable
        return candidates[0] if len(candidates) == 1 else None

    def context_length(self, target: str) -> int | None:
        """How many tokens the model with this id or name was made for; None if it does not say."""
        model = self.find(target)
        return (model.config.get("context_length") or None) if model else None

    def unique_name(self, target: str) -> str:
        """The name of the model with this id, where the name finds it again; anything else as it is."""
        model = self.get_model_by_id(target)
        return model.name if model is not None and self.find(model.name) is model else target

    def get(self, target: str) -> ModelInfo:
        """Like :meth:`find`.

        Raises:
            ModelNotFoundError: no such model, or several of that name; it says what there is.
        """
        found = self.find(target)
        if found is not None:
            return found
        same = [f"{model.id} ({model.path})" for model in self.available_models if model.name == target]
        if same:
            raise ModelNotFoundError(f"several models are named {target!r}; use an id: {', '.join(same)}")
        names = [model.name for model in self.available_models if model.is_loadable]
        hint = did_you_mean(target, names) if names else "; none was found, scan first"
        raise ModelNotFoundError(f"no model has the id or name {target!r}{hint}")

    def get_available_models(self) -> list[ModelInfo]:
        """What the last scan found."""
        return self.available_models.copy()

    def get_selected_models(self) -> list[ModelInfo]:
        """What was chosen, in the order of choosing."""
        return self.selected_models.copy()


def _each_once(models: list[ModelInfo]) -> list[ModelInfo]:
    """Drop what was reached a second time, by a link or by overlapping folders; the first place wins."""
    seen: set[Path] = set()
    kept = []
    for model in models:
        real = _resolved(model.path)
        if real not in seen:
            seen.add(real)
            kept.append(model)
    return kept


def _resolved(path: str) -> Path:
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError):  # a link that leads to itself
        return Path(path)
