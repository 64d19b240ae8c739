"""The one file that says how questions are answered together: models, their endpoints, data set, judge.

Its names are those of ``config.example.yaml``. Unknown ones are refused, and all problems are told at once.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.plain_errors import first_of, in_plain_words
from multi_llm_comparator.groups.config import ModelDeclaration
from multi_llm_comparator.groups.config_loader import read_yaml
from multi_llm_comparator.plans.executor import DEFAULT_THRESHOLD, DEFAULT_WORKERS
from multi_llm_comparator.plans.plan import HARDEST

Name = Annotated[str, Field(min_length=1, max_length=200)]
MAX_QUESTION_CHARS = 100_000


class ModelsSection(ClosedModel):
    """Who plans and who solves. A name is a local model's, an endpoint's own, or a task group's.

    A ``threshold`` above the hardest difficulty sends every step to the small model. ``planner_prompt`` replaces the
    built-in instruction; an empty one suits a planner that was trained to plan: it gets the bare question.
    ``planner_grammar`` holds a local planner to the form of a plan, before which ``planner_thinks`` lets it think.
    """

    small_model: Name
    large_model: Name
    router_model: Name
    enable_threshold: bool = True
    threshold: int = Field(default=DEFAULT_THRESHOLD, ge=1, le=HARDEST + 1)
    use_local_router: bool = False
    local_router_model: Name | None = None
    planner_prompt: str | None = Field(default=None, max_length=MAX_QUESTION_CHARS)
    planner_grammar: bool = True
    planner_thinks: bool = False

    @model_validator(mode="after")
    def _check_router(self) -> ModelsSection:
        if self.use_local_router and not self.local_router_model:
            raise ValueError("use_local_router needs local_router_model: the name of a model here, or its folder")
        return self


class ApiSection(ClosedModel):
    """Endpoints of models that are not local. A key is read from the file that a ``*_key_path`` names."""

    small_key_path: str | None = None
    large_key_path: str | None = None
    router_key_path: str | None = None
    small_api_base_url: str | None = None
    large_api_base_url: str | None = None
    router_api_base_url: str | None = None
    local_router_base_url: str | None = None

    @field_validator("small_api_base_url", "large_api_base_url", "router_api_base_url", "local_router_base_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        return checked_url(url)


class SystemSection(ClosedModel):
    """``workers`` bounds the steps in flight of one question, ``questions_in_flight`` the questions of a data set.

    ``result_after`` is what stands before the result in an answer that shows its working; later steps quote only that.
    """

    workers: int = Field(default=DEFAULT_WORKERS, ge=1, le=1000)
    questions_in_flight: int = Field(default=4, ge=1, le=256)
    aggregation: Literal["model", "last_step"] = "model"
    result_after: str = Field(default="", max_length=40)
    task_groups: str | None = "configs/llms/groups/_task_groups.yaml"
    reports: str = Field(default="data_reports", min_length=1)


class BuildSection(ClosedModel):
    """Making question-plan pairs; with ``use_models_for_execution`` only those whose answer came out right are kept."""

    enabled: bool = False
    use_models_for_execution: bool = False
    save_thinking: bool = False


class DatasetSection(ClosedModel):
    enabled: bool = False
    path: str | None = None
    limit: int | None = Field(default=None, ge=1)
    build: BuildSection = BuildSection()

    @model_validator(mode="after")
    def _check_path(self) -> DatasetSection:
        if self.enabled and not self.path:
            raise ValueError("a data set that is enabled needs a path: a .json or .jsonl file")
        return self


class EvaluationSection(ClosedModel):
    """Whether a judge model scores the planner's plans and the executor's answers, and where it is.

    ``enabled`` alone means both.
    """

    enabled: bool = False
    planner_enabled: bool = False
    executor_enabled: bool = False
    model: Name | None = None
    key_path: str | None = None
    api_base_url: str | None = None

    @field_validator("api_base_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        return checked_url(url)

    @model_validator(mode="after")
    def _check_model(self) -> EvaluationSection:
        if self.enabled and not self.model:
            raise ValueError("an evaluation that is enabled needs a model to judge")
        return self

    @property
    def judges_plans(self) -> bool:
        return self.enabled and (self.planner_enabled or not self.executor_enabled)

    @property
    def judges_answers(self) -> bool:
        return self.enabled and (self.executor_enabled or not self.planner_enabled)


class CooperationConfig(ClosedModel):
    """The whole file."""

    models: ModelsSection
    api: ApiSection = ApiSection()
    system: SystemSection = SystemSection()
    query: str | None = Field(default=None, max_length=MAX_QUESTION_CHARS)
    dataset: DatasetSection = DatasetSection()
    evaluation: EvaluationSection = EvaluationSection()


def checked_url(url: str | None) -> str | None:
    """An address as the gateway's own configuration takes it; empty is none."""
    if not url:
        return None
    try:
        return ModelDeclaration(base_url=url).base_url
    except ValidationError as exc:
        raise ValueError(in_plain_words(exc.errors()[0])) from exc


def load_config(path: str | Path) -> CooperationConfig:
    """Read a file.

    Raises:
        ConfigurationError: one line for each problem: file, place in it, what is wrong and what is allowed.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigurationError(f"{str(path)!r} does not exist; start with: cp config.example.yaml {path}")
    return parse_config(read_yaml(path), str(path))


def parse_config(data: dict[str, Any], source: str = "configuration") -> CooperationConfig:
    """Check plain data; raises as :func:`load_config` does."""
    # A section whose every line is commented out reads as nothing, and means its defaults.
    given = {name: value for name, value in data.items() if value is not None}
    try:
        return CooperationConfig.model_validate(given)
    except ValidationError as exc:
        problems = [partial(_problem, error) for error in exc.errors(include_url=False)]
        raise ConfigurationError(first_of(problems, source)) from exc


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "file"
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(_names_at(error["loc"][:-1]))
        return f"{place}: unknown key {str(error['loc'][-1])!r}; allowed are {allowed}"
    message = in_plain_words(error)
    given = error.get("input")
    # What stands by mistake where a key's file or an address should be may be the key itself.
    may_be_secret = any(word in place for word in ("key_path", "base_url"))
    shown = f" (given {given!r})"[:120] if isinstance(given, str | int | float) and not may_be_secret else ""
    return f"{place}: {message}{shown}"


def _names_at(loc: tuple[int | str, ...]) -> list[str]:
    kind: type[BaseModel] = CooperationConfig
    for part in loc:
        annotation = kind.model_fields[str(part)].annotation
        inner = next((t for t in (annotation, *get_args(annotation)) if isinstance(t, type)), None)
        assert inner is not None and issubclass(inner, BaseModel)
        kind = inner
    return list(kind.model_fields)
