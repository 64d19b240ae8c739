"""The text of an analysis: sections with claims, and the numbers of their sources."""

from __future__ import annotations

from collections.abc import Sequence

from multi_llm_comparator.applications.analysis.picking import Terms
from multi_llm_comparator.applications.results import Claim, ClaimKind
from multi_llm_comparator.applications.words import words_of
from multi_llm_comparator.core.readable import Language

# Of a section; the sources list has all.
MAX_SHOWN = 12
_SECTIONS: dict[str, tuple[tuple[str, ClaimKind | None], ...]] = {
    "comprehensive": (("points", "point"), ("strengths", "strength"), ("risks", "risk"), ("plans", "plan")),
    "summary": (),
    "key_points": (("points", None),),
    "risks": (("risks", None),),
    "questions": (("passages", None),),
}
_FIRST = {"questions": "answer", "risks": "assessment"}


def written(kind: str, language: Language, summary: str, claims: Sequence[Claim], terms: Terms) -> str:
    """Markdown: the summary, and the claims of each section with the numbers of their sources."""
    say = words_of(language)
    numbered = list(enumerate(claims, start=1))
    if not numbered:
        return say("nothing_found" if kind != "questions" else "not_answered")
    blocks = [] if kind == "key_points" else [f"## {say(_FIRST.get(kind, 'summary'))}", summary]
    for name, wanted in _SECTIONS[kind]:
        found = [(n, claim) for n, claim in numbered if wanted in (None, claim.kind)]
        if not found:
            continue
        best = sorted(found, key=lambda one: -terms.scored(0, one[1].quote).score)[:MAX_SHOWN]
        lines = [f"- {claim.text} [{n}]" for n, claim in sorted(best, key=lambda one: one[0])]
        blocks += [f"## {say(name)}", "\n".join(lines)]
        if len(found) > MAX_SHOWN:
            blocks.append(say("more_claims", n=len(found) - MAX_SHOWN))
    return "\n\n".join(blocks)
