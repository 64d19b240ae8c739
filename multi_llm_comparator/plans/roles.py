"""From a configuration to targets: which model plays which part, and how the gateway reaches it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.reading import read_text
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups.config import GroupsConfig
from multi_llm_comparator.groups.config_loader import parse_config as parse_groups
from multi_llm_comparator.groups.config_loader import read_yaml
from multi_llm_comparator.plans.config import CooperationConfig
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.options import PlanOptions

MAX_KEY_BYTES = 4096
# The setting of a model that stands in no file but was named on the command line.
TYPED = "--model"


@dataclass(frozen=True)
class Role:
    """A part to be played: the setting that names its model, and where that model is when it is not here."""

    setting: str
    name: str
    base_url: str | None
    key_path: str | None
    key_setting: str


@dataclass(frozen=True)
class Reach:
    """What the gateway is configured with, and the variables that hold the keys it needs.

    Keys are in no report and no message: they travel as ``SecretStr`` up to the environment of this process.
    """

    groups: dict[str, Any]
    keys: dict[str, SecretStr]


@dataclass(frozen=True)
class Cast:
    """Who plays what, and how they are reached."""

    reach: Reach
    options: PlanOptions
    judge: str | None


FindLocal = Callable[[str], str | None]


def cast_roles(config: CooperationConfig, find_local: FindLocal, local_names: Iterable[str] = ()) -> Cast:
    """Find out who plays which part.

    A name is, in this order: one of the task groups' file (a group, an echelon, a pool, a node or a declared model), a
    local model, or what the endpoint of its base URL calls it.

    Args:
        config: what the user wrote.
        find_local: what the engine calls the model of this name (or folder) on this machine; None if there is none.
        local_names: names of the models here, to suggest where one was mistyped.

    Raises:
        ConfigurationError: all names that stand for nothing, and all keys that cannot be read, one a line.
    """
    casting = _Casting(_task_groups(config), find_local, local_names)
    small, large, router, judge = (casting.target(role) for role in _roles(config))
    reach = casting.reach()
    assert small and large and router
    executor = ExecutorOptions(
        small_model=small,
        large_model=large,
        threshold=config.models.threshold,
        enable_threshold=config.models.enable_threshold,
        workers=config.system.workers,
        result_after=config.system.result_after,
    )
    options = PlanOptions(
        executor=executor,
        router_model=router,
        planner_prompt=config.models.planner_prompt,
        planner_grammar=config.models.planner_grammar,
        # Thoughts can only be kept where there are some.
        planner_thinks=config.models.planner_thinks or config.dataset.build.save_thinking,
        aggregation=config.system.aggregation,
    )
    return Cast(reach, options, judge)


def cast_one(
    config: CooperationConfig, name: str | None, find_local: FindLocal, local_names: Iterable[str] = ()
) -> tuple[Reach, str]:
    """How a single model is reached: as the part that names it in the file, else at the large model's endpoint.

    Args:
        name: the model, as typed behind ``--model``; None is the large one.

    Returns:
        How to reach it, and the target to ask.

    Raises:
        ConfigurationError: as :func:`cast_roles`, for this model alone.
    """
    casting = _Casting(_task_groups(config), find_local, local_names)
    small, large, router, judge = _roles(config)
    role = large
    if name is not None:
        known = {role.name: role for role in (judge, router, large, small) if role is not None}
        # Whatever part it plays in the file, what may be mistyped is what was typed.
        role = replace(known.get(name, large), setting=TYPED, name=name)
    target = casting.target(role)
    reach = casting.reach()
    assert target is not None
    return reach, target


def _roles(config: CooperationConfig) -> tuple[Role, Role, Role, Role | None]:
    models, api, evaluation = config.models, config.api, config.evaluation
    small = Role("models.small_model", models.small_model, api.small_api_base_url, api.small_key_path, "api.small")
    large = Role("models.large_model", models.large_model, api.large_api_base_url, api.large_key_path, "api.large")
    if models.use_local_router:
        assert models.local_router_model is not None
        url = api.local_router_base_url
        # A local server asks for no key as a rule; where one is given for the router, it is the server's.
        router = Role("models.local_router_model", models.local_router_model, url, api.router_key_path, "api.router")
    else:
        url = api.router_api_base_url
        router = Role("models.router_model", models.router_model, url, api.router_key_path, "api.router")
    judge = None
    if evaluation.enabled and evaluation.model:
        judge = Role("evaluation.model", evaluation.model, evaluation.api_base_url, evaluation.key_path, "evaluation")
    return small, large, router, judge


class _Casting:
    """Collects declarations, keys and problems over all roles."""

    def __init__(self, groups: Mapping[str, Any], find_local: FindLocal, local_names: Iterable[str]) -> None:
        self._groups = groups
        self.declared: dict[str, dict[str, str]] = {}
        self.keys: dict[str, SecretStr] = {}
        self.problems: list[str] = []
        self._config = parse_groups(groups, "task groups")
        self._find_local, self._local_names = find_local, local_names

    def target(self, role: Role | None) -> str | None:
        if role is None:
            return None
        if _is_known(self._config, role.name):
            return role.name
        if local := self._find_local(role.name):
            return local
        if role.base_url is None:
            known = [*self._local_names, *self._config.task_groups, *self._config.models]
            self.problems.append(
                f"{role.setting}: {role.name!r} is neither a model in {str(get_settings().models_dir.resolve())!r} "
                "(MLC_MODELS_DIR names another folder) nor a task group, and no base URL of an endpoint is given for it"
                f"{did_you_mean(role.name, known)}"
            )
            return None
        return self._declare(role, role.base_url)

    def reach(self) -> Reach:
        """What all the parts together need.

        Raises:
            ConfigurationError: all problems, one a line.
        """
        if self.problems:
            raise ConfigurationError("\n".join(self.problems))
        models = {**_mapping(self._groups.get("models")), **self.declared}
        return Reach({**self._groups, "models": models}, self.keys)

    def _declare(self, role: Role, url: str) -> str:
        declaration = {"provider": role.key_setting.rpartition(".")[2], "base_url": url, "model": role.name}
        if role.key_path and (key := self._key(role, role.key_path)):
            variable = f"MLC_KEY_OF_{re.sub(r'[^a-z]+', '_', role.setting.strip('-')).upper()}"
            same = next((v for v, k in self.keys.items() if k.get_secret_value() == key.get_secret_value()), None)
            declaration["key"] = f"env:{same or variable}"
            self.keys.setdefault(same or variable, key)
        # The same model for two parts is one target; of the same name at two places it is two.
        name = role.name
        if name in self.declared and self._place(self.declared[name]) != self._place(declaration):
            name = f"{role.name} ({role.key_setting.rpartition('.')[2]})"
        self.declared.setdefault(name, declaration)
        return name

    def _place(self, declaration: Mapping[str, str]) -> tuple[str | None, str | None]:
        return declaration.get("base_url"), declaration.get("key")

    def _key(self, role: Role, path: str) -> SecretStr | None:
        try:
            return _read_key(Path(path).expanduser())
        except ConfigurationError as exc:
            # The path is not repeated: by mistake it may be the key itself.
            self.problems.append(f"{role.key_setting}{'.' if role.key_setting == 'evaluation' else '_'}key_path: {exc}")
            return None


def _read_key(path: Path) -> SecretStr:
    try:
        text = read_text(path, MAX_KEY_BYTES).strip()
    except OSError as exc:
        raise ConfigurationError(f"the file cannot be read: {exc.strerror}; it must hold the key on one line") from exc
    except ValueError as exc:
        raise ConfigurationError("the file is not text; it must hold the key on one line") from exc
    if len(text.split()) != 1:
        raise ConfigurationError("the file must hold the key on one line and nothing else")
    return SecretStr(text)


def _is_known(groups: GroupsConfig, name: str) -> bool:
    group, _, echelon = name.partition(".")
    if name in groups.models or name in groups.polling_pools or name in groups.nodes or name in groups.task_groups:
        return True
    return group in groups.task_groups and echelon in groups.task_groups[group].echelons


def reach_without(config: CooperationConfig | None = None) -> Reach:
    """Only what the task groups' file says: enough for targets that need no endpoint of the configuration."""
    return Reach(_task_groups(config) if config else {}, {})


def _task_groups(config: CooperationConfig) -> dict[str, Any]:
    path = config.system.task_groups
    return read_yaml(Path(path)) if path and Path(path).exists() else {}


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
