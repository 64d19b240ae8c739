"""Analyses a document: claims from each of its parts, each with a quote that is looked up, then one text from them.

Where the model gives nothing that can be shown, sentences are picked by code, and the result says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from multi_llm_comparator.applications.analysis.chunks import Part, parts_of
from multi_llm_comparator.applications.analysis.picking import Sentence, Terms, kind_of, relevance, sentences
from multi_llm_comparator.applications.analysis.prompts import MIN_CLAIMS, claims_question, objects_in, summary_question
from multi_llm_comparator.applications.analysis.quotes import Found, Haystack
from multi_llm_comparator.applications.analysis.writing import written
from multi_llm_comparator.applications.desk import Desk
from multi_llm_comparator.applications.numbers import Allowed, checked_numbers
from multi_llm_comparator.applications.reading.pieces import Reading, Remark, language_of
from multi_llm_comparator.applications.results import Claim, ClaimKind, DocumentAnalysis
from multi_llm_comparator.applications.saying import finished, is_readable, summed_numbers
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.together import together

# Of a long document, a question is asked of the parts that share most words with it.
MAX_ASKED_PARTS = 12
# Sentences that stand in for a part whose claims cannot be shown.
PICKED_PER_PART, PICKED_ALONE = 2, 6
# Of a part, for a question.
PICKED_FROM = 200
MAX_CLAIMS = 2_000
# Claims that the summary is made from.
MAX_SUMMED = 400
MAX_FOLDS = 4
# A summary with fewer of its terms in the document is not about it.
MIN_KNOWN = 0.5
# A statement that shares less with its quote is not shown by it.
MIN_SHOWN = 0.25
MIN_CLAIM_CHARS = 6
_LIST_MARK = re.compile(r"^(?:\d{1,2}[.)]|[-*•])\s+")
_CITED = re.compile(r"\s?\[(\d{1,4})\]")
_KINDS: frozenset[ClaimKind] = frozenset({"point", "strength", "risk", "plan"})


@dataclass(frozen=True)
class _Work:
    """What all steps need."""

    desk: Desk
    spec: ServiceSpec
    reading: Reading
    language: Language
    terms: Terms
    allowed: Allowed


async def analyse(desk: Desk, spec: ServiceSpec, reading: Reading) -> DocumentAnalysis:
    """Analyse a document as ``spec`` says; what cannot be had from the model is picked from the text."""
    language = spec.spoken_in(language_of(reading.text))
    # Of a long document this takes seconds.
    work = _Work(desk, spec, reading, language, *await asyncio.to_thread(_counted, reading))
    remarks = list(reading.remarks)
    # What is left of a prompt beside the text itself.
    budget = max(128, desk.prompt_tokens - 260 - len(spec.question) // 2)
    parts = await parts_of(desk, reading.pieces, budget)
    asked = _fitting_parts(spec, parts)
    if len(asked) < len(parts):
        remarks.append(Remark(code="parts_chosen", values={"n": len(asked), "total": len(parts)}))
    claims = await _all_claims(work, asked, remarks)
    shown = [claim for claim in claims if claim.state != "not_found"]
    summary, is_worded = await _summed_up(work, shown, remarks)
    checked = checked_numbers(summary, work.allowed)
    unfounded = len(claims) - len(shown)
    if unfounded:
        remarks.append(Remark(code="claims_unfounded", values={"n": unfounded, "total": len(claims)}))
    struck = (*checked.struck, *(number for claim in shown for number in claim.struck))
    if struck:
        remarks.append(Remark(code="numbers_struck", values=summed_numbers(struck)))
    return DocumentAnalysis(
        kind=spec.kind,
        language=language,
        text=written(spec.kind, language, checked.text, shown, work.terms),
        remarks=tuple(remarks),
        struck=struck,
        summary=checked.text,
        claims=(*shown, *(claim for claim in claims if claim.state == "not_found")),
        document_length=reading.words,
        parts=len(parts),
        unfounded=unfounded,
        is_worded=is_worded,
    )


def _counted(reading: Reading) -> tuple[Terms, Allowed]:
    """The terms and the numbers of a document."""
    allowed = Allowed()
    for piece in reading.pieces:
        allowed.add_text(piece.text)
    return Terms(piece.text for piece in reading.pieces), allowed


def _fitting_parts(spec: ServiceSpec, parts: Sequence[Part]) -> list[tuple[int, Part]]:
    """The parts that are asked, with their numbers."""
    numbered = list(enumerate(parts))
    if spec.kind != "questions" or len(parts) <= MAX_ASKED_PARTS:
        return numbered
    scores = relevance(spec.question, [part.text for part in parts])
    best = sorted(numbered, key=lambda one: -scores[one[0]])[:MAX_ASKED_PARTS]
    return sorted(best, key=lambda one: one[0])


# --- claims ---------------------------------------------------------------------------------------------------------


async def _all_claims(work: _Work, parts: Sequence[tuple[int, Part]], remarks: list[Remark]) -> list[Claim]:
    if not work.desk.has_model:
        remarks.append(Remark(code="no_model"))
        found = await asyncio.to_thread(lambda: [_picked(work, part) for _, part in parts])
    else:
        work.desk.expect(len(parts) + 1)
        total = len(work.reading.pieces) and max(number for number, _ in parts) + 1
        answers = await together(_claims_of(work, part, str(n + 1), n + 1, total) for n, part in parts)
        found = [claims for claims, _ in answers]
        errors = [error for _, error in answers if error]
        if errors:
            remarks.append(Remark(code="parts_failed", values={"n": len(errors), "why": errors[0][:300]}))
        picked = sum(any(claim.state == "picked" for claim in claims) for claims in found)
        if picked:
            remarks.append(Remark(code="parts_picked", values={"n": picked, "total": len(parts)}))
    return _without_doubles([claim for claims in found for claim in claims])[:MAX_CLAIMS]


async def _claims_of(work: _Work, part: Part, key: str, n: int, total: int) -> tuple[list[Claim], str]:
    """The claims of a part, and why the model gave none where it failed."""
    spec = work.spec
    asked = partial(
        claims_question,
        spec.kind,
        work.language,
        part.text,
        n=n,
        total=total,
        question=spec.question,
        max_tokens=spec.answer_tokens,
    )
    reply = await work.desk.ask(f"part.{key}", asked([one for text in part.texts for one in sentences(text)]))
    if reply.error_type in ("RequestRefusedError", "GrammarError"):
        # Some endpoints take no long lists of choices.
        reply = await work.desk.ask(f"part.{key}", asked(()))
    if reply.error_type == "ContextOverflowError" and (halves := part.halves()):
        # The tokens were only estimated: it is asked in two halves.
        work.desk.expect(2)
        both = await together(
            _claims_of(work, half, f"{key}{side}", n, total) for side, half in zip("ab", halves, strict=True)
        )
        return [claim for claims, _ in both for claim in claims], next((error for _, error in both if error), "")
    claims = _read_claims(work, reply.text, part) if reply.is_answer else []
    shown = len({claim.quote for claim in claims if claim.state != "not_found"})
    if shown < _wanted(work, part) and not _says_nothing(work, reply.text, claims):
        claims = [*claims, *_picked(work, part)]
    return claims, reply.error


def _wanted(work: _Work, part: Part) -> int:
    """How many statements a part should give at least."""
    if work.spec.kind in ("risks", "questions"):
        return 1
    return min(MIN_CLAIMS, max(1, sum(len(sentences(text)) for text in part.texts) // 3))


def _says_nothing(work: _Work, answer: str, claims: list[Claim]) -> bool:
    """Whether the model says that a part has nothing of what is looked for, which may well be."""
    empty = re.fullmatch(r"\s*\{\s*\"claims\"\s*:\s*\[\s*\]\s*\}\s*", answer) is not None
    return not claims and empty and work.spec.kind in ("risks", "questions")


def _read_claims(work: _Work, answer: str, part: Part) -> list[Claim]:
    haystack = Haystack(part.pieces, part.texts)
    claims = []
    for one in objects_in(answer, "claims"):
        text, quote = one.get("claim"), one.get("quote")
        if not isinstance(text, str) or not isinstance(quote, str) or not text.strip():
            continue
        found = haystack.find(quote)
        if found and not _is_of(text, found.quote, MIN_SHOWN):
            # The quote does not show it; it may stand in the document itself.
            found = haystack.find(text) or found
        if found and not (_is_of(text, part.text) and _is_of(text, found.quote, MIN_SHOWN)):
            # Nothing that the quote or its surroundings say: the quote itself is worth more.
            claims.append(_as_picked(work, found))
            continue
        checked = checked_numbers(_LIST_MARK.sub("", " ".join(text.split())), work.allowed)
        kind = one.get("kind")
        claims.append(
            Claim(
                text=checked.text,
                quote=found.quote if found else quote,
                kind="risk" if work.spec.kind == "risks" else kind if kind in _KINDS else _kind(work, found, quote),
                state="found" if found else "not_found",
                piece=found.piece if found else None,
                place=work.reading.pieces[found.piece].place if found else None,
                struck=checked.struck,
            )
        )
    return claims


def _is_of(text: str, part: str, least: float = MIN_KNOWN) -> bool:
    """Whether a statement is made of words of a text, as far as both are in one language."""
    if language_of(text) != language_of(part):
        return len(text) >= MIN_CLAIM_CHARS
    return len(text) >= MIN_CLAIM_CHARS and Terms([part]).share_known(text) >= least


def _as_picked(work: _Work, found: Found) -> Claim:
    piece = work.reading.pieces[found.piece]
    kind: ClaimKind = "risk" if work.spec.kind == "risks" else kind_of(found.quote, piece.place.heading)
    text = " ".join(found.quote.split())
    return Claim(text=text, quote=found.quote, kind=kind, state="picked", piece=found.piece, place=piece.place)


def _kind(work: _Work, found: Found | None, quote: str) -> ClaimKind:
    return kind_of(quote, work.reading.pieces[found.piece].place.heading if found else "")


def _picked(work: _Work, part: Part) -> list[Claim]:
    """Sentences of a part, word for word."""
    spec, pieces = work.spec, work.reading.pieces
    headings = [pieces[number].place.heading for number in part.pieces]

    def best(most: int, kind: ClaimKind) -> list[Sentence]:
        return work.terms.best(part.pieces, part.texts, most, kind, headings)

    many = PICKED_PER_PART if work.desk.has_model else PICKED_ALONE
    if spec.kind == "questions":
        found = _fitting(spec.question, best(PICKED_FROM, "point"), many)
    elif spec.kind == "comprehensive":
        # Risks and plans are rarely what a text has most words about.
        found = [*best(many, "point"), *(one for kind in ("risk", "plan", "strength") for one in best(2, kind))]
    else:
        found = best(many, "risk" if spec.kind == "risks" else "point")
    return [_as_picked(work, Found(one.piece, one.text)) for one in found]


def _fitting(question: str, found: Sequence[Sentence], most: int) -> list[Sentence]:
    """The sentences that fit a question best, of those that fit it at least half as well as the best one."""
    fits = relevance(question, [one.text for one in found])
    order = sorted(range(len(found)), key=lambda at: -fits[at])[:most]
    return [found[at] for at in sorted(order) if fits[at] > 0 and fits[at] >= 0.5 * fits[order[0]]]


def _without_doubles(claims: Sequence[Claim]) -> list[Claim]:
    """Each quote and each statement once, in the document's order; claims by the model before picked sentences."""
    kept: dict[str, Claim] = {}
    seen: set[str] = set()
    for claim in sorted(claims, key=lambda one: (one.state == "picked", one.piece is None, one.piece or 0)):
        quote, text = "".join(claim.quote.split()).lower(), "".join(claim.text.split()).lower()
        if quote in kept or text in seen:
            continue
        kept[quote] = claim
        seen.add(text)
    return sorted(kept.values(), key=lambda one: (one.piece is None, one.piece or 0))


# --- one text -------------------------------------------------------------------------------------------------------


async def _summed_up(work: _Work, claims: Sequence[Claim], remarks: list[Remark]) -> tuple[str, bool]:
    """A text from the claims, with their numbers, and whether it is the model's."""
    if not claims:
        return "", False
    chosen = _most_telling(work, claims, MAX_SUMMED)
    if work.desk.has_model and work.spec.kind != "key_points":
        text, problem = await _folded(work, [f"[{claims.index(one) + 1}] {_unstruck(one.text)}" for one in chosen])
        text = finished(text)
        text = _CITED.sub(lambda m: m[0] if 1 <= int(m[1]) <= len(claims) else "", text)
        if not problem and _is_about(work, text):
            return text, True
        remarks.append(Remark(code="summary_picked", values={"why": problem[:300]} if problem else {}))
    shortest = _most_telling(work, claims, 4)
    joined = "" if work.language == "zh" else " "
    return joined.join(f"{_ended(one.quote, work.language)} [{claims.index(one) + 1}]" for one in shortest), False


async def _folded(work: _Work, lines: list[str]) -> tuple[str, str]:
    """One text from statements; of more than fit into a prompt, from texts about groups of them."""
    spec, budget = work.spec, work.desk.prompt_tokens - 160 - len(work.spec.question) // 2
    for level in range(MAX_FOLDS):
        groups = await _packed(work.desk, lines, budget)
        is_last = len(groups) == 1 or level == MAX_FOLDS - 1 or len(groups) >= len(lines)
        if is_last:
            groups = groups[:1]
        else:
            work.desk.expect(len(groups))
        questions = [
            summary_question(
                spec.kind,
                work.language,
                group,
                question=spec.question,
                max_tokens=spec.answer_tokens if is_last else max(64, spec.answer_tokens // 2),
            )
            for group in groups
        ]
        replies = await together(work.desk.ask(f"sum.{level}.{n}", one) for n, one in enumerate(questions, start=1))
        if is_last:
            return replies[0].text.strip(), replies[0].error
        lines = [" ".join(reply.text.split()) for reply in replies if reply.is_answer and reply.text.strip()]
        if not lines:
            return "", replies[0].error or "nothing was said"
    return "", ""


async def _packed(desk: Desk, lines: Sequence[str], budget: int) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    held = 0
    for line in lines:
        tokens = await desk.tokens_of(line)
        if groups[-1] and held + tokens > budget:
            groups.append([])
            held = 0
        groups[-1].append(line)
        held += tokens
    return groups


def _most_telling(work: _Work, claims: Sequence[Claim], most: int) -> list[Claim]:
    """Those that say most, in their order."""
    if len(claims) <= most:
        return list(claims)
    kind: ClaimKind = "risk" if work.spec.kind == "risks" else "point"
    scores = (
        relevance(work.spec.question, [claim.quote for claim in claims])
        if work.spec.kind == "questions"
        else [work.terms.scored(0, claim.quote, kind).score for claim in claims]
    )
    best = sorted(range(len(claims)), key=lambda at: -scores[at])[:most]
    return [claims[at] for at in sorted(best)]


def _is_about(work: _Work, text: str) -> bool:
    """Whether a summary is in the language of the result and made of the document's words."""
    plain = _CITED.sub("", text)
    lines = [line for line in text.split("\n") if line.strip()]
    copied = sum(bool(re.match(r"[-*\s]*\[\d+\]", line)) for line in lines)
    if not is_readable(plain, work.language) or copied > 1:
        return False
    # A summary in another language than the document's shares few words with it.
    is_translated = language_of(work.reading.text) != work.language
    return is_translated or work.terms.share_known(plain) >= MIN_KNOWN


def _unstruck(text: str) -> str:
    """Without the numbers that were struck out: the summary should not repeat them."""
    return re.sub(r"~~[^~]*~~", "…", text)


def _ended(text: str, language: Language) -> str:
    line = " ".join(text.split())
    return line if line.endswith(("。", ".", "!", "！", "?", "？")) else f"{line}{'。' if language == 'zh' else '.'}"
