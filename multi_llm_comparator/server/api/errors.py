"""Errors as each kind of client expects them: OpenAI's form, Anthropic's, Ollama's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from multi_llm_comparator.core import exceptions as ours
from multi_llm_comparator.core.exceptions import MultiLLMError, error_from_name
from multi_llm_comparator.server.api.methods import allowed, told_options
from multi_llm_comparator.server.api.request_ids import request_id_of

MAX_SHOWN_CHARS = 2000
RETRY_AFTER_S = 1
# OpenAI's code where there is no money left.
SPENT = "insufficient_quota"
# By our errors, the nearest one in the tree: status, and OpenAI's code for it.
_STATUS: dict[type[MultiLLMError], tuple[int, str]] = {
    ours.MultiLLMError: (500, "internal_error"),
    ours.ModelNotFoundError: (404, "model_not_found"),
    ours.ModelLoadError: (500, "model_load_failed"),
    ours.UnsupportedModelError: (400, "model_not_supported"),
    ours.InsufficientMemoryError: (503, "insufficient_memory"),
    ours.AnswerInterrupted: (503, "cancelled"),
    ours.ContextOverflowError: (400, "context_length_exceeded"),
    ours.ConversationRefusedError: (400, "conversation_refused"),
    ours.ToolsRefusedError: (400, "tools_not_supported"),
    ours.RequestRefusedError: (400, "request_refused"),
    ours.GrammarError: (400, "invalid_schema"),
    ours.InvalidParameterError: (400, "invalid_value"),
    # The key of an endpoint behind a name is not the client's.
    ours.KeyRefusedError: (502, "upstream_key_refused"),
    ours.NotAllowedError: (403, "not_allowed"),
    ours.RunNotFoundError: (404, "run_not_found"),
    ours.RunAtWorkError: (409, "run_at_work"),
    ours.RateLimitedError: (429, "rate_limit_exceeded"),
    ours.LimitExceededError: (429, "rate_limit_exceeded"),
    ours.BudgetExceededError: (429, SPENT),
    ours.CircuitOpenError: (503, "model_unavailable"),
    ours.NoModelAvailableError: (503, "model_unavailable"),
    ours.ProviderUnavailableError: (502, "upstream_failed"),
    ours.FirstTokenTimeoutError: (504, "upstream_timeout"),
    ours.DeadlineExceededError: (504, "timeout"),
}
# By such a code, the field of OpenAI's form that is to blame.
_BLAMED = {
    "model_not_found": "model",
    "conversation_refused": "messages",
    "invalid_schema": "response_format",
    "tools_not_supported": "tools",
}
_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}
# Beneath /api, but none of Ollama's.
_OWN_PATHS = ("/api/runs", "/api/answers", "/api/memory", "/api/jobs", "/api/anew")
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


_WORDS = {
    400: "the body is not readable as JSON: it is nested too deep, or not in UTF-8",
    404: "there is no {path!r}; GET /openapi.json lists the paths",
    405: "{path!r} does not take {method}; GET /openapi.json lists what it takes",
    413: "the body is too large; shorten what it asks",
}


def words_for(status: int, **filled: str) -> str:
    """What is said of a status of HTTP itself."""
    return _WORDS.get(status, "{phrase}").format(**filled, phrase=HTTPStatus(status).phrase)


class ApiError(Exception):
    """What a client is told.

    Args:
        message: what is wrong and what to do.
        status: of HTTP.
        code: OpenAI's short name for it.
        param: the field of the request that is to blame.
        retry_after_s: after which time it may be asked again, where that would help.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int = RETRY_AFTER_S,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.param = message[:MAX_SHOWN_CHARS], status, code, param
        self.retry_after_s = retry_after_s


def api_error(error_type: str, message: str) -> ApiError:
    """What a client is told of one of our errors, by its type's name."""
    kinds = type(error_from_name(error_type, message)).__mro__
    status, code = next(_STATUS[kind] for kind in kinds if kind in _STATUS)
    return ApiError(message, status, code=code, param=_BLAMED.get(code))


def field_error(problems: Sequence[Mapping[str, Any]], refused: Mapping[str, str]) -> ApiError:
    """The first of pydantic's problems, with the field's place as ``param``.

    Args:
        refused: by name, why a field of the standard is not taken.
    """
    problem = problems[0]
    param = _place([part for part in problem["loc"] if part != "body"])
    if problem["type"] == "json_invalid":
        return ApiError(f"the body is not readable as JSON: {problem['ctx']['error']}", code="invalid_json")
    if problem["type"] == "extra_forbidden":
        name = str(problem["loc"][-1])
        said = f"{param!r} {refused[name]}" if name in refused else f"there is no field {param!r}; take it out"
        return ApiError(said, code="unsupported_parameter" if name in refused else "unknown_parameter", param=param)
    if not param:
        said = problem["msg"].removeprefix("Value error, ") if problem["type"] == "value_error" else ""
        return ApiError(said or "the body must be one JSON object", code="invalid_json")
    if problem["type"] == "missing":
        return ApiError(f"{param!r} is missing; give it", code="missing_required_parameter", param=param)
    said = str(problem["msg"]).removeprefix("Value error, ")
    return ApiError(f"{param!r} is wrong: {said}", code="invalid_value", param=param)


# What pydantic writes into a place for the kind of a part, which no client has there.
_KINDS_OF_PARTS = frozenset(
    {"message", "function_call", "function_call_output", "tool_use", "tool_result", "image", "text", "NamedTool"}
)


def _place(parts: Sequence[str | int]) -> str:
    """A field's place as OpenAI writes it, such as ``messages[0].content``."""
    place = ""
    for at, part in enumerate(parts):
        if part in _KINDS_OF_PARTS and at + 1 < len(parts) and isinstance(parts[at - 1], int):
            continue
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    return place[:200]


def openai_body(error: ApiError) -> dict[str, Any]:
    kind = _OPENAI_TYPES.get(error.status, "server_error")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def anthropic_body(error: ApiError, request_id: str = "") -> dict[str, Any]:
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error")
    named = {"request_id": request_id} if request_id else {}
    return {"type": "error", "error": {"type": kind, "message": error.message}, **named}


def ollama_body(error: ApiError) -> dict[str, Any]:
    return {"error": error.message}


def is_api(path: str) -> bool:
    """Whether only clients of the API ask for it, not browsers."""
    return path.startswith(("/v1/", "/api/"))


def body_for(path: str, error: ApiError, request_id: str = "") -> dict[str, Any]:
    """The error in the form of whose path was asked."""
    if path.startswith("/api/") and not path.startswith(_OWN_PATHS):
        return ollama_body(error)
    if path.removeprefix("/v1").startswith("/messages"):
        return anthropic_body(error, request_id)
    return openai_body(error)


def error_response(path: str, error: ApiError, request_id: str = "") -> Response:
    return JSONResponse(body_for(path, error, request_id), error.status, _when_again(error))


def _when_again(error: ApiError) -> dict[str, str]:
    """What OpenAI's and Anthropic's clients look at before they ask again by themselves. Where a budget is spent that
    changes nothing."""
    if error.code == SPENT:
        return {"x-should-retry": "false"}
    return {"Retry-After": str(error.retry_after_s)} if error.status in (429, 503) else {}


async def tell_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(request.url.path, error, request_id_of(request.scope))


async def tell_our_error(request: Request, error: Exception) -> Response:
    return await tell_api_error(request, api_error(type(error).__name__, str(error)))


async def tell_http_error(request: Request, error: Exception) -> Response:
    """What the framework itself found wrong: no such path, no such method, a body too large or unreadable."""
    assert isinstance(error, HTTPException)
    if (options := told_options(request, error)) is not None:
        return options
    status = error.status_code
    said = words_for(status, method=request.method, path=request.url.path)
    response = error_response(request.url.path, ApiError(said, status), request_id_of(request.scope))
    response.headers.update(allowed(error))
    return response
