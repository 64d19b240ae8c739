"""What a job is to do, as a file that can be run again: ``python -m multi_llm_comparator.jobs.run <folder>``."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.plain_errors import MAX_PROBLEMS, said_of
from multi_llm_comparator.services.child_process import is_secret

MAX_OPTIONS_CHARS = 1_000_000
MAX_VARIABLES = 64
MAX_TITLE_CHARS = 200
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

Value = Annotated[str, StringConstraints(max_length=4096)]


class Needs(BaseModel):
    """What a job takes of the machine at its peak: the queue starts it when that much is free.

    ``cpus`` 0 means all that there are, so that it runs alone. A job that needs no GPU is not shown any; of each that
    it needs, ``gpu_memory_bytes`` have to be free.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_bytes: int = Field(default=0, ge=0, le=2**50)
    cpus: int = Field(default=0, ge=0, le=4096)
    gpus: int = Field(default=0, ge=0, le=64)
    gpu_memory_bytes: int = Field(default=0, ge=0, le=2**50)


class JobSpec(BaseModel):
    """What a job is to do. ``options`` are its kind's own, which that kind checks.

    Paths in options are absolute, so that the file can be run from anywhere. ``address`` is that of a Ray cluster
    (``http://127.0.0.1:8265``). ``environment`` are variables for its process; the file is kept, so they are no place
    for keys.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    title: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_CHARS)]
    options: dict[str, Any] = {}
    needs: Needs = Needs()
    backend: Literal["local", "ray"] = "local"
    address: Annotated[str, StringConstraints(max_length=2048)] | None = None
    environment: dict[str, Value] = {}

    @field_validator("options")
    @classmethod
    def _is_json(cls, options: dict[str, Any]) -> dict[str, Any]:
        try:
            text = json.dumps(options, allow_nan=False)
        except (TypeError, ValueError) as exc:
            raise ValueError(f"must be plain JSON data: {exc}") from exc
        if len(text) > MAX_OPTIONS_CHARS:
            raise ValueError(f"must have at most {MAX_OPTIONS_CHARS} characters as JSON, not {len(text)}")
        # As it will be read from the file: tuples are lists there.
        read: dict[str, Any] = json.loads(text)
        return read

    @field_validator("environment")
    @classmethod
    def _is_harmless(cls, environment: dict[str, str]) -> dict[str, str]:
        if len(environment) > MAX_VARIABLES:
            raise ValueError(f"must be at most {MAX_VARIABLES} variables, not {len(environment)}")
        for name in environment:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a variable")
            if is_secret(name):
                raise ValueError(f"{name!r} is named like a secret, and a job's file is kept; leave it out")
        return environment


def make_spec(given: Any) -> JobSpec:
    """A specification from plain data.

    Raises:
        ConfigurationError: what is wrong with it, and where.
    """
    try:
        return JobSpec.model_validate(given)
    except ValidationError as exc:
        raise ConfigurationError(f"the job cannot be run: {said_of(exc, MAX_PROBLEMS)}") from exc


def changed(spec: JobSpec, **changes: Any) -> JobSpec:
    """The same job but for ``changes``: fields of the specification by their names, everything else as an option.

    Raises:
        ConfigurationError: a change that cannot be.
    """
    fields = {name: value for name, value in changes.items() if name in JobSpec.model_fields}
    options = {name: value for name, value in changes.items() if name not in JobSpec.model_fields}
    data = spec.model_dump() | fields
    return make_spec(data | {"options": data["options"] | options})


def differences(specs: list[JobSpec]) -> dict[str, tuple[Any, ...]]:
    """What differs between jobs: by name (``data.path`` for what is within), the value of each; None where it has none.

    Titles do not count.
    """
    flat = [_flat(spec.model_dump(exclude={"title"})) for spec in specs]
    names = dict.fromkeys(name for one in flat for name in one)
    beside = {name: tuple(one.get(name) for one in flat) for name in names}
    return {name: values for name, values in beside.items() if any(value != values[0] for value in values)}


def _flat(data: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in data.items():
        # Options are what a person changes: they go by their own names.
        place = "" if name == "options" and not before else f"{before}{name}."
        found |= _flat(value, place) if isinstance(value, dict) else {f"{before}{name}": value}
    return found
