"""Which paths a key that may only ask the models reaches, and which a page of another origin that is allowed to."""

from __future__ import annotations

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
        "/api/tags",
        "/api/show",
        "/api/version",
        "/query",
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


def is_shared(path: str) -> bool:
    """Whether a path is that of a shared link: it needs no key, and shows one run."""
    return path.startswith(PATH) and path.count("/") == PATH.count("/")
