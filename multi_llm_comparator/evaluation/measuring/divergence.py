"""How far each subject's predictions are from those of one that is the reference, on one's own prompts.

Quantizations of one model are told apart so with a few prompts: every token counts, not every answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.evaluation.distributions import ReferenceView, loss_from, reference_view
from multi_llm_comparator.evaluation.measuring.asking import Scorer
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.spec import EvaluationSpec, Subject
from multi_llm_comparator.evaluation.statistics.intervals import weighted_interval

# Of very many prompts the first ones are compared: as many characters as fit the tokens that are compared at once.
MAX_CHARS = 150_000
MAX_CHARS_EACH = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """A subject's distance from the reference: nats per token, and the share of places with the same likeliest token.

    ``tokens`` places of ``texts`` prompts were compared. The intervals (95%) take texts as what was drawn, not places;
    None where there was but one. ``error``: why they could not be compared.
    """

    subject: str
    mean_kl: float = 0.0
    top1_agreement: float = 0.0
    tokens: int = 0
    texts: int = 0
    error: str = ""
    kl_interval: tuple[float, float] | None = None
    top1_interval: tuple[float, float] | None = None


def compared_with(spec: EvaluationSpec) -> tuple[Subject, ...]:
    """Whose predictions are compared with the reference's; the same model asked in another way predicts the same."""
    if spec.reference is None:
        return ()
    reference = spec.subject(spec.reference)
    return tuple(subject for subject in spec.subjects if subject.target != reference.target)


def texts_compared(spec: EvaluationSpec, cells: Mapping[CellKey, Cell]) -> list[str]:
    """Each prompt with what the reference answered to it, as far as they fit."""
    found, chars = list[str](), 0
    if spec.prompts is None or spec.reference is None:
        return found
    for number, row in enumerate(spec.prompts.rows):
        answer = cells.get(CellKey(number, spec.reference))
        written = answer.text if answer is not None and answer.state == "done" else ""
        text = f"{spec.prompts.prompt_of(row)}\n{written}".strip()[:MAX_CHARS_EACH]
        chars += len(text)
        if chars > MAX_CHARS:
            break
        found.append(text)
    return found


async def divergences_of(
    spec: EvaluationSpec, scorer: Scorer | None, cells: Mapping[CellKey, Cell]
) -> tuple[Divergence, ...]:
    """Compare every other subject with the reference; each model is loaded once more for it."""
    if spec.reference is None or scorer is None:
        return ()
    reference, texts = spec.subject(spec.reference), texts_compared(spec, cells)
    others = compared_with(spec)
    try:
        seen = await reference_view(scorer, reference.target, reference.config, texts)
    except MultiLLMError as exc:
        return tuple(Divergence(subject=one.id, error=str(exc)) for one in others)
    return tuple([await _divergence(scorer, seen, reference, one) for one in others])


async def _divergence(scorer: Scorer, seen: ReferenceView, reference: Subject, other: Subject) -> Divergence:
    # A context of the same length, or windows could not be compared; otherwise as it was asked.
    config = replace(other.config, n_ctx=reference.config.n_ctx)
    try:
        loss = await loss_from(scorer, seen, other.target, config)
    except MultiLLMError as exc:
        return Divergence(subject=other.id, error=str(exc))
    weights = [text.tokens for text in loss.per_text]
    return Divergence(
        subject=other.id,
        mean_kl=loss.mean_kl,
        top1_agreement=loss.top1_agreement,
        tokens=loss.tokens,
        texts=len(loss.per_text),
        kl_interval=_within(weighted_interval([text.mean_kl for text in loss.per_text], weights), math.inf),
        top1_interval=_within(weighted_interval([text.top1_agreement for text in loss.per_text], weights), 1.0),
    )


def _within(bounds: tuple[float, float] | None, most: float) -> tuple[float, float] | None:
    return None if bounds is None else (max(0.0, bounds[0]), min(most, bounds[1]))
