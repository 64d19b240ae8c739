"""Findings as sentences that code writes, and a model's wording of them, whose numbers are checked."""

from __future__ import annotations

from collections.abc import Sequence

from multi_llm_comparator.applications.desk import Desk, Question
from multi_llm_comparator.applications.insight.figures import Data, Finding
from multi_llm_comparator.applications.numbers import Allowed, checked_numbers
from multi_llm_comparator.applications.reading.pieces import Remark, language_of
from multi_llm_comparator.applications.results import DataInsight
from multi_llm_comparator.applications.saying import finished, is_readable, summed_numbers
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.applications.words import WORDS, amount, number, percent, points, words_of
from multi_llm_comparator.core.readable import Language

# Of a document with many series; exports and the API have all.
MAX_SENTENCES = 40
# Figures that are in the unit of the series; the others are counts and scores.
_UNIT_NAMES = "first last change high low mean total slope step before after gap value expected median spread"
_IN_UNIT = frozenset(_UNIT_NAMES.split())
_SIGNED = frozenset({"change", "slope", "step"})
# Of percentages, these are points.
_DIFFERENCES = frozenset({"change", "slope", "step", "gap", "spread"})
_SYSTEM = {
    "en": "You put computed findings into words. You never name a number that is not among them.",
    "zh": "你负责用文字表述计算结果。绝不写出其中没有的数字。",
}
_PROMPT = {
    "en": "These findings were computed from data{title}:\n\n{list}\n\nWrite {what} in 3 to 6 sentences, most "
    "important first. Use only the numbers above.",
    "zh": "以下结果由数据{title}计算得出：\n\n{list}\n\n请用 3 到 6 句话写出{what}，最重要的放在最前。"
    "只使用上面的数字。",
}
_WHAT = {
    "en": {"trends": "what the trends are", "anomalies": "what is out of line", "comparison": "how they compare"},
    "zh": {"trends": "趋势分析", "anomalies": "异常分析", "comparison": "对比分析"},
}


def sentence(finding: Finding, language: Language) -> str:
    """A finding in words."""
    labels = WORDS[language]
    values: dict[str, str] = {"series": finding.series, "other": finding.other}
    for name, value in finding.figures.items():
        unit = finding.unit if name in _IN_UNIT else ""
        if unit in ("%", "％") and name in _DIFFERENCES:
            text = points(value, language)
        else:
            text = amount(round(value, 3 if name == "r" else 2) if name in ("score", "r") else value, unit, language)
        values[name] = f"+{text}" if name in _SIGNED and value > 0 else text
    for name, value in finding.percents.items():
        is_signed = name in ("change_percent", "step_percent", "growth", "one", "other")
        values["other_growth" if name == "other" else name] = (
            f"{'+' if is_signed and value > 0 else ''}{percent(value)}"
        )
    values |= {f"label_{name}": text for name, text in finding.labels.items()}
    for part in ("change_percent", "total", "growth", "step_percent"):
        if f"{{{part}}}" in labels[f"finding_{finding.code}"] and not finding.code.startswith("shares"):
            values[part] = labels[f"part_{part}"].format(value=values[part]) if part in values else ""
    return labels[f"finding_{finding.code}"].format(**values)


def allowed_numbers(data: Data) -> Allowed:
    """What a text about the data may say: its values, what was computed of them, and the numbers in its names."""
    allowed = Allowed().add_text(data.title).add_text(data.text)
    allowed.add([float(len(data.series)), float(data.data_points)])
    for series in data.series:
        allowed.add(series.values, is_percent=series.is_percent)
        allowed.add_text(f"{series.name} {series.unit} " + " ".join(series.labels))
    for finding in data.findings:
        is_percent = finding.unit in ("%", "％")
        in_unit = [value for name, value in finding.figures.items() if name in _IN_UNIT]
        allowed.add(in_unit, is_percent=is_percent).add(in_unit)
        allowed.add(value for name, value in finding.figures.items() if name not in _IN_UNIT)
        allowed.add(finding.percents.values(), is_percent=True)
        for text in finding.labels.values():
            allowed.add_text(text)
    return allowed


async def put_into_words(desk: Desk, spec: ServiceSpec, data: Data) -> DataInsight:
    """The findings of one kind as a text, with the model's wording of them where it gives one."""
    names = " ".join((data.title, data.text, *(one.name for one in data.series), *(one.unit for one in data.series)))
    language = spec.spoken_in(language_of(names))
    say, remarks = words_of(language), list(data.remarks)
    chosen = [finding for finding in data.findings if spec.kind in finding.about]
    lines = [sentence(finding, language) for finding in _most_telling(chosen)]
    wording, struck = "", tuple[str, ...]()
    if desk.has_model and lines:
        wording, struck = await _worded(desk, spec, data, lines, language, remarks)
    elif lines:
        remarks.append(Remark(code="no_wording"))
    blocks = [f"## {say('figures')}", "\n".join(f"- {line}" for line in lines) or say("nothing_found")]
    if wording:
        blocks += [f"## {say('in_words')}", wording]
    return DataInsight(
        kind=spec.kind,
        language=language,
        text="\n\n".join(blocks),
        remarks=tuple(remarks),
        struck=struck,
        wording=wording,
        data=data,
        data_points=data.data_points,
    )


def _most_telling(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of importance first where they are too many: values out of line and trends before lists."""
    if len(findings) <= MAX_SENTENCES:
        return list(findings)
    order = ["outlier", "course", "shares", "ranks", "trend_up", "trend_down", "rise", "fall", "column", "together"]
    ranked = sorted(
        range(len(findings)),
        key=lambda at: (order.index(findings[at].code) if findings[at].code in order else len(order), at),
    )
    return [findings[at] for at in sorted(ranked[:MAX_SENTENCES])]


async def _worded(
    desk: Desk, spec: ServiceSpec, data: Data, lines: list[str], language: Language, remarks: list[Remark]
) -> tuple[str, tuple[str, ...]]:
    shown: list[str] = []
    left = desk.prompt_tokens - 160
    for line in lines:
        left -= await desk.tokens_of(line)
        if left < 0 and shown:
            break
        shown.append(f"- {line}")
    title = f" ({data.title})" if data.title and language == "en" else f"（{data.title}）" if data.title else ""
    prompt = _PROMPT[language].format(title=title, list="\n".join(shown), what=_WHAT[language][spec.kind])
    desk.expect(1)
    question = Question(prompt=prompt, system=_SYSTEM[language], max_tokens=spec.answer_tokens)
    reply = await desk.ask("wording", question)
    checked = checked_numbers(finished(reply.text), allowed_numbers(data))
    if not reply.is_answer or not checked.kept or not is_readable(checked.text, language):
        remarks.append(Remark(code="wording_left_out", values={"why": reply.error[:300]} if reply.error else {}))
        return "", ()
    if checked.struck:
        remarks.append(Remark(code="numbers_struck", values=summed_numbers(checked.struck)))
    return checked.text, checked.struck


def values_table(data: Data, language: Language) -> tuple[list[str], list[list[str]]]:
    """The series as rows: name, label, value."""
    say = words_of(language)
    rows = [
        [series.title, label, number(value)]
        for series in data.series
        for label, value in zip(series.labels, series.values, strict=True)
    ]
    return [say("series"), say("label"), say("value")], rows
