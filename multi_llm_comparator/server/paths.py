"""Which paths a key without the scope ``admin`` reaches, and which a page of another origin that is allowed to."""

from __future__ import annotations

from multi_llm_comparator.core.callers import Caller
from multi_llm_comparator.sharing.links import PATH

# Of the API that asks models, with and without /v1.
_MODEL_PATHS = frozenset(
    {
        "/chat/completions",
        "/completions",
        "/responses",
        "/messages",
        "/messages/count_tokens",
        "/embeddings",
        "/models",
        "/tokenize",
        "/detokenize",
        "/tokenizer_info",
        "/api/chat",
        "/api/generate",
        "/api/embed",
        "/api/embeddings",
        "/api/ps",
        "/api/tags",
        "/api/show",
        "/api/version",
        "/query",
        "/query/decision",
        "/service",
        "/cooperation/task",
        "/status",
        "/health",
        "/openapi.json",
    }
)


def asks_models(path: str) -> bool:
    """Whether a path is of the API that asks models: no page, no stored run, no setting."""
    return path.startswith(("/v1/", "/models/")) or path in _MODEL_PATHS


def may_be_linked_to(path: str) -> bool:
    """Whether a link on a page elsewhere may lead to a path: to the pages, and to what only says how the server does.
    The API loads models and reads the store for whoever asks."""
    return path in (_MODELS_PAGE, "/health", "/status") or not (asks_models(path) or path.startswith("/api/"))


def is_shared(path: str) -> bool:
    """Whether a path is that of a shared link: it needs no key, and shows one run."""
    return path.startswith(PATH) and path.count("/") == PATH.count("/")


# What is not a page, and tells of everybody.
_ADMIN_PATHS = frozenset({"/metrics", "/query/statistics"})
_RUNS = "/api/runs"
# The API and the pages have it both.
_MODELS_PAGE = "/models"


def may_reach(caller: Caller, path: str) -> bool:
    """Whether a caller may ask for a path at all. Of runs, on pages and in the API, it is shown its own."""
    if caller.is_admin:
        return True
    if "models" in caller.scopes and (asks_models(path) or path == _RUNS or path.startswith(_RUNS + "/")):
        return True
    is_page = path == _MODELS_PAGE or not (asks_models(path) or path in _ADMIN_PATHS or path.startswith("/api/"))
    return "pages" in caller.scopes and is_page
