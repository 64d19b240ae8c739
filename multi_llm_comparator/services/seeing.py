"""Requests with images, for models of this machine: who sees is known before anything is loaded."""

from __future__ import annotations

from dataclasses import replace

from multi_llm_comparator.core.events import Event, Started
from multi_llm_comparator.core.exceptions import RequestRefusedError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.requests import GenerationRequest


def asked_of(
    model: ModelInfo, request: GenerationRequest, *, is_custom: bool
) -> tuple[GenerationRequest, tuple[str, ...]]:
    """The request as the model can be asked, and what to say of that beside its answer.

    Raises:
        RequestRefusedError: it has images, and the model does not see.
    """
    sees = model.loaded_as.config.get("sees_images") is True and not is_custom
    if not request.images or sees:
        return request, ()
    if not request.images_optional:
        raise RequestRefusedError(
            f"{model.name!r} does not see images; ask in text alone, or ask a model that sees (the Models page marks "
            "them)"
        )
    return request.as_seen(sees=False), request.notes(is_free=False, is_promised=True, is_blind=True)


def with_notes(event: Event, notes: tuple[str, ...]) -> Event:
    """The event, with ``notes`` where an answer begins."""
    return replace(event, notes=(*event.notes, *notes)) if notes and isinstance(event, Started) else event
