"""``SystemConfig``: models and endpoints told in code, beside those of the configuration's file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.keys import remember_key, resolve_key
from multi_llm_comparator.groups.config import ModelDeclaration
from multi_llm_comparator.groups.config_loader import TASK_GROUPS_FILE, ConfigLoader, parse_config
from multi_llm_comparator.programs.load_balancing import pool_strategy

BASE_URL, API_KEY = "BASE_URL", "API_KEY"
MAX_MODELS = 1000
# A group of one model each, so that retries and time limits are those of ROUTING_CONFIG; and all of them in turn.
ONE, ALL, POOL = "one-", "all-models", "every-model"
_numbers = itertools.count(1)

_ROUTING: dict[str, tuple[Any, float, float]] = {
    "default_timeout": (600.0, 0.001, 86_400),
    "max_retries": (1, 0, 20),
    "performance_threshold": (0.95, 0, 1),
}
_MONITORING: dict[str, tuple[Any, float, float]] = {
    "metrics_interval": (5, 0, 3600),
    "health_check_interval": (30, 0.1, 86_400),
    "prometheus_port": (9090, 1, 65_535),
}


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """One model.

    Attributes:
        model_path: what its endpoint calls it, or the name of a model of this machine.
        api_base_url: its endpoint; None: that of :meth:`SystemConfig.update_api_config`, and without one it is local.
        declared: as the configuration's file has it; None for one that was told in code.
    """

    model_path: str
    api_base_url: str | None = None
    api_key: SecretStr | None = None
    supported_tasks: tuple[str, ...] = ()
    max_tokens: int | None = None
    temperature: float | None = None
    declared: Mapping[str, Any] | None = None


@dataclass
class ApiConfig:
    """The endpoint of models that have none of their own."""

    base_url: str | None = None
    api_key: SecretStr | None = None


@dataclass
class SystemConfig:
    """Models, how they are reached, and how they are asked.

    It begins with the models of the configuration's file, and with ``BASE_URL`` and ``API_KEY`` of the environment or a
    ``.env`` file. What is changed here is this object's; :meth:`programs.tools.APIConfigManager.save` changes the file.

    Attributes:
        MODELS: settings by name.
        API: the usual endpoint.
        ROUTING_CONFIG: ``default_timeout`` (s of a request), ``max_retries`` (of one model), ``load_balance_strategy``
            (``round_robin``, ``least_used``, ``weighted``; how :attr:`OpenAIEngine.inference` takes turns where no
            model is named), ``performance_threshold`` (share of answered calls below which a model is "degraded").
        MONITORING_CONFIG: ``metrics_interval`` (s for which a status is given again), ``health_check_interval`` (s),
            ``enable_prometheus`` and ``prometheus_port``, where an engine then shows its figures on 127.0.0.1.

    Raises:
        ConfigurationError: the configuration's file has a mistake.
    """

    MODELS: dict[str, ModelSettings] = field(default_factory=dict)
    API: ApiConfig = field(default_factory=ApiConfig)
    ROUTING_CONFIG: dict[str, Any] = field(default_factory=dict)
    MONITORING_CONFIG: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._file = _read_file()
        for name, entry in (self._file.get("models") or {}).items():
            self.MODELS.setdefault(name, _as_declared(name, entry or {}))
        self.API.base_url = self.API.base_url or _from_environment(BASE_URL)
        if self.API.api_key is None and (key := _from_environment(API_KEY)):
            self.API.api_key = SecretStr(key)
        usual = {name: usual for name, (usual, _, _) in _ROUTING.items()}
        self.ROUTING_CONFIG = {**usual, "load_balance_strategy": "round_robin", **self.ROUTING_CONFIG}
        usual = {name: usual for name, (usual, _, _) in _MONITORING.items()}
        self.MONITORING_CONFIG = {**usual, "enable_prometheus": False, **self.MONITORING_CONFIG}

    def update_api_config(self, base_url: str | None = None, api_key: str | None = None) -> None:
        """Say which endpoint answers for models that have none of their own; what is None stays.

        Raises:
            ConfigurationError: ``base_url`` is no address.
        """
        if base_url is not None:
            _declaration("API", {"base_url": base_url})
            self.API.base_url = base_url.rstrip("/")
        if api_key is not None:
            self.API.api_key = SecretStr(api_key)

    def add_custom_model(
        self,
        model_name: str,
        model_path: str,
        supported_tasks: Sequence[str] = (),
        *,
        api_base_url: str | None = None,
        api_key: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> None:
        """Add a model, or put another one in the place of that name.

        Raises:
            ConfigurationError: it cannot be declared so.
        """
        if len(self.MODELS) >= MAX_MODELS:
            raise ConfigurationError(f"a configuration has {MAX_MODELS} models at most")
        settings = ModelSettings(
            model_path=model_path,
            api_base_url=api_base_url,
            api_key=None if api_key is None else SecretStr(api_key),
            supported_tasks=tuple(supported_tasks),
            max_tokens=max_tokens,
            temperature=temperature,
        )
        _declaration(model_name, self._entry(settings, key=None))
        self.MODELS[model_name] = settings

    def remove_model(self, model_name: str) -> None:
        """Raises ConfigurationError: there is none of this name."""
        if self.MODELS.pop(model_name, None) is None:
            raise ConfigurationError(f"no model {model_name!r}; there are {', '.join(self.MODELS) or 'none'}")

    def groups(self) -> dict[str, Any]:
        """All of it as the gateway's configuration. Keys are put into this process's environment, by names that only
        the configuration knows.

        Raises:
            ConfigurationError: a setting that is unknown or out of its range.
        """
        routing = _within(self.ROUTING_CONFIG, "ROUTING_CONFIG", _ROUTING, {"load_balance_strategy"})
        monitoring = _within(self.MONITORING_CONFIG, "MONITORING_CONFIG", _MONITORING, {"enable_prometheus"})
        data = {name: value for name, value in self._file.items() if name != "models"}
        data["gateway"] = {**(data.get("gateway") or {}), "total_timeout_s": float(routing["default_timeout"])}
        data["models"] = {name: self._entry(one, self._key_of(one)) for name, one in self.MODELS.items()}
        groups: dict[str, Any] = dict(data.get("task_groups") or {})
        retries = int(routing["max_retries"])
        for number, name in enumerate(self.MODELS):
            groups[f"{ONE}{number}"] = {"only": {"models": [name], "max_retries": retries}}
        if self.MODELS:
            groups[ALL] = {
                "all": {"models": list(self.MODELS), "max_retries": retries},
                "fallback_strategy": "model_rotate",
            }
            data["polling_pools"] = {
                **(data.get("polling_pools") or {}),
                POOL: {
                    "task_groups": [ALL],
                    "rotation_strategy": pool_strategy(str(routing["load_balance_strategy"])),
                    "health_check_interval": float(monitoring["health_check_interval"]),
                },
            }
        data["task_groups"] = groups
        parse_config(data, "SystemConfig")
        return data

    def target_of(self, model_name: str) -> str | None:
        """What :meth:`groups` calls a model of ours, the pool of all for "", or None for a name that is not here."""
        if not model_name:
            return POOL if self.MODELS else None
        names = list(self.MODELS)
        return f"{ONE}{names.index(model_name)}" if model_name in self.MODELS else None

    def _entry(self, settings: ModelSettings, key: str | None) -> dict[str, Any]:
        if settings.declared is not None:
            return dict(settings.declared)
        tasks = {"supported_tasks": list(settings.supported_tasks)} if settings.supported_tasks else {}
        if (base_url := settings.api_base_url or self.API.base_url) is None:
            return {"local": settings.model_path, **tasks}
        remote = {"provider": "own", "base_url": base_url, "model": settings.model_path, **tasks}
        return {**remote, "key": key} if key else remote

    def _key_of(self, settings: ModelSettings) -> str | None:
        """The usual key goes to the usual endpoint only."""
        key = settings.api_key or (None if settings.api_base_url else self.API.api_key)
        if key is None or settings.declared is not None:
            return None
        remember_key(key)
        for name, value in os.environ.items():
            if name.startswith("MLC_PROGRAM_KEY_") and value == key.get_secret_value():
                return f"env:{name}"
        name = f"MLC_PROGRAM_KEY_{next(_numbers)}"
        os.environ[name] = key.get_secret_value()
        return f"env:{name}"


def _read_file() -> dict[str, Any]:
    loader = ConfigLoader()
    return loader.load(TASK_GROUPS_FILE) if loader.path_of(TASK_GROUPS_FILE).is_file() else {}


def _as_declared(name: str, entry: Mapping[str, Any]) -> ModelSettings:
    declared = _declaration(name, entry)
    return ModelSettings(
        model_path=declared.model or declared.local or name,
        api_base_url=declared.base_url,
        supported_tasks=declared.supported_tasks or declared.tags,
        declared=dict(entry),
    )


def _declaration(name: str, entry: Mapping[str, Any]) -> ModelDeclaration:
    """Raises ConfigurationError: it cannot be declared so."""
    return parse_config({"models": {name: dict(entry)}}, f"the model {name!r}").models[name]


def _from_environment(name: str) -> str | None:
    try:
        return resolve_key(f"env:{name}").get_secret_value()
    except ConfigurationError:
        return None


def _within(
    found: Mapping[str, Any], where: str, bounds: Mapping[str, tuple[Any, float, float]], others: set[str]
) -> dict[str, Any]:
    for name, value in found.items():
        if name in others:
            continue
        if name not in bounds:
            raise ConfigurationError(f"{where} has no {name!r}; it has {', '.join(sorted({*bounds, *others}))}")
        _, low, high = bounds[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigurationError(f"{where}[{name!r}] must be between {low:g} and {high:g}, not {value!r}")
    return dict(found)
