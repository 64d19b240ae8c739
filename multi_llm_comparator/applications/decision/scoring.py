"""Requirements checked, options scored and added up, weights moved: all by code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from multi_llm_comparator.applications.decision.amounts import same_terms
from multi_llm_comparator.applications.decision.problem import (
    HIGHEST,
    LOWEST,
    MIDDLE,
    Check,
    Criterion,
    Decision,
    Movement,
    Option,
    Problem,
    Requirement,
    Score,
)
from multi_llm_comparator.applications.words import number

# What a criterion may be called in what is said for and against, by a sign of it in its name.
_SIGNS = (
    (
        r"成本|费用|价格|预算|cost|price|budget|afford|cheap",
        r"成本|费用|价格|便宜|昂贵|cost|price|cheap|expensive|afford",
    ),
    (
        r"可靠|稳定|质量|成熟|reliab|stab|quality|availab|matur",
        r"可靠|稳定|成熟|灾备|冗余|可用|质量|锁定|领先|reliab|stab|matur|proven|redundan|uptime|outage|availab|lock-in",
    ),
    (
        r"合规|政策|法规|监管|complian|regulat|legal",
        r"合规|政策|法规|监管|本土化|complian|regulat|legal|certif|audit|gdpr|local",
    ),
    (r"安全|隐私|secur|privacy|safe", r"安全|隐私|加密|泄露|secur|privacy|encrypt|breach|safe"),
    (r"扩展|弹性|scal|flexib|grow", r"扩展|弹性|灵活|全面|锁定|scal|flexib|elastic|grow"),
    (r"性能|速度|performance|speed|fast|latency", r"性能|速度|快|慢|延迟|受限|performance|fast|slow|speed|latency"),
    (r"服务|支持|support|service", r"服务|支持|客服|响应|support|service|respons"),
    (r"集成|生态|兼容|integrat|ecosystem|compat", r"集成|生态|兼容|混合|integrat|ecosystem|compat|hybrid"),
    (
        r"简单|复杂|管理|易用|运维|ease|simpl|complex|manag|usab",
        r"简单|复杂|管理|易用|运维|eas|simpl|complex|manag|usab",
    ),
    (r"时间|进度|迁移|time|schedule|migrat", r"时间|快速|延迟|进度|迁移|time|quick|delay|schedule|migrat"),
)
_COST = re.compile(_SIGNS[0][0], re.IGNORECASE)
_PROS, _CONS = re.compile(r"(?i)优势|收益|好处|benefit|advantage|value"), re.compile(r"(?i)风险|劣势|risk|disadvantage")
GRID = 100
# Beyond this two totals count as the same.
TIE = 1e-9


def checks_of(problem: Problem) -> list[Check]:
    """Each option against each requirement."""
    return [_check(option, one) for one in problem.requirements for option in problem.options]


def _check(option: Option, one: Requirement) -> Check:
    if one.kind == "budget" and option.cost and one.money and (both := same_terms(option.cost, one.money)):
        value, limit = both
        text = option.cost.text
        over = (value - limit) * option.cost.value / value if value else 0.0
        sign = option.cost.currency
        shown = f"{sign}{number(over)}" if sign in ("$", "€", "£") else f"{number(over)}{sign}"
    elif one.kind == "time" and option.months is not None and one.months is not None:
        value, limit, text = option.months, one.months, number(option.months)
        shown = number(value - limit)
    else:
        return Check(option=option.name, kind=one.kind, state="unknown")
    is_broken = value > limit * (1 + 1e-9)
    excess = (value - limit) / limit if is_broken and limit else float(is_broken)
    return Check(
        option=option.name,
        kind=one.kind,
        state="broken" if is_broken else "met",
        value=text,
        excess=excess,
        excess_text=shown if is_broken else "",
    )


def score_by_cost(problem: Problem, criterion: str) -> list[Score]:
    """The cheapest option 5, the dearest 1, the others between; nothing where costs are unknown or not comparable."""
    if not _COST.search(criterion):
        return []
    priced = [option for option in problem.options if option.cost]
    if len(priced) < 2:
        return []
    values: dict[str, float] = {}
    for option in priced:
        assert option.cost is not None and priced[0].cost is not None
        both = same_terms(option.cost, priced[0].cost)
        if both is None:
            return []
        values[option.name] = both[0]
    low, high = min(values.values()), max(values.values())
    return [
        Score(
            option=option.name,
            criterion=criterion,
            value=MIDDLE if high == low else HIGHEST - (HIGHEST - LOWEST) * (values[option.name] - low) / (high - low),
            evidence="cost",
            quote=option.cost.text if option.cost else "",
        )
        for option in priced
    ]


def score_by_words(option: Option, criterion: str) -> Score:
    """What is said for an option in a criterion's words counts 4, against it 2, and 3 where neither or both is."""
    if _PROS.search(criterion) or _CONS.search(criterion):
        said = option.pros if _PROS.search(criterion) else option.cons
        step = min(2, len(said)) * (1 if _PROS.search(criterion) else -1)
        return Score(
            option=option.name,
            criterion=criterion,
            value=MIDDLE + step,
            evidence="words" if said else "none",
            quote="; ".join(said)[:300],
        )
    pattern = _pattern(criterion)
    pros, cons = ([one for one in said if pattern.search(one)] for said in (option.pros, option.cons))
    value = MIDDLE + (1 if pros else 0) - (1 if cons else 0)
    quote = "; ".join((*pros, *cons))[:300]
    return Score(
        option=option.name, criterion=criterion, value=value, evidence="words" if quote else "none", quote=quote
    )


def _pattern(criterion: str) -> re.Pattern[str]:
    words = [signs for name, signs in _SIGNS if re.search(name, criterion, re.IGNORECASE)]
    own = [re.escape(word) for word in re.findall(r"[a-zA-Z]{4,}|[\u3400-\u9fff]{2}", criterion)]
    return re.compile("|".join((*words, *own)) or r"(?!)", re.IGNORECASE)


def totals_of(
    options: Iterable[Option], weights: Mapping[str, float], scores: Mapping[tuple[str, str], float]
) -> dict[str, float]:
    """Weighted means of the scores, 1 to 5."""
    return {
        option.name: sum(weight * scores[option.name, name] for name, weight in weights.items()) for option in options
    }


def decide(problem: Problem, scores: Sequence[Score]) -> Decision:
    """Exclude what breaks a requirement, add up the others, and see how far each weight may move."""
    checks = checks_of(problem)
    excluded = tuple(dict.fromkeys(check.option for check in checks if check.state == "broken"))
    values = {(score.option, score.criterion): score.value for score in scores}
    weights = {criterion.name: criterion.weight for criterion in problem.criteria}
    totals = totals_of(problem.options, weights, values)
    allowed = [option for option in problem.options if option.name not in excluded]
    ranked = _ranked(allowed, totals)
    by_excess = sorted(problem.options, key=lambda o: sum(c.excess for c in checks if c.option == o.name))
    return Decision(
        problem=problem,
        checks=tuple(checks),
        scores=tuple(scores),
        totals=totals,
        excluded=excluded,
        winner=ranked[0] if ranked else None,
        runner_up=ranked[1] if len(ranked) > 1 else None,
        closest="" if ranked else by_excess[0].name,
        movements=tuple(_movement(problem.criteria, one, allowed, values, ranked[0]) for one in problem.criteria)
        if len(ranked) > 1 and len(problem.criteria) > 1
        else (),
    )


def _ranked(options: Sequence[Option], totals: Mapping[str, float]) -> list[str]:
    """The best first; of the same total the cheaper one, then the one that was named first."""

    def cost(option: Option) -> float:
        return (option.cost.per_month or option.cost.value) if option.cost else float("inf")

    order = sorted(range(len(options)), key=lambda at: (-round(totals[options[at].name], 9), cost(options[at]), at))
    return [options[at].name for at in order]


def _movement(
    criteria: Sequence[Criterion],
    moved: Criterion,
    options: Sequence[Option],
    scores: Mapping[tuple[str, str], float],
    winner: str,
) -> Movement:
    grid = [at / GRID for at in range(GRID + 1)]
    totals: dict[str, list[float]] = {option.name: [] for option in options}
    firsts: list[str] = []
    for weight in grid:
        at_weight = totals_of(options, _weights_with(criteria, moved, weight), scores)
        for name, value in at_weight.items():
            totals[name].append(value)
        # The winner stays first as long as nobody is better.
        best = max(at_weight.values())
        firsts.append(winner if at_weight[winner] >= best - TIE else _ranked(options, at_weight)[0])
    here = min(range(len(grid)), key=lambda at: abs(grid[at] - moved.weight))
    low = high = here
    while low > 0 and firsts[low - 1] == winner:
        low -= 1
    while high < GRID and firsts[high + 1] == winner:
        high += 1
    others = dict.fromkeys(one for one in firsts if one != winner)
    return Movement(
        criterion=moved.name,
        weight=moved.weight,
        low=grid[low],
        high=grid[high],
        others=tuple(others),
        weights=tuple(grid),
        totals={name: tuple(values) for name, values in totals.items()},
    )


def _weights_with(criteria: Sequence[Criterion], moved: Criterion, weight: float) -> dict[str, float]:
    """The weights when one is moved; the others keep their proportions."""
    rest = 1 - moved.weight
    others = len(criteria) - 1
    return {
        one.name: weight if one.name == moved.name else (1 - weight) * (one.weight / rest if rest > TIE else 1 / others)
        for one in criteria
    }
