"""What `_task_groups.yaml` may say, typed. One file is read into one frozen :class:`GroupsConfig`, swapped whole."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.groups.schedulers import scheduler_names

Count = Annotated[int, Field(strict=True, gt=0, le=1_000_000_000)]
Retries = Annotated[int, Field(strict=True, ge=0, le=20)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Dollars = Annotated[float, Field(ge=0, le=1_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
# A dot separates a group from its echelon, so neither name may hold one; a model's name may.
_PLAIN, _KEY, _REDIS = r"^[^\s.]+$", r"^(env|store):\S+$", r"^env:\S+$|^rediss?://[^@]*$|^unix://[^@]*$"
Plain = Annotated[str, Field(pattern=_PLAIN, max_length=100)]
# What each of these asks for, in words.
PATTERNS = {
    _PLAIN: "a name without spaces and dots: a dot separates a group from its level",
    _KEY: "'env:NAME' for an environment variable or 'store:NAME' for a key of the Settings page, never the key itself",
    _REDIS: "'env:NAME', or an address such as 'redis://127.0.0.1:6379' without user and password",
}


class FallbackStrategy(StrEnum):
    """Where a request goes when the model it reached fails before its first text."""

    ECHELON_DOWN = "echelon_down"
    MODEL_ROTATE = "model_rotate"
    PROVIDER_FAILOVER = "provider_failover"
    GROUP_SWITCH = "group_switch"


class Limited(ClosedModel):
    """Limits of one level; an absent one does not limit. Requests and tokens are counted per minute."""

    concurrency_limit: Count | None = None
    rpm_limit: Count | None = None
    tpm_limit: Count | None = None


class Price(ClosedModel):
    """US dollars for a million tokens."""

    input_per_mtok: Dollars
    output_per_mtok: Dollars


class ModelDeclaration(Limited):
    """One model: local by name (no ``base_url``), or behind an OpenAI-compatible endpoint."""

    provider: Name = "local"
    local: Name | None = Field(default=None, description="id or name of the local model, where it differs")
    base_url: str | None = None
    model: Name | None = Field(default=None, description="the endpoint's own id of the model")
    key: str | None = Field(default=None, pattern=_KEY)
    price: Price | None = None
    tags: tuple[Plain, ...] = ()
    supported_tasks: tuple[Plain, ...] = Field(default=(), description="kinds of task that it is good at, for routing")
    context_length: Count | None = None
    weight: Count = 1
    sampling: Literal["openai", "extended", "none"] = Field(
        default="openai", description="which sampling parameters the endpoint takes; reasoning models often take none"
    )
    grammar: Literal["none", "openai", "llama-server", "vllm"] = Field(
        default="none",
        description="which constraints the endpoint takes: JSON schemas (openai), also GBNF (llama-server), all (vllm)",
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    echoes: bool = Field(default=False, description="its completions show log-probabilities of a prompt (echo)")
    connect_timeout_s: Seconds = 5.0
    first_token_timeout_s: Seconds | None = None
    stall_timeout_s: Seconds | None = Field(default=None, description="seconds without any more text")
    total_timeout_s: Seconds | None = None

    @property
    def is_remote(self) -> bool:
        return self.base_url is not None

    @property
    def origin(self) -> str:
        """Whose answers these are: another one under the same name is another model."""
        return f"{self.base_url} {self.model or ''}" if self.is_remote else self.local or ""

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// address such as 'http://127.0.0.1:8000/v1'")
        if parts.username or parts.password or parts.query:
            raise ValueError("must hold no user, password or query; give the key as 'env:NAME' or 'store:NAME'")
        return url.rstrip("/")


# These of a model's fields say how an endpoint is spoken to; a local model has none of them.
ENDPOINT_FIELDS = {"model", "key", "sampling", "grammar", "max_tokens_field", "echoes"}


class Echelon(Limited):
    """Models of one level of a group, or of one named sub-group."""

    models: tuple[Name, ...] = Field(min_length=1)
    priority: int = 1
    timeout: Seconds | None = Field(default=None, description="total seconds of a request that enters here")
    max_retries: Retries = 1
    fallback_strategy: FallbackStrategy | None = None


class Budget(ClosedModel):
    """US dollars that a group may spend; a call that could exceed it is refused before it is made."""

    per_day_usd: Dollars | None = None
    per_run_usd: Dollars | None = None


class TaskGroup(Limited):
    """Models for one kind of task, in echelons. A key that is none of these and holds a mapping is an echelon."""

    description: str = ""
    supported_tasks: tuple[Plain, ...] = Field(default=(), description="kinds of task that it is for, for routing")
    fallback_strategy: FallbackStrategy = FallbackStrategy.ECHELON_DOWN
    fallback_groups: tuple[Name, ...] = ()
    when_full: Literal["wait", "next"] = Field(
        default="wait", description="a request that finds no room waits for it, or goes where a fallback would go"
    )
    budget: Budget = Budget()
    echelons: dict[Plain, Echelon] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _gather_echelons(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "echelons" in data:
            return data
        named = {k: v for k, v in data.items() if k not in cls.model_fields and isinstance(v, dict)}
        return {**{k: v for k, v in data.items() if k not in named}, "echelons": named}

    def by_priority(self) -> list[str]:
        """Names of the echelons, best first; equal priorities in the order of the file."""
        return sorted(self.echelons, key=lambda name: self.echelons[name].priority)


class RateLimiting(ClosedModel):
    enabled: bool = True
    algorithm: Literal["sliding_window", "token_bucket"] = "sliding_window"


class Pool(ClosedModel):
    """Groups whose models are used in turn and watched together."""

    task_groups: tuple[Name, ...] = Field(min_length=1)
    rotation_strategy: str = "round_robin"
    health_check_interval: Seconds = 30.0
    unhealthy_after: Count = 2
    rate_limiting: RateLimiting = RateLimiting()

    @field_validator("rotation_strategy")
    @classmethod
    def _check_strategy(cls, name: str) -> str:
        if name not in scheduler_names():
            raise ValueError(f"must be one of {', '.join(scheduler_names())}")
        return name


class NodeConfig(Limited):
    llm_group: Name
    fallback_groups: tuple[Name, ...] = ()
    system_prompt: str = ""
    max_tokens: Count | None = None
    timeout: Seconds | None = None


class Node(ClosedModel):
    """A place in a workflow that asks for text. Its name is a target too."""

    type: Literal["llm_node"] = "llm_node"
    config: NodeConfig


class BreakerSettings(ClosedModel):
    failure_threshold: Count = 3
    recovery_s: Seconds = 30.0
    half_open_probes: Count = 1


class CacheSettings(ClosedModel):
    enabled: bool = False
    max_bytes: Annotated[int, Field(strict=True, ge=1_000_000, le=1_000_000_000_000)] = 256_000_000
    max_age_s: Annotated[float, Field(gt=0)] = 86_400.0


class GatewaySettings(ClosedModel):
    """What holds for every request."""

    total_timeout_s: Seconds = 600.0
    first_token_timeout_s: Seconds = 30.0
    stall_timeout_s: Seconds = 60.0
    max_attempts: Annotated[int, Field(strict=True, gt=0, le=100)] = 12
    retry_wait_s: Annotated[float, Field(ge=0, le=60)] = 0.1
    retry_wait_max_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    retry_after_max_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    queue_size: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 1000
    breaker: BreakerSettings = BreakerSettings()
    cache: CacheSettings = CacheSettings()
    redis_url: str | None = Field(default=None, pattern=_REDIS)


class GroupsConfig(ClosedModel):
    """The whole file."""

    gateway: GatewaySettings = GatewaySettings()
    models: dict[Name, ModelDeclaration] = Field(default={})
    task_groups: dict[Plain, TaskGroup] = Field(default={})
    polling_pools: dict[Plain, Pool] = Field(default={})
    nodes: dict[Plain, Node] = Field(default={})

    def declaration(self, model: str) -> ModelDeclaration:
        """How ``model`` is reached; one that the file does not declare is a local model of that name."""
        return self.models.get(model) or UNDECLARED

    def pool_of(self, group: str) -> str | None:
        return next((name for name, pool in self.polling_pools.items() if group in pool.task_groups), None)


UNDECLARED = ModelDeclaration()
