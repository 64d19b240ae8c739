"""Names that can be asked, and what stands behind them: ``/v1/models``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from multi_llm_comparator.cooperation.spec import PREFIX as COOPERATE
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.plans.saved import PREFIX, SavedPlans
from multi_llm_comparator.server.api.answers import target_of
from multi_llm_comparator.server.api.calls import served_by
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.callers import caller_of
from multi_llm_comparator.server.metering import refuse_models
from multi_llm_comparator.server.serving import Served

router = APIRouter(tags=["OpenAI"])
OWNER = "multi-llm-comparator"
Kind = Literal["local", "embedder", "endpoint", "group", "pool", "node", "plan", "cooperation"]


@dataclass(frozen=True)
class Offer:
    """One name. ``info`` is there for a local model; ``model`` names what an endpoint has behind it."""

    name: str
    kind: Kind
    info: ModelInfo | None = None
    owner: str = OWNER

    @property
    def modified_at(self) -> int:
        """Seconds since the epoch: when its file was last written; 0 for what has none."""
        try:
            return int(Path(self.info.path).stat().st_mtime) if self.info else 0
        except OSError:
            return 0

    @property
    def sees_images(self) -> bool:
        """Whether a local model looks at images."""
        return self.info is not None and self.info.loaded_as.config.get("sees_images") is True

    @property
    def names_tools(self) -> bool:
        """Whether a local model's chat template has a place for tools."""
        return self.info is not None and self.info.loaded_as.config.get("names_tools") is True

    def as_openai(self) -> dict[str, Any]:
        return {
            "id": self.name,
            "object": "model",
            "created": self.modified_at,
            "owned_by": self.owner,
            "kind": self.kind,
            "context_length": self.info.config.get("context_length") if self.info else None,
            **({"sees_images": True} if self.sees_images else {}),
            **({"parent": self.info.base.name} if self.info and self.info.base else {}),
        }

    def as_anthropic(self) -> dict[str, Any]:
        return {
            "type": "model",
            "id": self.name,
            "display_name": self.name,
            "created_at": datetime.fromtimestamp(self.modified_at, UTC).isoformat().replace("+00:00", "Z"),
            "lifecycle": "active",
            "max_input_tokens": self.info.config.get("context_length") if self.info else None,
        }


def offers(served: Served) -> list[Offer]:
    """Whatever can be asked at this moment: local models that can be loaded, then what the groups' file names and has a
    model for."""
    found: dict[str, Offer] = {}
    for info in served.models.get_available_models():
        embeds = bool(info.config.get("embeds"))
        if info.is_loadable or embeds:
            name = served.models.unique_name(info.id)
            found[name] = Offer(name, "embedder" if embeds else "local", info)
    config = served.gateway.groups.config
    endpoints = [Offer(name, "endpoint", owner=one.provider) for name, one in config.models.items() if one.is_remote]
    named: list[Offer] = [
        *endpoints,
        *(Offer(name, "group") for name in config.task_groups),
        *(Offer(name, "pool") for name in config.polling_pools),
        *(Offer(name, "node") for name in config.nodes),
    ]
    plans = [Offer(f"{PREFIX}{name}", "plan") for name in (SavedPlans().names() if served.plans else ())]
    there = (offer for offer in named if offer.name not in found and _can_answer(served, offer.name))
    saved = served.saved_cooperations
    together = [Offer(f"{COOPERATE}{name}", "cooperation") for name in (saved.names() if saved else ())]
    return [*found.values(), *there, *plans, *together]


def _can_answer(served: Served, target: str) -> bool:
    """Whether one model behind the name is an endpoint, or here."""
    try:
        models = served.gateway.groups.route(target).models()
    except MultiLLMError:
        return False
    config = served.gateway.groups.config
    declared = ((model, config.declaration(model)) for model in models)
    return any(one.is_remote or served.engine.trouble_with(one.local or model) is None for model, one in declared)


def offer_of(served: Served, target: str) -> Offer:
    """What a name means: one of the list, a model's id, or a level of a group.

    Raises:
        ApiError: 404.
    """
    listed = offers(served)
    for offer in listed:
        if target == offer.name or (offer.info is not None and target == offer.info.id):
            return offer
    if not served.gateway.groups.targets.names_local_model(target) and _can_answer(served, target):
        return Offer(target, "group")
    hint = did_you_mean(target, [offer.name for offer in listed])
    raise ApiError(
        f"there is no model {target!r}{hint} (GET /v1/models lists them)", 404, code="model_not_found", param="model"
    )


def _is_anthropics(request: Request) -> bool:
    """Whether a client of Anthropic's asks, which has a form of its own for both paths."""
    return "anthropic-version" in request.headers


@router.get("/models")
async def list_models(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000, description="of Anthropic's form")] = 1000,
    after_id: Annotated[str, Query(max_length=300, description="of Anthropic's form")] = "",
) -> dict[str, Any]:
    """Everything that can be asked. With the header `anthropic-version` in Anthropic's form, a page at a time."""
    served, limits = await served_by(request), caller_of(request.scope).limits
    found = [offer for offer in offers(served) if limits.may_ask(offer.name)]
    if not _is_anthropics(request):
        return {"object": "list", "data": [offer.as_openai() for offer in found]}
    names = [offer.name for offer in found]
    begin = names.index(after_id) + 1 if after_id in names else 0
    page = found[begin : begin + limit]
    return {
        "data": [offer.as_anthropic() for offer in page],
        "first_id": page[0].name if page else None,
        "last_id": page[-1].name if page else None,
        "has_more": begin + limit < len(found),
    }


@router.get("/models/{model:path}")
async def one_model(model: str, request: Request) -> dict[str, Any]:
    """One name."""
    served = await served_by(request)
    target = target_of(served, model)
    refuse_models(caller_of(request.scope), [target])
    offer = offer_of(served, target)
    return offer.as_anthropic() if _is_anthropics(request) else offer.as_openai()
