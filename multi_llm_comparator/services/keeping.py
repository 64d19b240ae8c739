"""How long each model stays in memory, and how many requests it decodes together, as the settings say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.core.settings import MAX_SLOTS, ModelServing, Settings, get_settings, save_settings
from multi_llm_comparator.services.slot_tuning import Speeds


class Keeping:
    """What the settings say of each model, by its id or its name; :meth:`follow` takes new settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def follow(self, settings: Settings) -> None:
        """These settings hold from now on."""
        self._settings = settings

    def of(self, model: ModelInfo) -> ModelServing:
        """What is set for this model itself."""
        own = self._settings.model_serving
        return own.get(model.id) or own.get(model.name) or ModelServing()

    def is_pinned(self, model: ModelInfo) -> bool:
        """Whether it stays in memory whatever others need."""
        return self.of(model).pinned

    def idle_unload_s(self, model: ModelInfo) -> float | None:
        """Seconds of idleness after which it is unloaded; None means never for that reason."""
        own = self.of(model)
        if own.pinned:
            return None
        after_s = self._settings.idle_unload_s if own.idle_unload_s is None else own.idle_unload_s
        return after_s or None

    def slots(self, model: ModelInfo, first: int, speeds: Speeds) -> int:
        """How many of its requests are decoded together: the number that is set for it, or as ``speeds`` tell."""
        own = self.of(model).slots
        if own is not None:
            return own
        return speeds.best(first, max(first, MAX_SLOTS)) if self._settings.tune_slots else first

    @property
    def at_start(self) -> tuple[str, ...]:
        """The ids and names of models that are loaded when the workbench starts."""
        return tuple(target for target, own in self._settings.model_serving.items() if own.at_start)


def changed_keeping(target: str, changes: Mapping[str, Any], as_all: Collection[str] = ()) -> ModelServing:
    """How the model of this name is kept, changed; nothing is written.

    Args:
        target: its name.
        changes: values by the names of :class:`ModelServing`.
        as_all: names of what is to be as for all models again.

    Raises:
        ConfigurationError: a name or a value that cannot be.
    """
    if unknown := [name for name in as_all if name not in ModelServing.model_fields]:
        raise ConfigurationError(
            f"{unknown[0]!r} is not kept of a model; there are {', '.join(ModelServing.model_fields)}"
        )
    known = get_settings().model_serving.get(target) or ModelServing()
    kept = {name: value for name, value in known.model_dump().items() if name not in as_all}
    return checked(ModelServing, {**kept, **changes})


def save_keeping(target: str, own: ModelServing) -> Settings:
    """Write how the model of this name is kept into the settings, which are then to be followed.

    Raises:
        ConfigurationError: they cannot be written so.
    """
    kept = {**get_settings().model_serving, target: own}
    written = {name: one.model_dump(exclude_defaults=True) for name, one in kept.items()}
    return save_settings({"model_serving": {name: one for name, one in written.items() if one}})
