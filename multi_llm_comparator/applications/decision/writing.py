"""The text of a decision: verdict, table, requirements, reasons, and how far the weights may move."""

from __future__ import annotations

from multi_llm_comparator.applications.decision.problem import Check, Decision, Movement, Option, Requirement, Score
from multi_llm_comparator.applications.words import number, percent, words_of
from multi_llm_comparator.core.markdown_text import table
from multi_llm_comparator.core.readable import NOTHING, Language
from multi_llm_comparator.core.words import Say

# Behind the first one by less than this, the second is said to be close.
CLOSE = 0.25


def written(kind: str, decision: Decision, wording: str, language: Language) -> str:
    """Markdown, with what the reader came for first."""
    say = words_of(language)
    blocks = [f"## {say('verdict')}", "\n".join(verdict_lines(decision, say))]
    if kind == "risk":
        blocks += [f"## {say('risks')}", *_risks(decision, say)]
    else:
        blocks += [f"## {say('options')}", "\n".join(_table(decision, say))]
    if decision.problem.requirements:
        blocks += [f"## {say('constraints')}", "\n".join(requirement_lines(decision, say))]
    if kind == "recommendation" and decision.winner:
        blocks += [f"## {say('reasons')}", "\n".join(_reasons(decision, say))]
    if decision.movements and kind != "risk":
        lines = [say(f"weights_{decision.problem.weights_by}"), *movement_lines(decision, say)]
        blocks += [f"## {say('sensitivity')}", "\n".join(f"- {line}" for line in lines)]
    if wording:
        blocks += [f"## {say('in_words')}", wording]
    return "\n\n".join(blocks)


def fact_lines(decision: Decision, language: Language) -> list[str]:
    """All that was computed, as sentences for a model."""
    say = words_of(language)
    facts = [*verdict_lines(decision, say), *(line.strip(" -") for line in requirement_lines(decision, say))]
    for option in decision.problem.options:
        parts = [f"{say('score')} {number(round(decision.totals[option.name], 2))}"]
        parts += [f"{say('cost')} {option.cost.text}"] if option.cost else []
        parts += [f"{say('pros')}: {', '.join(option.pros)}"] if option.pros else []
        parts += [f"{say('cons')}: {', '.join(option.cons)}"] if option.cons else []
        facts.append(f"{option.title}: {'; '.join(parts)}")
    return facts


def verdict_lines(decision: Decision, say: Say) -> list[str]:
    if decision.winner is None:
        return [say("verdict_none", name=decision.option(decision.closest).title)]
    best = decision.totals[decision.winner]
    lines = [say("verdict_best", name=decision.option(decision.winner).title, score=_points(best))]
    if decision.runner_up is None:
        return [*lines, *([say("verdict_only")] if decision.excluded else [])]
    second, gap = decision.option(decision.runner_up).title, best - decision.totals[decision.runner_up]
    key = "verdict_close" if gap < CLOSE else "verdict_second"
    score = _points(decision.totals[decision.runner_up])
    return [*lines, say(key, second=second, score=score, gap=_points(gap))]


def requirement_lines(decision: Decision, say: Say) -> list[str]:
    """Each requirement, and each option against it, as a list in a list."""
    lines = []
    for one in decision.problem.requirements:
        mine = [check for check in decision.checks if check.kind == one.kind]
        lines.append(f"- {_limit(one, say)}")
        if all(check.state == "unknown" for check in mine):
            lines.append(f"  - {say('constraint_unsaid')}")
            continue
        lines += [f"  - {check_line(decision, check, say)}" for check in mine]
    return lines


def check_line(decision: Decision, check: Check, say: Say) -> str:
    name = decision.option(check.option).title
    if check.state == "unknown":
        return say("constraint_unknown", name=name)
    value = say("months", value=check.value) if check.kind == "time" else check.value
    if check.state == "met":
        return say("constraint_met", name=name, value=value)
    excess = f"{say('months', value=check.excess_text) if check.kind == 'time' else check.excess_text}"
    return say("constraint_broken", name=name, value=value, excess=f"{excess} ({percent(100 * check.excess)})")


def _limit(one: Requirement, say: Say) -> str:
    if one.kind == "budget":
        return say("constraint_budget", limit=one.money.text if one.money else NOTHING)
    return say("constraint_time", limit=say("months", value=number(one.months or 0)))


def _table(decision: Decision, say: Say) -> list[str]:
    criteria = decision.problem.criteria
    heading = [
        say("option"),
        say("price"),
        *(f"{one.name} ({percent(100 * one.weight)})" for one in criteria),
        say("score"),
        say("constraints"),
    ]
    scores = {(score.option, score.criterion): score.value for score in decision.scores}
    rows = []
    for option in sorted(
        decision.problem.options, key=lambda o: (o.name in decision.excluded, -decision.totals[o.name])
    ):
        states = [say("excluded")] if option.name in decision.excluded else [say("allowed")]
        if option.name == decision.winner:
            states = [say("recommended")]
        rows.append(
            [
                option.title,
                option.cost.text if option.cost else NOTHING,
                *(_points(scores[option.name, one.name]) for one in criteria),
                _points(decision.totals[option.name]),
                states[0],
            ]
        )
    return table(heading, rows)


def _reasons(decision: Decision, say: Say) -> list[str]:
    assert decision.winner is not None
    option = decision.option(decision.winner)
    lines = [
        f"- {score.criterion}: {_points(score.value)}, {evidence(score, say)}"
        for score in decision.scores
        if score.option == option.name
    ]
    lines += [f"- {say('pros')}: {'; '.join(option.pros)}"] if option.pros else []
    lines += [f"- {say('cons')}: {'; '.join(option.cons)}"] if option.cons else []
    return lines


def evidence(score: Score, say: Say) -> str:
    """What a score rests on."""
    if score.evidence == "model":
        return say("evidence_model", quote=score.quote)
    text = say(f"evidence_{score.evidence}")
    return f"{text} ({score.quote})" if score.quote else text


def movement_lines(decision: Decision, say: Say) -> list[str]:
    return [_movement_line(decision, one, say) for one in decision.movements]


def _movement_line(decision: Decision, one: Movement, say: Say) -> str:
    assert decision.winner is not None
    name = decision.option(decision.winner).title
    if not one.others:
        return say("sensitivity_stable", criterion=one.criterion, name=name)
    others = say("sensitivity_beyond", names=", ".join(decision.option(other).title for other in one.others))
    return say(
        "sensitivity_range",
        criterion=one.criterion,
        weight=percent(100 * one.weight),
        name=name,
        low=percent(100 * one.low),
        high=percent(100 * one.high),
        others=others,
    )


def _risks(decision: Decision, say: Say) -> list[str]:
    blocks: list[str] = []
    for option in decision.problem.options:
        lines = [f"- **{risk}**" if is_grave else f"- {risk}" for risk, is_grave in risks_of(decision, option, say)]
        blocks += [f"### {option.title}", "\n".join(lines) or say("no_risks")]
    return blocks


def risks_of(decision: Decision, option: Option, say: Say) -> list[tuple[str, bool]]:
    """What speaks against an option, and whether it is grave: a broken requirement first, then what the text says, then
    what it does not say."""
    mine = [check for check in decision.checks if check.option == option.name]
    risks = [
        (say("risk_excluded", why=check_line(decision, check, say)), True) for check in mine if check.state == "broken"
    ]
    risks += [(one, False) for one in option.cons]
    unknown = [
        one for one in decision.problem.requirements if any(c.kind == one.kind and c.state == "unknown" for c in mine)
    ]
    return [*risks, *((say("risk_unknown", what=_limit(one, say)), False) for one in unknown)]


def _points(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
