"""Options, requirements and criteria as people write them: ``Option A: …`` with lines for costs, for and against."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from multi_llm_comparator.applications.decision.amounts import money_in, months_in
from multi_llm_comparator.applications.decision.problem import Criterion, Option, Problem, Requirement, WeightsBy
from multi_llm_comparator.applications.numbers import numbers_in
from multi_llm_comparator.applications.reading.texts import BULLET
from multi_llm_comparator.core.readable import Language

MAX_OPTIONS, MAX_CRITERIA = 12, 12
_OPTION = re.compile(
    r"(?i)^((?:备选|候选)?(?:方案|选项|选择|供应商)\s?[A-Za-z\d一二三四五六七八九十]{1,3}|"
    r"(?:option|alternative|choice|vendor|plan|proposal|candidate)\s+[A-Za-z\d]{1,3})\s*[:：.、)）—–-]*\s*(.*)$"
)
_LETTERED = re.compile(r"^\(?([A-H])[.、)）:：]\s*(.+)$")
_OPTIONS_HEAD = re.compile(
    r"(?i)(?:候选|备选|可选)?(?:方案|选项)|以下哪|options|alternatives|choices|candidates|which of"
)
_LINE = re.compile(r"^([^:：]{1,40})[:：]\s*(.+)$")
_COST = re.compile(r"(?i)成本|费用|价格|报价|价钱|开支|花费|\b(?:costs?|prices?|fees?|quote)\b")
_TIME = re.compile(
    r"(?i)时间|周期|工期|期限|时长|\b(?:time|duration|timeline|lead time|migration|delivery|deadline|schedule)\b"
)
_PROS = re.compile(r"(?i)优势|优点|好处|长处|\b(?:pros?|advantages?|strengths?|benefits?)\b")
_CONS = re.compile(r"(?i)劣势|缺点|不足|弱点|风险|\b(?:cons?|disadvantages?|weakness(?:es)?|drawbacks?|risks?)\b")
_BUDGET = re.compile(r"(?i)预算|成本上限|费用上限|最高成本|\b(?:budget|max(?:imum)? (?:cost|price)|cost limit)\b")
_PRIORITY = re.compile(
    r"(?i)优先|评价标准|评估标准|评判标准|决策标准|考虑因素|关注|权重|标准|"
    r"\b(?:priorit\w+|criteri\w+|weights?|matters? most|important)\b"
)
# Blanks around them are stripped afterwards: looking for them here, a line of blanks would take for ever.
_LIST = re.compile(r"(?i)[、,，;；/]|\band\b|以及|>|和(?!谐)")
_SENTENCES = re.compile(r"[,，;；、。.](?=\s|[^\d\s])")
_BEFORE_NUMBER = " \t\u3000(（:：=占为"


@dataclass
class _Draft:
    name: str
    label: str
    lines: list[str] = field(default_factory=list)


def problem_in(text: str, language: Language, weights: Mapping[str, float] | None = None) -> Problem:
    """What a text lets one choose from; no options where it is not written so that code can tell."""
    drafts, rest = _split(text)
    options = tuple(_option(draft) for draft in drafts[:MAX_OPTIONS])
    requirements = tuple(_requirements(rest))
    criteria, by = criteria_of(rest, options, language, weights or {})
    return Problem(options=options, criteria=criteria, weights_by=by, requirements=requirements)


def _split(text: str) -> tuple[list[_Draft], list[str]]:
    """The options with their lines, and all other lines."""
    drafts: list[_Draft] = []
    rest: list[str] = []
    is_listing = is_behind = False
    # Such as "Advantages:", with the advantages in the lines beneath.
    under = ""
    for raw in text.split("\n"):
        is_item, line = bool(BULLET.match(raw)), _plain(raw)
        if not line:
            continue
        found = None if is_behind else _OPTION.match(line) or (_LETTERED.match(line) if is_listing or drafts else None)
        if found:
            drafts.append(_draft(found[1], found[2]))
            under = ""
        elif line.endswith((":", "：")) and not is_item:
            under = line.rstrip(":：") if drafts and _is_of_option(line) else ""
            is_behind = is_behind or bool(drafts and not under)
            is_listing = bool(_OPTIONS_HEAD.search(line))
            rest += [] if under else [line]
        elif drafts and not is_behind and not _is_outside(line):
            drafts[-1].lines.append(f"{under}: {line}" if under and not _LINE.match(line) else line)
        else:
            is_listing = is_listing or bool(re.search(r"[?？]$", line) and _OPTIONS_HEAD.search(line))
            rest.append(line)
    return drafts, rest


def _plain(raw: str) -> str:
    line = raw.strip()
    # The letter of an option is no mark of a list.
    return (line if _LETTERED.match(line) else BULLET.sub("", line, count=1)).strip("*#_ ")


def _draft(name: str, rest: str) -> _Draft:
    label, colon, more = rest.partition("：") if "：" in rest else rest.partition(":")
    lines = [more.strip()] if colon and more.strip() else []
    if not colon and len(label) > 80:
        label, lines = "", [rest]
    return _Draft(name.strip(), label.strip(), lines)


def _is_of_option(line: str) -> bool:
    return any(pattern.search(line) for pattern in (_PROS, _CONS, _COST, _TIME))


def _is_outside(line: str) -> bool:
    """Whether a line behind an option is about the decision as a whole."""
    found = _LINE.match(line)
    label = found[1] if found else ""
    return bool(_BUDGET.search(label) or _PRIORITY.search(label))


def _option(draft: _Draft) -> Option:
    cost, months = None, None
    pros: list[str] = []
    cons: list[str] = []
    for line in draft.lines:
        found = _LINE.match(line)
        label, said = (found[1], found[2]) if found else ("", line)
        if _PROS.search(label):
            pros += _statements(said)
        elif _CONS.search(label):
            cons += _statements(said)
        elif _COST.search(label) or (not found and _COST.search(line)):
            cost = cost or money_in(said)
        elif _TIME.search(label) or (not found and _TIME.search(line)):
            months = months if months is not None else months_in(said)
    text = "\n".join(filter(None, (draft.label, *draft.lines)))
    return Option(
        name=draft.name, label=draft.label, text=text, cost=cost, months=months, pros=tuple(pros), cons=tuple(cons)
    )


def _statements(text: str) -> list[str]:
    return [one for part in _SENTENCES.split(text) if (one := part.strip(" \t\u3000.。"))]


def _requirements(lines: list[str]) -> Iterator[Requirement]:
    """Limits of money and time; of several of a kind the first one."""
    seen: set[str] = set()
    for line in lines:
        found = _LINE.match(line)
        label, said = (found[1], found[2]) if found else (line, line)
        if _BUDGET.search(label) and (money := money_in(said)) and "budget" not in seen:
            seen.add("budget")
            yield Requirement(kind="budget", text=line[:300], money=money)
        elif (
            _TIME.search(label)
            and re.search(r"(?i)内|以前|之前|不超过|最多|within|at most|no more than|under|max|by\b", line)
            and (months := months_in(said)) is not None
            and "time" not in seen
        ):
            seen.add("time")
            yield Requirement(kind="time", text=line[:300], months=months)


def criteria_of(
    lines: list[str], options: tuple[Option, ...], language: Language, weights: Mapping[str, float]
) -> tuple[tuple[Criterion, ...], WeightsBy]:
    """The criteria with weights that make 1: as given, as the text gives them, by the order in which it names them
    (rank order centroid weights, Barron and Barrett 1996), or all the same."""
    if weights:
        total = sum(weights.values())
        return tuple(Criterion(name=name, weight=value / total) for name, value in weights.items()), "given"
    for line in lines:
        found = _LINE.match(line)
        if found and _PRIORITY.search(found[1]) and not _BUDGET.search(found[1]):
            named = [one for part in _LIST.split(found[2]) if (one := part.strip(" \t\u3000。."))][:MAX_CRITERIA]
            if given := _weighted(named):
                return given, "text"
            if len(named) > 1 or (named and len(named[0]) < 20):
                names = list(dict.fromkeys(name[:60] for name in named))
                return _by_order(names), "order"
    usual = [("成本", "cost")] if any(option.cost for option in options) else []
    usual += [("优势", "benefits"), ("风险", "risks")]
    names = [zh if language == "zh" else en for zh, en in usual]
    return tuple(Criterion(name=name, weight=1 / len(names)) for name in names), "equal"


def _weighted(named: list[str]) -> tuple[Criterion, ...]:
    """Criteria that say their weights, each with a number."""
    found: list[tuple[str, float]] = []
    for one in named:
        numbers = numbers_in(one, words=False)
        if len(numbers) != 1:
            return ()
        name = one[: numbers[0].start].rstrip(_BEFORE_NUMBER).strip()
        found.append((name or one, abs(numbers[0].value)))
    total = sum(weight for _, weight in found)
    return tuple(Criterion(name=name, weight=weight / total) for name, weight in found) if total else ()


def _by_order(names: list[str]) -> tuple[Criterion, ...]:
    n = len(names)
    return tuple(
        Criterion(name=name, weight=sum(1 / k for k in range(at, n + 1)) / n) for at, name in enumerate(names, 1)
    )
