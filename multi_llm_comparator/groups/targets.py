"""What stands behind a name: the route of a request, worked out once for each snapshot of the configuration.

A target is a model, a group (``fast_group``), an echelon or sub-group (``fast_group.echelon1``), a pool or a node. Its
:class:`Route` is a list of stages; a stage is models of equal standing, tried in the order that its pool gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from multi_llm_comparator.core.exceptions import ModelNotFoundError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups.config import (
    Echelon,
    FallbackStrategy,
    GroupsConfig,
    Limited,
    ModelDeclaration,
)
from multi_llm_comparator.groups.limits import Level

DIRECT = "direct"
FALLBACK_GROUPS = "fallback_groups"
MAX_CACHED_ROUTES = 1000


@dataclass(frozen=True)
class Candidate:
    """One model as reached by one stage, with everything that limits it there."""

    model: str
    declaration: ModelDeclaration
    target: str
    group: str | None
    levels: tuple[Level, ...]
    max_retries: int


@dataclass(frozen=True)
class Stage:
    """Models of equal standing. ``rule`` says why a request would come here: a strategy, or its direct target."""

    target: str
    rule: str
    pool: str | None
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Route:
    """All the places a request to ``target`` may go, in order.

    ``longer`` are all models of the same groups, for a prompt that overflowed. ``system_prompt`` and
    ``max_tokens`` are a node's own. ``is_plain``: one local model asked by its own name, with nothing to fall back to.
    It gets one attempt and no breaker, so that its own error shows and it can be asked again at once; ``timeout_s`` is
    for waiting only, since loading and hanging have limits of their own. ``overflows``: a request that finds no room
    in one stage takes what is free in the next ones.
    """

    target: str
    stages: tuple[Stage, ...]
    timeout_s: float
    by_provider: bool = False
    longer: tuple[Candidate, ...] = ()
    system_prompt: str = ""
    max_tokens: int | None = None
    is_plain: bool = False
    overflows: bool = False

    def models(self) -> set[str]:
        """Every model that may answer."""
        return {c.model for c in (*(c for stage in self.stages for c in stage.candidates), *self.longer)}

    def shaped(self, request: GenerationRequest) -> GenerationRequest:
        """The request with a node's own system prompt (unless it has one) and token limit."""
        changes: dict[str, Any] = {}
        if self.system_prompt and not request.config.system_prompt:
            changes["system_prompt"] = self.system_prompt
        if self.max_tokens is not None:
            changes["max_tokens"] = self.max_tokens
        return replace(request, config=replace(request.config, **changes)) if changes else request


# Who is asked where nobody is named: what falls back by itself before what does not.
ASKED_FIRST = ("group", "pool", "endpoint", "local")


class Targets:
    """Resolves names against one snapshot."""

    def __init__(self, config: GroupsConfig) -> None:
        self.config = config
        self._routes: dict[tuple[str, tuple[str, ...]], Route] = {}

    def route(self, target: str, fallback_groups: Iterable[str] = ()) -> Route:
        """The route of ``target``, with ``fallback_groups`` after its own.

        Raises:
            ModelNotFoundError: a group or echelon that the configuration does not have.
        """
        key = (target, tuple(fallback_groups))
        found = self._routes.get(key)
        if found is None:
            found = self._build(*key)
            if len(self._routes) < MAX_CACHED_ROUTES:
                self._routes[key] = found
        return found

    def _build(self, target: str, fallbacks: tuple[str, ...]) -> Route:
        node = self.config.nodes.get(target)
        if node is None:
            route = self._own_route(target, ())
        else:
            level = level_of(f"node:{target}", node.config)
            route = self._own_route(node.config.llm_group, level)
            route = replace(
                route,
                target=target,
                timeout_s=node.config.timeout or route.timeout_s,
                system_prompt=node.config.system_prompt,
                max_tokens=node.config.max_tokens,
            )
            fallbacks = (*node.config.fallback_groups, *fallbacks)
        levels = () if node is None else level_of(f"node:{target}", node.config)
        more = [stage for ref in fallbacks for stage in self._stages(ref, FALLBACK_GROUPS, levels)]
        if node is None and not more and self.names_local_model(target):
            (stage,) = route.stages
            (candidate,) = stage.candidates
            return replace(
                route, stages=(replace(stage, candidates=(replace(candidate, max_retries=0),)),), is_plain=True
            )
        return replace(route, stages=(*route.stages, *more), longer=self._longer([*route.stages, *more], levels))

    def _own_route(self, target: str, node: tuple[Level, ...]) -> Route:
        group, echelon = self.parse(target)
        if group is None:
            return Route(target, tuple(self._stages(target, DIRECT, node)), self._timeout(None))
        entry = self.config.task_groups[group]
        order = entry.by_priority()
        first = echelon or order[0]
        strategy = entry.echelons[first].fallback_strategy or entry.fallback_strategy
        stages = [self._stage(group, first, strategy.value, node)]
        if strategy in (FallbackStrategy.ECHELON_DOWN, FallbackStrategy.PROVIDER_FAILOVER):
            lower = order[order.index(first) + 1 :]
            stages += [self._stage(group, name, strategy.value, node) for name in lower]
        rule = strategy.value if strategy is FallbackStrategy.GROUP_SWITCH else FALLBACK_GROUPS
        stages += [s for ref in entry.fallback_groups for s in self._stages(ref, rule, node)]
        by_provider = strategy is FallbackStrategy.PROVIDER_FAILOVER
        overflows = entry.when_full == "next"
        return Route(target, tuple(stages), self._timeout(entry.echelons[first]), by_provider, overflows=overflows)

    def _timeout(self, echelon: Echelon | None) -> float:
        return (echelon.timeout if echelon else None) or self.config.gateway.total_timeout_s

    def _stages(self, ref: str, rule: str, node: tuple[Level, ...]) -> list[Stage]:
        """Every stage of ``ref``, best first."""
        if ref in self.config.polling_pools:
            groups = self.config.polling_pools[ref].task_groups
            parts = [s for g in groups for s in self._stages(g, rule, node)]
            unique = {c.model: c for stage in reversed(parts) for c in reversed(stage.candidates)}
            return [Stage(ref, rule, ref, tuple(reversed(unique.values())))]
        group, echelon = self.parse(ref)
        if group is None:
            return [Stage(ref, rule, None, (self._candidate(ref, ref, None, None, node),))]
        names = [echelon] if echelon else self.config.task_groups[group].by_priority()
        return [self._stage(group, name, rule, node) for name in names]

    def _stage(self, group: str, echelon: str, rule: str, node: tuple[Level, ...]) -> Stage:
        target = f"{group}.{echelon}"
        models = self.config.task_groups[group].echelons[echelon].models
        candidates = tuple(self._candidate(model, target, group, echelon, node) for model in models)
        return Stage(target, rule, self.config.pool_of(group), candidates)

    def _candidate(
        self, model: str, target: str, group: str | None, echelon: str | None, node: tuple[Level, ...]
    ) -> Candidate:
        declaration = self.config.declaration(model)
        levels = [*node, *level_of(f"model:{model}", declaration)]
        retries = 1
        if group is not None and echelon is not None:
            entry = self.config.task_groups[group]
            own = entry.echelons[echelon]
            retries = own.max_retries
            pool = self.config.polling_pools.get(self.config.pool_of(group) or "")
            limiting = pool.rate_limiting if pool else None
            for key, limited in ((f"echelon:{target}", own), (f"group:{group}", entry)):
                levels += level_of(
                    key,
                    limited,
                    algorithm=limiting.algorithm if limiting else "sliding_window",
                    rates=limiting.enabled if limiting else True,
                )
        return Candidate(model, declaration, target, group, tuple(sorted(levels, key=lambda level: level.key)), retries)

    def _longer(self, stages: list[Stage], node: tuple[Level, ...]) -> tuple[Candidate, ...]:
        """Every model of the route's groups, for prompts that overflowed."""
        groups = dict.fromkeys(c.group for stage in stages for c in stage.candidates if c.group)
        every = (c for g in groups for stage in self._stages(g, "context_overflow", node) for c in stage.candidates)
        return tuple(every)

    def names_local_model(self, name: str) -> bool:
        """Whether ``name`` as a target means the local model of that name: no group, pool, node or other model."""
        config = self.config
        if name in config.models:
            return not config.models[name].is_remote and config.models[name].local in (None, name)
        if name in config.nodes or name in config.polling_pools:
            return False
        return name.partition(".")[0] not in config.task_groups

    def parse(self, ref: str) -> tuple[str | None, str | None]:
        """Split a reference into group and echelon; (None, None) for what is a model.

        Raises:
            ModelNotFoundError: a known group without such an echelon, or a name that looks like a group's and is none.
        """
        groups = self.config.task_groups
        if ref in self.config.models or ref in self.config.polling_pools:
            return None, None
        group, dot, echelon = ref.partition(".")
        if group not in groups:
            return None, None
        if not dot:
            return group, None
        if echelon not in groups[group].echelons:
            known = ", ".join(groups[group].by_priority())
            raise ModelNotFoundError(f"the group {group!r} has no echelon {echelon!r}; it has {known}")
        return group, echelon

    def _declared(self) -> dict[str, str]:
        """Whatever the snapshot says something of, with its place in the file."""
        return {
            **{name: f"models.{name}" for name in self.config.models},
            **{f"{g}.{e}": f"task_groups.{g}" for g, entry in self.config.task_groups.items() for e in entry.echelons},
            **{name: f"nodes.{name}" for name in self.config.nodes},
        }

    def problems(self) -> list[str]:
        """What only shows when the routes are followed: a name that is read as an echelon which its group lacks."""
        found: dict[str, None] = {}
        for ref, place in self._declared().items():
            try:
                self.route(ref)
            except ModelNotFoundError as exc:
                found[f"{place}: {exc}"] = None
        return list(found)

    def levels(self) -> dict[str, Level]:
        """Every level of the snapshot that limits something, by its key."""
        routes = [self.route(ref) for ref in self._declared()]
        found = [level for r in routes for s in r.stages for c in s.candidates for level in c.levels]
        return {level.key: level for level in sorted(found, key=lambda level: level.key)}


def level_of(key: str, limited: Limited, *, algorithm: str = "sliding_window", rates: bool = True) -> tuple[Level, ...]:
    """The limits of ``limited`` as one level, or nothing if it has none."""
    rpm, tpm = (limited.rpm_limit, limited.tpm_limit) if rates else (None, None)
    if limited.concurrency_limit is None and rpm is None and tpm is None:
        return ()
    return (Level(key, limited.concurrency_limit, rpm, tpm, algorithm),)
