"""What services find, typed; a run stores them as plain data, and callers get :meth:`handed_out`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import TypeAdapter

from multi_llm_comparator.applications.decision.problem import Decision
from multi_llm_comparator.applications.insight.figures import Data
from multi_llm_comparator.applications.reading.pieces import Place, Remark
from multi_llm_comparator.applications.spec import RESULT_KEYS
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.readable import Language

ClaimKind = Literal["point", "strength", "risk", "plan"]
# Whether a claim's quote stands in the document, was not found there, or was picked by code in place of a claim.
ClaimState = Literal["found", "not_found", "picked"]


class Claim(ClosedModel):
    """A statement about a document with the quote that shows it. ``piece`` is the number of the piece that the quote
    begins in, from 0. ``struck`` are numbers of the statement that the document does not have."""

    text: str
    quote: str
    kind: ClaimKind = "point"
    state: ClaimState
    piece: int | None = None
    place: Place | None = None
    struck: tuple[str, ...] = ()


class _Result(ClosedModel):
    """``text`` is the whole result as Markdown; ``remarks`` is what a reader should know of how it came about."""

    kind: str
    language: Language
    text: str
    remarks: tuple[Remark, ...] = ()
    struck: tuple[str, ...] = ()


class DocumentAnalysis(_Result):
    """``document_length`` in words, a Chinese character being one. ``parts``: the document was read in so many;
    ``unfounded``: claims whose quote is not in it, which are not part of the text; ``is_worded``: the summary, or the
    answer, is the model's."""

    service_type: Literal["document_analysis"] = "document_analysis"
    summary: str
    claims: tuple[Claim, ...]
    document_length: int
    parts: int
    unfounded: int
    is_worded: bool


class DataInsight(_Result):
    """``wording`` is the model's, with numbers struck out that the data does not give; "" where there is none."""

    service_type: Literal["data_insight"] = "data_insight"
    wording: str
    data: Data
    data_points: int


class DecisionSupport(_Result):
    """``wording`` as in :class:`DataInsight`."""

    service_type: Literal["decision_support"] = "decision_support"
    wording: str
    decision: Decision
    document_length: int


Result = DocumentAnalysis | DataInsight | DecisionSupport
RESULTS: TypeAdapter[Result] = TypeAdapter(Result)


def handed_out(result: Result) -> dict[str, Any]:
    """A result as callers get it: its text under the name of its kind, and all else as plain data."""
    fields = result.model_dump(mode="json", exclude={"text"})
    data = fields.get("data")
    if data is not None:
        data.pop("text", None)
    return {RESULT_KEYS[result.service_type, result.kind]: result.text, **fields}
