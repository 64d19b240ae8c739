"""What an evaluation says in words, in English and Chinese: verdicts, and the names in exported reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from multi_llm_comparator.core.readable import NOTHING, Language
from multi_llm_comparator.core.words import Say, Words
from multi_llm_comparator.evaluation.measuring.breakdown import TagDifference
from multi_llm_comparator.evaluation.measuring.prompt_task import PROMPTS
from multi_llm_comparator.evaluation.measuring.results import JudgeTrust, PairVerdict, SubjectCost
from multi_llm_comparator.evaluation.measuring.spec import EvaluationSpec
from multi_llm_comparator.evaluation.statistics.intervals import Interval, wilson
from multi_llm_comparator.evaluation.statistics.power import items_needed, rounded_up

# A difference that people ask for: the outlook says what it would take to show it.
WANTED = 0.05


WORDS = Words(__file__)
words_of = WORDS.of


def items_words(say: Say, source: str, n: int) -> str:
    """``120 prompts``, ``200 items``."""
    return say("prompts_n" if source == PROMPTS else "items_n", n=f"{n:,}")


def source_name(say: Say, source: str) -> str:
    return say("source_prompts") if source == PROMPTS else source


def verdict_sentence(verdict: PairVerdict, spec: EvaluationSpec, language: Language) -> str:
    """A verdict as a sentence. One by a judge is only to be shown beside :func:`trust_sentence`."""
    say, found = words_of(language), verdict.paired
    names = {"first": spec.subject(verdict.first).name, "second": spec.subject(verdict.second).name}
    items = items_words(say, verdict.source, found.n)
    flips = {"ups": found.first_only, "downs": found.second_only}
    match verdict.outcome:
        case "nothing":
            return say("nothing", **names)
        case "alike":
            return say("alike", **names, items=items, most=f"{wilson(0, found.n)[1]:.1%}")
        case "not_separable" if verdict.needed is None:
            return say("no_difference", **names, items=items, **flips)
        case "not_separable":
            assert verdict.needed is not None
            return say("not_separable", **names, items=items, needed=f"{rounded_up(verdict.needed):,}")
    is_first = verdict.outcome == "better"
    low, high = (found.low, found.high) if is_first else (-found.high, -found.low)
    return say(
        "better",
        better=names["first" if is_first else "second"],
        worse=names["second" if is_first else "first"],
        points=_points(abs(found.difference)),
        low=_points(low),
        high=_points(high),
        p=p_words(verdict.p),
        items=items,
        ups=found.first_only if is_first else found.second_only,
        downs=found.second_only if is_first else found.first_only,
    )


def trust_sentence(trust: JudgeTrust, spec: EvaluationSpec, language: Language) -> str:
    """How far the judge can be believed."""
    say = words_of(language)
    assert spec.judge is not None
    flips, between = NOTHING, ""
    if trust.flip_rate is not None:
        low, high = wilson(trust.flipped, trust.judged)
        flips, between = f"{trust.flip_rate:.0%}", f" ({100 * low:.0f}–{100 * high:.0f}%)"
    values = {"judge": spec.judge.name, "flips": flips, "judged": f"{trust.judged:,}", "between": between}
    if not trust.agreement.n:
        return say("trust_none", **values)
    kappa = NOTHING if trust.agreement.kappa is None else f"{trust.agreement.kappa:.2f}"
    return say("trust", **values, kappa=kappa, n=trust.agreement.n)


def outlook_sentence(
    source: str, n: int, visible: float | None, discordance: float, language: Language, *, comparisons: int = 1
) -> str:
    """What a run of ``n`` items can show, before it starts, and how many a small difference would need."""
    say = words_of(language)
    needed = items_needed(WANTED, sqrt(max(0.0, discordance - WANTED**2)), comparisons=comparisons)
    values = {
        "items": items_words(say, source, n),
        "discordance": f"{discordance:.0%}",
        "wanted": f"{100 * WANTED:g}",
        "needed": NOTHING if needed is None else f"{rounded_up(needed):,}",
    }
    return (
        say("visible_none", **values) if visible is None else say("visible_before", **values, points=_points(visible))
    )


def count_sentence(sources: Mapping[str, int], models: int, ways: int, repeats: int, language: Language) -> str:
    """``12 prompts × 2 models × 3 sets of parameters × 2 times each = 144 answers``; a factor of 1 is left out."""
    say = words_of(language)
    items = [items_words(say, source, n) for source, n in sources.items()]
    factors = {"models_n": models, "ways_n": ways, "repeats_n": repeats}
    told = [f"({' + '.join(items)})" if len(items) > 1 else items[0]]
    told += [say(name, n=f"{n:,}") for name, n in factors.items() if n > 1]
    return " × ".join(told) + say("answers_n", n=f"{sum(sources.values()) * models * ways * repeats:,}")


def p_words(p: float) -> str:
    """``0.032``, ``< 0.001``."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def difference_words(differences: Sequence[TagDifference], spec: EvaluationSpec, language: Language) -> str:
    """``Q8_0 better than Q4_0 (p = 0.003)``, several with semicolons."""
    say = words_of(language)
    return "; ".join(
        say("tag_better", better=spec.subject(one.better).name, worse=spec.subject(one.worse).name, p=p_words(one.p))
        for one in differences
    )


def memory_words(size_bytes: int | None) -> str:
    """``105 MiB``."""
    return NOTHING if size_bytes is None else f"{size_bytes / 2**20:,.0f} MiB"


def cost_words(cost_usd: float | None) -> str:
    """``$0.0123``."""
    return NOTHING if cost_usd is None else f"${cost_usd:,.4f}"


def speed_words(cost: SubjectCost) -> str:
    """``33.1 tok/s (31.0–35.2)``."""
    if cost.tokens_per_s is None:
        return NOTHING
    interval = "" if cost.speed_low is None else f" ({cost.speed_low:.1f}–{cost.speed_high:.1f})"
    return f"{cost.tokens_per_s:.1f} tok/s{interval}"


def mean_words(found: Interval | None) -> str:
    """``62.5%``."""
    return NOTHING if found is None else f"{found.mean:.1%}"


def interval_words(found: Interval | None) -> str:
    """``53.1–70.9%``."""
    return NOTHING if found is None else f"{100 * found.low:.1f}–{100 * found.high:.1f}%"


def with_interval(found: Interval | None) -> str:
    """``62.5% (53.1–70.9%)``."""
    return mean_words(found) if found is None else f"{mean_words(found)} ({interval_words(found)})"


def _points(difference: float) -> str:
    return f"{100 * difference:.1f}"
