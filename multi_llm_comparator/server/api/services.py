"""``/service``: document analysis, data insight and decision support."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from multi_llm_comparator.applications.manager import ServiceResponse, bytes_of, worked
from multi_llm_comparator.applications.pictures import is_picture
from multi_llm_comparator.applications.spec import ServiceSpec, spec_of
from multi_llm_comparator.applications.targets import usual_target
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.server.api.answers import ServedAnswer
from multi_llm_comparator.server.api.calls import served_by
from multi_llm_comparator.server.api.errors import ApiError, api_error
from multi_llm_comparator.server.api.forms import Form, Name, Text, example
from multi_llm_comparator.server.leaving import unless_left
from multi_llm_comparator.server.metering import ANSWERED, Meter
from multi_llm_comparator.server.serving import Served

router = APIRouter(tags=["Queries"])
# Of a document, what a limit of tokens counts ahead.
COUNTED_CHARS = 100_000
# Limits and budgets, and models that are not there.
_NOBODY_ANSWERED = frozenset({404, 429, 502, 503, 504})


class ServiceForm(Form):
    """``POST /service``."""

    model_config = example(
        {
            "service_type": "document_analysis",
            "content": "Revenue rose by 28%. Costs of raw materials rose by 12%.",
            "parameters": {"analysis_type": "summary"},
        }
    )
    ignored: ClassVar = frozenset({"user_id"})

    service_type: Name = Field(description="`document_analysis`, `data_insight` or `decision_support`")
    content: Annotated[Text, Field(min_length=1)] = Field(
        description="the text, or a file in base64 with `encoding` and `name` among the parameters"
    )
    parameters: dict[str, Any] = Field(
        default={},
        description="`analysis_type`, `insight_type` or `decision_type`; `model`, `language`, `question`, `weights`",
    )


@router.post("/service")
async def service(form: ServiceForm, request: Request) -> Response:
    """Have a service work on a document, and wait for it. A client that leaves stops it."""
    served = await served_by(request)
    if served.applications is None:
        raise ApiError("this server keeps no runs, and services are runs", 501, code="not_implemented")
    given = dict(form.parameters)
    try:
        data = bytes_of(form.content, given.pop("encoding", ""))
        usual = served.default_model or usual_target(served.models, served.gateway.groups, sees=is_picture(data))
        is_named = "model" in given or "target" in given
        spec = spec_of(form.service_type, given, target="" if is_named else usual)
    except ConfigurationError as exc:
        raise ApiError(str(exc), param="parameters") from exc
    found = await _metered(request, served, spec, data)
    return JSONResponse(found.to_dict(), _status_of(found))


def _status_of(found: ServiceResponse) -> int:
    """What is wrong with a document is an answer like any other; that nobody could be asked is none."""
    if found.success or not found.error_type:
        return ANSWERED
    status = api_error(found.error_type, "").status
    return status if status in _NOBODY_ANSWERED else ANSWERED


async def _metered(request: Request, served: Served, spec: ServiceSpec, data: bytes) -> ServiceResponse:
    """The finished service, counted for the caller as one request to whoever was asked."""
    assert served.applications is not None
    meter = Meter(served, request, spec.target, is_run=True)
    asked = GenerationRequest(messages=(Message("user", data[:COUNTED_CHARS].decode("utf-8", "replace")),))
    await meter.admit([asked])
    answer = ServedAnswer()
    with meter.counting([answer]):
        with meter.acting():
            found = await unless_left(request.receive, served.there(worked(served.applications, spec, data)))
        answer.took(asked.id, found.prompt_tokens, found.completion_tokens, found.cost_usd)
    return found
