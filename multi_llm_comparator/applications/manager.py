"""The services behind one call, for programs: a request goes in, a typed response comes out."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from multi_llm_comparator.applications.pictures import is_picture
from multi_llm_comparator.applications.registry import ServiceRegistry
from multi_llm_comparator.applications.results import Result, handed_out
from multi_llm_comparator.applications.spec import ServiceSpec, spec_of
from multi_llm_comparator.applications.targets import usual_target
from multi_llm_comparator.cooperation.standalone import with_services
from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError, kind_of_all
from multi_llm_comparator.core.timings import known_sum
from multi_llm_comparator.groups import Gateway
from multi_llm_comparator.services.model_manager import ModelManager


class Opened(Protocol):
    """What the manager needs of all that is open."""

    @property
    def models(self) -> ModelManager: ...

    @property
    def gateway(self) -> Gateway: ...

    @property
    def applications(self) -> ServiceRegistry: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResponse:
    """What came of a request. ``result`` is plain data, with the text under the name of its kind: ``analysis``,
    ``trend_analysis``, ``comparison``, ...; ``typed`` is the same as an object. ``request_id`` is the id of the run,
    which History has; ``processing_time`` is in seconds."""

    success: bool
    result: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    error_type: str | None = None
    processing_time: float = 0.0
    request_id: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    typed: Result | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, as the API answers."""
        data = asdict(self)
        del data["typed"]
        return data


class ApplicationServiceManager:
    """Document analysis, data insight and decision support.

    Works without arguments: then with the workbench of this process, or with one of its own that is opened once.

    Args:
        services: what is open, where the caller has it; its coroutines must then run on its event loop.
    """

    def __init__(self, services: Opened | None = None) -> None:
        self._services = services

    async def process_request(
        self, service_type: str, content: str | bytes, parameters: Mapping[str, Any] | None = None
    ) -> ServiceResponse:
        """Have a service work on a text or a file, and wait for the result. Cancelling stops it.

        Args:
            service_type: ``document_analysis``, ``data_insight`` or ``decision_support``.
            content: the text, or the bytes of a file.
            parameters: see :func:`applications.spec.spec_of`: ``analysis_type`` (or ``insight_type``,
                ``decision_type``), ``model``, ``language``, ``question``, ``weights``, ``name`` of the file, ...;
                ``encoding`` "base64" says that ``content`` is a file written so. ``model`` "" asks nobody.

        Errors of the request and of its work are in the response, not raised.
        """
        began = time.monotonic()
        try:
            given = dict(parameters or {})
            data = bytes_of(content, given.pop("encoding", ""))
            if self._services is not None:
                return await _processed(self._services, service_type, data, given)
            return await with_services(lambda services: _processed(services, service_type, data, given))
        except MultiLLMError as exc:
            return ServiceResponse(
                success=False,
                error=str(exc),
                error_type=type(exc).__name__,
                processing_time=time.monotonic() - began,
            )


def bytes_of(content: str | bytes, encoding: object) -> bytes:
    """The document that a request brings.

    Raises:
        ConfigurationError: the encoding is not known, or the content is not written in it.
    """
    if encoding not in ("", "base64"):
        raise ConfigurationError(f"the encoding {encoding!r} is not known; give 'base64', or none for text")
    if isinstance(content, bytes):
        return content
    if encoding == "base64":
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ConfigurationError(f"the content is no base64: {exc}") from exc
    return content.encode("utf-8", "replace")


async def _processed(
    services: Opened, service_type: str, data: bytes, parameters: Mapping[str, Any]
) -> ServiceResponse:
    is_named = "model" in parameters or "target" in parameters
    target = "" if is_named else usual_target(services.models, services.gateway.groups, sees=is_picture(data))
    return await worked(services.applications, spec_of(service_type, parameters, target=target), data)


async def worked(registry: ServiceRegistry, spec: ServiceSpec, data: bytes) -> ServiceResponse:
    """Start a service and wait for it, on the event loop of the runs; cancelling stops it.

    Raises:
        DocumentError, NotWrittenError, StoreError: it could not be started.
    """
    began = time.monotonic()
    run = await registry.start(spec, data)
    try:
        await run.wait()
    finally:
        if run.is_at_work:
            await registry.runs.stop(run.id)
    result, answers = run.result, run.answers.values()
    kinds = [one.error_type for one in answers if not one.is_answer]
    error_type = kind_of_all(kinds) if kinds else run.error_type
    return ServiceResponse(
        success=result is not None,
        result=handed_out(result) if result is not None else {},
        error=None if result is not None else run.error or f"it was {run.state}",
        error_type=None if result is not None else error_type or None,
        processing_time=time.monotonic() - began,
        request_id=run.id,
        prompt_tokens=sum(one.prompt_tokens for one in answers),
        completion_tokens=sum(one.tokens for one in answers),
        cost_usd=known_sum(one.cost_usd for one in answers),
        typed=result,
    )
