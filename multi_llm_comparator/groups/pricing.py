"""What a call costs, and how many tokens it may need at most."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

import genai_prices

from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups.config import ModelDeclaration

MILLION = 1_000_000
BYTES_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 8
TOKENS_PER_IMAGE = 2000


@dataclass(frozen=True, slots=True)
class Priced:
    """``usd`` is None when nobody knows a price; ``by`` says who does."""

    usd: float | None
    by: str


def price_of(declaration: ModelDeclaration, prompt_tokens: int, completion_tokens: int, *, name: str = "") -> Priced:
    """The price of one call: the configuration's own first, then genai-prices', whose data come with the package.

    Args:
        name: what the configuration calls the model; the endpoint's own id where the declaration gives no other.
    """
    if declaration.price is not None:
        own = declaration.price
        micro = prompt_tokens * own.input_per_mtok + completion_tokens * own.output_per_mtok
        return Priced(micro / MILLION, "configuration")
    if declaration.base_url is None:
        return Priced(0.0, "local")
    usage = genai_prices.Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens)
    try:
        found = _look_up(usage, declaration, declaration.model or name)
    except LookupError:
        return Priced(None, "")
    return Priced(float(found.total_price), "genai-prices")


def load_prices() -> None:
    """Read the prices of all known models, for which the first call would have to wait."""
    genai_prices.data_snapshot.get_snapshot()


def _look_up(
    usage: genai_prices.Usage, declaration: ModelDeclaration, model: str
) -> genai_prices.types.PriceCalculation:
    """By the endpoint's address; a proxy's address is unknown there, so then by the provider's name."""
    if urlsplit(declaration.base_url or "").hostname not in ("127.0.0.1", "localhost", "::1"):
        try:
            return genai_prices.calc_price(usage, model, provider_api_url=declaration.base_url)
        except LookupError:
            pass
    return genai_prices.calc_price(usage, model, provider_id=declaration.provider)


def estimated_prompt_tokens(request: GenerationRequest) -> int:
    """What is likely before any tokenizer has seen the prompt: English has 4 to 5 bytes a token, Chinese 3."""
    said = sum(
        -(-_bytes(message.content) // BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE + TOKENS_PER_IMAGE * len(message.images)
        for message in request.with_system_prompt()
    )
    return said + -(-_bytes_beside(request) // BYTES_PER_TOKEN) + len(request.prompt_tokens)


def most_prompt_tokens(request: GenerationRequest) -> int:
    """More than the prompt can have: no tokenizer in use makes more tokens than there are bytes."""
    said = sum(
        _bytes(message.content) + 2 * TOKENS_PER_MESSAGE + TOKENS_PER_IMAGE * len(message.images)
        for message in request.with_system_prompt()
    )
    return said + _bytes_beside(request) + len(request.prompt_tokens)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _bytes_beside(request: GenerationRequest) -> int:
    """Of what a prompt has beside what was said: thoughts, calls of tools, and the tools, indented as some chat
    templates write them."""
    written = sum(
        _bytes(message.thought)
        + sum(_bytes(call.name + call.arguments) + TOKENS_PER_MESSAGE for call in message.tool_calls)
        for message in request.messages
    )
    return written + sum(_bytes(json.dumps(tool.as_template_sees_it(), indent=4)) for tool in request.offered_tools)
