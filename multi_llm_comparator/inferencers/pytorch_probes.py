"""Which decoder a model gets: the fastest one that gives right answers with it, found by trying.

Whatever slower way a model has to go is said in a note, with the reason: a person sees it beside the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch

from multi_llm_comparator.inferencers.packed_linear import NOT_PACKED, pack_linear_layers, unpack_linear_layers
from multi_llm_comparator.inferencers.pytorch_decoders import (
    BatchDecoder,
    Decoder,
    LoneDecoder,
    Row,
    SingleDecoder,
    SplitDecoder,
)
from multi_llm_comparator.inferencers.pytorch_errors import detail, is_out_of_memory
from multi_llm_comparator.inferencers.pytorch_llama import LlamaStep, why_no_step
from multi_llm_comparator.inferencers.transformers_seam import CACHE_NAMES, Forward, new_cache, why_not_plain

# A page shows the first words of a note as they are, and all of it to who looks closer.
ONE_BY_ONE = "One after another, not in a batch: several requests at once share the time of one. Why: {}."
IN_ONE_PIECE = "Prompts are read in one piece: its other answers wait meanwhile. Why: {}."
SLOWER_STEP = "Slower than models of its kind: its steps are computed by transformers. Why: {}."
KEEPS_NOTHING = "Slower with each token: all of the text is read anew for the next one. Why: {}."

_log = logging.getLogger(__name__)


@torch.inference_mode()
def open_decoder(
    model: Any, device: torch.device, *, parallel: int, n_ctx: int, n_threads: int, packs: bool = True
) -> tuple[Decoder, list[str]]:
    """The decoder, and what a person should know of it.

    Args:
        n_threads: what rows that are alone are computed with.
        packs: whether the model's linear layers may be packed, where that makes a batch faster.
    """
    batch: BatchDecoder | None = None

    def try_batch() -> str | None:
        nonlocal batch
        if (why := _why_no_batch(model, n_ctx)) is None:
            batch = BatchDecoder(model, device, parallel, n_ctx)
            why = _why_wrong(batch, model, device)
        return why

    why = _tried("a batch", try_batch)
    if batch is not None and why is None:
        notes = _packed(batch, model, device) if packs else []
        alone = LoneDecoder(model, device, n_threads)
        if packs and device.type == "cpu":
            notes += _with_own_step(batch, alone, model, n_ctx)
        return SplitDecoder(model, device, batch, alone), notes
    single = SingleDecoder(model, device, n_threads)
    notes = [ONE_BY_ONE.format(why)]
    if not single.keeps:
        names = " or ".join(CACHE_NAMES)
        return single, [KEEPS_NOTHING.format(f"its forward pass takes no argument named {names}"), *notes]
    if (why := _tried("reading in pieces", lambda: _why_in_one_piece(single, model))) is not None:
        single.reads_in_chunks = False
        notes.append(IN_ONE_PIECE.format(why))
    return single, notes


def _packed(batch: BatchDecoder, model: Any, device: torch.device) -> list[str]:
    """Pack the model's linear layers, unless its code reads their weights itself; what a person should know of it."""
    # In bfloat16 only where the step is ours: elsewhere it was not tried that answers are the same with packed weights.
    has_step = why_no_step(model) is None
    why = pack_linear_layers(model, with_bfloat16=has_step) or _tried(
        "packed weights", lambda: _why_wrong(batch, model, device)
    )
    if why is None:
        return []
    unpack_linear_layers(model)
    return [NOT_PACKED.format(why)]


def _with_own_step(batch: BatchDecoder, alone: LoneDecoder, model: Any, n_ctx: int) -> list[str]:
    """Have both decoders compute steps the fast way, if the model is of a kind for it; what a person should know."""
    if why_no_step(model) is not None:
        return []

    def try_step() -> str | None:
        batch.own_step = LlamaStep(model, n_ctx)
        return _why_wrong(batch, model, torch.device("cpu"))

    why = _tried("a step of our own", try_step)
    if why is not None:
        batch.own_step = None
        return [SLOWER_STEP.format(why)]
    alone.own_step = batch.own_step
    return []


def _tried(what: str, attempt: Callable[[], str | None]) -> str | None:
    """Why ``what`` does not work with a model; an error is a reason too, and leaves its trace in the log."""
    try:
        return attempt()
    except Exception as exc:
        # Whatever a model's own code raises when it is used in a way that it was not made for.
        if is_out_of_memory(exc):
            raise
        _log.warning("trying %s with this model failed", what, exc_info=exc)
        return f"trying it failed with {type(exc).__name__}: {detail(exc)}"


def _why_no_batch(model: Any, n_ctx: int) -> str | None:
    forward = Forward(model)
    if not forward.keeps:
        return "it keeps nothing of what it has read"
    if forward.unknown:
        return f"its forward pass takes no {' and no '.join(forward.unknown)}"
    return why_not_plain(model, n_ctx)


def _why_wrong(decoder: BatchDecoder, model: Any, device: torch.device) -> str | None:
    """Try it: does a short row beside a longer one get the logits that the model gives it alone?

    Not every architecture says in its configuration that it counts positions or hides columns in a way of its own.
    """
    longer, short = (Row(_some_tokens(model, n)) for n in (8, 4))
    try:
        for row in (longer, short):
            row.state = new_cache()
            decoder.read(row)
            row.tokens.append(row.tokens[0])
            decoder.join(row)
        beside = decoder.decode()[1]
    finally:
        decoder.clear()
    alone = model(input_ids=torch.tensor([short.tokens], device=device)).logits[0, -1]
    return _why_unlike(beside, alone, model, "in a batch its values are")


def _why_in_one_piece(decoder: SingleDecoder, model: Any) -> str | None:
    """Try it: is a text read in two pieces the same to the model as in one? Not every kind of cache allows that."""
    whole, cut = (Row(_some_tokens(model, 9)) for _ in range(2))
    expected = decoder.advance(whole, 9)
    decoder.advance(cut, 5)
    return _why_unlike(decoder.advance(cut, 4), expected, model, "read in two pieces, a text gives values that are")


def _some_tokens(model: Any, n: int) -> list[int]:
    vocabulary = model.get_input_embeddings().num_embeddings
    return [(7 * i + 3) % vocabulary for i in range(1, n + 1)]


def _why_unlike(logits: torch.Tensor, expected: torch.Tensor, model: Any, where: str) -> str | None:
    """None if logits are the same but for rounding."""
    tolerance = 1e-3 if expected.dtype == torch.float32 and not getattr(model, "is_quantized", False) else 0.1
    off = float((logits - expected).abs().max() / expected.abs().max())
    return None if off <= tolerance else f"{where} {off:.2g} of the largest one off"
