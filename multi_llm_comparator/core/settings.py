"""Settings of the workbench as a whole: one immutable snapshot, swapped whole.

Read from ``MLC_*`` environment variables, then ``settings.yaml`` in the home folder, then the defaults here.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.plain_errors import MAX_PROBLEMS, said_of
from multi_llm_comparator.core.reading import read_bytes

MAX_FILE_BYTES = 64 * 1024
# Requests that one model decodes together at most, however well that pays.
MAX_SLOTS = 32
MAX_SERVED_MODELS = 1000
_FIX = "correct the file, or move it away to start with the defaults"


def default_home() -> Path:
    """Where the workbench keeps what is the user's: ``MLC_HOME`` or ``~/.multi_llm_comparator``."""
    return Path(os.environ.get("MLC_HOME") or "~/.multi_llm_comparator").expanduser()


class ModelServing(ClosedModel):
    """How one local model is kept in memory and served; what is not given is as for all models."""

    pinned: bool = Field(default=False, description="once loaded it stays, whatever others need")
    at_start: bool = Field(default=False, description="loaded when the workbench starts")
    idle_unload_s: float | None = Field(default=None, ge=0, description="unloaded when idle so long; 0 means never")
    slots: int | None = Field(default=None, ge=1, le=MAX_SLOTS, description="requests decoded together; else tuned")


class Settings(BaseSettings):
    """What can be set for the whole workbench. Unknown names are refused."""

    model_config = SettingsConfigDict(env_prefix="MLC_", extra="forbid", frozen=True)

    home: Path = Field(default_factory=default_home, description="where runs, presets and settings are kept")
    models_dir: Path = Field(default=Path("models"), description="folder with pytorch/ and gguf/")
    configs_dir: Path = Field(default=Path("configs"), description="folder with llms/groups/_task_groups.yaml")
    extra_model_dirs: tuple[Path, ...] = Field(default=(), description="more folders to scan")
    scan_hf_cache: bool = Field(default=False, description="also list the Hugging Face cache")
    scan_ollama: bool = Field(default=False, description="also list Ollama's store")
    scan_lm_studio: bool = Field(default=False, description="also list LM Studio's store")
    first_model: bool = Field(
        default=True, description="fetch SmolLM2-135M-Instruct at `make run`, and make its other forms from it"
    )
    demo_groups: bool = Field(default=False, description="offer the task groups of the demo models in the pickers")
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="more names by which browsers may ask for the app, such as that of a proxy before it"
    )
    access_token: str = Field(
        default="", repr=False, description="what visitors beyond this machine must show; empty means one is made"
    )
    require_keys: bool = Field(
        default=False, description="let nobody in without a key or the token on this machine either"
    )
    jwt_secret: str = Field(
        default="",
        repr=False,
        description="takes signed tokens (JWT, HS256) made with this secret; empty means none",
    )
    oidc_issuer: str = Field(
        default="", description="signs people in: the address of a provider of OpenID Connect; empty means none"
    )
    oidc_client_id: str = Field(default="", description="what the provider calls this app")
    oidc_client_secret: str = Field(default="", repr=False, description="what this app shows to the provider")
    oidc_allowed: tuple[str, ...] = Field(
        default=(), description="who may sign in so: addresses of mail, or @example.org for a whole domain"
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description="pages of other origins that may ask the API, such as https://lab.example.org"
    )
    usage_days: int = Field(default=90, ge=1, le=3650, description="how long it is kept what was asked of the API")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty means SQLite in the home folder")
    mlflow_uri: str = Field(
        default="",
        max_length=2048,
        repr=False,
        description="where MLflow is told of comparisons, plans and evaluations that ended; `local` is a database "
        "in the home folder, empty means nowhere",
    )
    max_tokens_limit: int = Field(default=4096, ge=1, description="upper bound for max_tokens")
    max_memory_gb: float | None = Field(default=None, gt=0, description="memory for models; empty means 80% of RAM")
    memory_mode: Literal["auto", "parallel", "in_turn", "one_at_a_time"] = Field(
        default="auto",
        description="several models: beside each other as far as they fit, always, one after another, one in memory",
    )
    parallel_requests: int = Field(
        default=4,
        ge=1,
        le=64,
        description="requests of one model that have room for whole contexts, and are decoded together at first",
    )
    tune_slots: bool = Field(
        default=True,
        description="decode more requests of a model together, or fewer, as this machine is faster with it",
    )
    idle_unload_s: float | None = Field(
        default=None,
        gt=0,
        description="a model that is idle so long is unloaded; empty means when others need its place",
    )
    model_serving: dict[str, ModelServing] = Field(
        default={},
        max_length=MAX_SERVED_MODELS,
        description="of single models, by name or id: `pinned`, `at_start`, `idle_unload_s`, `slots`",
    )
    max_waiting: int = Field(default=256, ge=1, le=100_000, description="requests that may wait for a place in memory")
    model_patience_s: float = Field(
        default=30.0,
        ge=0,
        description="a request that has waited so long for its model's place goes before those to models in memory",
    )
    load_timeout_s: float = Field(default=600.0, gt=0, description="a model not loaded by then is given up")
    hang_timeout_s: float = Field(default=120.0, gt=0, description="a busy model making no step so long is killed")
    spare_process: bool = Field(default=True, description="keep a process with torch imported ready for PyTorch models")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings)

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'workbench.db'}"


_current: Settings | None = None


def settings_path() -> Path:
    return default_home() / "settings.yaml"


def load_settings() -> Settings:
    """Read the settings afresh.

    Raises:
        ConfigurationError: naming the file, the entry, and what is allowed; all problems at once.
    """
    path = settings_path()
    return _validated(_given(_stored(path)), path)


def _stored(path: Path) -> dict[str, Any]:
    try:
        data = parse_yaml(read_bytes(path, MAX_FILE_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        # A home that cannot be one is told by who needs it.
        return {}
    except OSError as exc:
        raise ConfigurationError(f"the settings {str(path)!r} cannot be read: {exc.strerror or exc}; {_FIX}") from exc
    except ValueError as exc:
        raise ConfigurationError(f"the settings {str(path)!r} are not readable as YAML: {exc}; {_FIX}") from exc
    if not isinstance(data or {}, dict):
        raise ConfigurationError(f"{str(path)!r} must hold names and values, not {type(data).__name__}; {_FIX}")
    return {str(name): value for name, value in (data or {}).items()}


def _given(stored: dict[str, Any]) -> dict[str, Any]:
    """The environment outranks the file: what it sets is left out of what the file gives."""
    return {name: value for name, value in stored.items() if f"MLC_{name.upper()}" not in os.environ}


def _validated(given: dict[str, Any], path: Path) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as exc:
        more = exc.error_count() - MAX_PROBLEMS
        said = f"{said_of(exc, MAX_PROBLEMS)}{f'; and {more} more' if more > 0 else ''}"
        raise ConfigurationError(f"settings in {str(path)!r} or the environment: {said}") from exc


def get_settings() -> Settings:
    """The current snapshot, read on first use."""
    global _current
    if _current is None:
        _current = load_settings()
    return _current


def reload_settings() -> Settings:
    """Swap in a fresh snapshot; on an error the old one stays."""
    global _current
    _current = load_settings()
    return _current


def save_settings(changes: dict[str, Any], forgotten: Collection[str] = ()) -> Settings:
    """Merge ``changes`` into ``settings.yaml``, without what is ``forgotten``, and swap in the result; a wrong change
    writes nothing."""
    path = settings_path()
    merged = {name: value for name, value in {**_stored(path), **changes}.items() if name not in forgotten}
    _validated(_given(merged), path)
    write_atomically(path, yaml.safe_dump(merged, allow_unicode=True, sort_keys=True))
    return reload_settings()
