"""What votes say in words, in English and Chinese, for pages and exported files alike."""

from __future__ import annotations

from multi_llm_comparator.core.readable import NOTHING, Language
from multi_llm_comparator.core.words import Words
from multi_llm_comparator.voting.ranking import Ranking, Standing, points
from multi_llm_comparator.voting.tally import Tally
from multi_llm_comparator.voting.turns import BAD, VoteTurn

WORDS = Words(__file__)
words_of = WORDS.of


def say(language: Language, key: str, **values: object) -> str:
    return words_of(language)(key, **values)


def interval_words(standing: Standing, language: Language = "en") -> str:
    """``982 – 1034``; with one end where the other is not known."""
    low, high = f"{points(standing.low):.0f}", f"{points(standing.high):.0f}"
    if standing.is_open_above and standing.is_open_below:
        return NOTHING
    if standing.is_open_above:
        return say(language, "at_least", low=low)
    if standing.is_open_below:
        return say(language, "at_most", high=high)
    return f"{low} – {high}"


def rank_words(standing: Standing) -> str:
    """``1``, or ``1–3`` where its interval leaves these open."""
    best, worst = standing.best_rank, standing.worst_rank
    return str(best) if best == worst else f"{best}–{worst}"


def verdict_lines(found: Tally, ranking: Ranking, language: Language) -> list[str]:
    """A sentence for each two, the better one first; what is decided comes first."""
    order = [one.id for one in ranking.standings]
    lines: list[tuple[bool, str]] = []
    for n, one in enumerate(order):
        for other in order[n + 1 :]:
            verdict = ranking.verdict(one, other)
            names = {"one": found.labels[one], "other": found.labels[other]}
            lines.append((verdict != "better", say(language, verdict, **names)))
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def notes(found: Tally, ranking: Ranking, language: Language) -> list[str]:
    """What a reader must know beside the ranking."""
    if not ranking.votes:
        return [say(language, "none")]
    said = [say(language, "counted", votes=ranking.votes, ties=ranking.ties, bad=ranking.bad)]
    if found.automatic:
        said.append(say(language, "automatic", n=found.automatic))
    if ranking.is_separated:
        said.append(say(language, "separated"))
    if ranking.parts > 1:
        said.append(say(language, "parts", n=ranking.parts))
    if ranking.style_effects:
        import math

        length, markup = (f"{math.exp(effect):.2f}" for effect in ranking.style_effects)
        said.append(say(language, "style", length=length, markup=markup))
    return [*said, say(language, "how")]


def choice_words(turn: VoteTurn, name: str, language: Language) -> str:
    """What was chosen; ``name`` is that of the better one."""
    if turn.is_automatic:
        return say(language, "choice_same")
    if turn.best is not None:
        return say(language, "choice_best", name=name)
    return say(language, "choice_bad" if turn.choice == BAD else "choice_tie")
