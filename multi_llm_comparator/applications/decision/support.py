"""Decision support: the model reads what code cannot tell and scores with quotes; code checks, adds up and decides."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from multi_llm_comparator.applications.analysis.prompts import objects_in
from multi_llm_comparator.applications.analysis.quotes import Haystack
from multi_llm_comparator.applications.decision.parse import criteria_of, problem_in
from multi_llm_comparator.applications.decision.problem import Decision, Option, Problem, Score
from multi_llm_comparator.applications.decision.scoring import decide, score_by_cost, score_by_words
from multi_llm_comparator.applications.decision.writing import fact_lines, written
from multi_llm_comparator.applications.desk import Desk, Question
from multi_llm_comparator.applications.numbers import Allowed, checked_numbers
from multi_llm_comparator.applications.reading.pieces import Reading, Remark, language_of
from multi_llm_comparator.applications.results import DecisionSupport
from multi_llm_comparator.applications.saying import finished, is_readable, summed_numbers
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.together import together

MAX_QUOTE_CHARS = 160
_SYSTEM = {
    "en": "You support decisions. You say only what the text says, and quote it word for word.",
    "zh": "你负责决策支持。只说文中有的内容，并逐字引用原文。",
}
_OPTIONS = {
    "en": "Which options does this text let one choose from? Answer as JSON: "
    '{{"options": [{{"name": "its name", "quote": "words copied from the text about it"}}]}}\n\nText:\n{text}',
    "zh": "这段文字给出了哪些可供选择的方案？用 JSON 回答："
    '{{"options": [{{"name": "方案名称", "quote": "从原文逐字复制的相关内容"}}]}}'
    "\n\n文字：\n{text}",
}
_SCORES = {
    "en": "Score this option from 1 (worst) to 5 (best) by each of these criteria: {criteria}. For each score quote "
    "the words it rests on, copied exactly. Answer as JSON: "
    '{{"scores": [{{"criterion": "…", "score": 3, "quote": "…"}}]}}'
    "\n\nOption {name}:\n{text}",
    "zh": "请按以下标准给这个方案打分，1 分最差，5 分最好：{criteria}。每个得分都要逐字引用所依据的原文。"
    '用 JSON 回答：{{"scores": [{{"criterion": "…", "score": 3, "quote": "…"}}]}}\n\n{name}：\n{text}',
}
_WORDING = {
    "comparison": {
        "en": "compare the options in 3 to 5 sentences and say which one is recommended and why",
        "zh": "用 3 到 5 句话比较这些方案，并说明推荐哪一个、为什么",
    },
    "recommendation": {
        "en": "recommend in 3 to 5 sentences what to choose, why, and what to watch",
        "zh": "用 3 到 5 句话给出推荐、理由以及需要注意的事项",
    },
    "risk": {
        "en": "say in 3 to 5 sentences which risks weigh most and what could be done against them",
        "zh": "用 3 到 5 句话说明最重要的风险以及可以采取的应对措施",
    },
}
_FACTS = {
    "en": "These facts about a decision were computed:\n\n{list}\n\nFrom them, {what}. "
    "Use only these facts and numbers.",
    "zh": "以下是关于一项决策的计算结果：\n\n{list}\n\n请据此{what}。只使用这些事实和数字。",
}


async def support(desk: Desk, spec: ServiceSpec, reading: Reading) -> DecisionSupport:
    """Decide as ``spec`` says.

    Raises:
        DocumentError: fewer than two options were found.
    """
    text = reading.text
    language = spec.spoken_in(language_of(text))
    remarks = list(reading.remarks)
    # Of a long document this takes seconds.
    problem = await asyncio.to_thread(problem_in, text, language_of(text), spec.weights)
    if len(problem.options) < 2 and desk.has_model:
        problem = await _options_by_model(desk, spec, reading, problem, remarks)
    if len(problem.options) < 2:
        raise DocumentError(
            "fewer than two options were found; write each on a line such as 'Option A: name', with its costs, "
            "advantages and disadvantages beneath"
        )
    decision = decide(problem, await _scored(desk, spec, problem, language, remarks))
    _remark_unchecked(decision, remarks)
    wording, struck = await _worded(desk, spec, decision, text, language, remarks)
    return DecisionSupport(
        kind=spec.kind,
        language=language,
        text=written(spec.kind, decision, wording, language),
        remarks=tuple(remarks),
        struck=struck,
        wording=wording,
        decision=decision,
        document_length=reading.words,
    )


# --- options --------------------------------------------------------------------------------------------------------


async def _options_by_model(
    desk: Desk, spec: ServiceSpec, reading: Reading, problem: Problem, remarks: list[Remark]
) -> Problem:
    """Options that the model names, as far as their quotes are in the text; of each, all pieces that name it."""
    language = spec.spoken_in(language_of(reading.text))
    text, left = "", desk.prompt_tokens - 200
    for piece in reading.pieces:
        left -= await desk.tokens_of(piece.text)
        if left < 0 and text:
            break
        text += piece.text + "\n"
    desk.expect(1)
    question = Question(
        prompt=_OPTIONS[language].format(text=text),
        system=_SYSTEM[language],
        max_tokens=spec.answer_tokens,
        schema=_list_schema("options", {"name": _text(60), "quote": _text(MAX_QUOTE_CHARS)}, 8),
    )
    reply = await desk.ask("options", question)
    haystack = Haystack(range(len(reading.pieces)), [piece.text for piece in reading.pieces])
    options: dict[str, Option] = {}
    for one in objects_in(reply.text, "options"):
        name, quote = one.get("name"), one.get("quote")
        if not isinstance(name, str) or not isinstance(quote, str) or not (found := haystack.find(quote)):
            continue
        name = " ".join(name.split())[:60]
        about = [piece.text for piece in reading.pieces if name.casefold() in piece.text.casefold()]
        if name and name not in options:
            options[name] = Option(name=name, text="\n".join(about or [found.quote]))
    if len(options) < 2:
        return problem
    remarks.append(Remark(code="options_by_model"))
    found_options = tuple(options.values())
    lines = [line for piece in reading.pieces for line in piece.text.split("\n")]
    criteria, by = criteria_of(lines, found_options, language, spec.weights)
    return problem.model_copy(
        update={"options": found_options, "criteria": criteria, "weights_by": by, "is_from_model": True}
    )


# --- scores ---------------------------------------------------------------------------------------------------------


async def _scored(
    desk: Desk, spec: ServiceSpec, problem: Problem, language: Language, remarks: list[Remark]
) -> list[Score]:
    """A score of every option by every criterion: costs are computed, the model's count where their quote is there,
    else words for and against."""
    computed = [score for one in problem.criteria for score in score_by_cost(problem, one.name)]
    known = {(score.option, score.criterion) for score in computed}
    open_pairs = [(o, c.name) for o in problem.options for c in problem.criteria if (o.name, c.name) not in known]
    by_model: dict[tuple[str, str], Score] = {}
    if desk.has_model and open_pairs:
        names = list(dict.fromkeys(option.name for option, _ in open_pairs))
        desk.expect(len(names))
        asked = [
            _ask_scores(desk, spec, problem, option, [c for o, c in open_pairs if o is option], language, n)
            for n, option in enumerate(problem.options, start=1)
            if option.name in names
        ]
        by_model = {(score.option, score.criterion): score for some in await together(asked) for score in some}
    scores = [*computed]
    for option, criterion in open_pairs:
        scores.append(by_model.get((option.name, criterion)) or score_by_words(option, criterion))
    by_words = sum(score.evidence == "words" for score in scores)
    without = sum(score.evidence == "none" for score in scores)
    if by_words and desk.has_model:
        remarks.append(Remark(code="scores_by_code", values={"n": by_words, "total": len(scores)}))
    if without:
        remarks.append(Remark(code="scores_without_evidence", values={"n": without, "total": len(scores)}))
    return scores


async def _ask_scores(
    desk: Desk,
    spec: ServiceSpec,
    problem: Problem,
    option: Option,
    criteria: Sequence[str],
    language: Language,
    n: int,
) -> list[Score]:
    schema = _list_schema(
        "scores",
        {
            "criterion": {"type": "string", "enum": list(criteria)},
            "score": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
            "quote": _text(MAX_QUOTE_CHARS),
        },
        len(criteria),
    )
    text = option.text[: desk.prompt_tokens * 2]
    prompt = _SCORES[language].format(criteria=", ".join(criteria), name=option.title, text=text)
    question = Question(prompt=prompt, system=_SYSTEM[language], max_tokens=spec.answer_tokens, schema=schema)
    reply = await desk.ask(f"scores.{n}", question)
    haystack = Haystack([0], [option.text])
    found: dict[str, Score] = {}
    for one in objects_in(reply.text, "scores"):
        criterion, value, quote = one.get("criterion"), one.get("score"), one.get("quote")
        if not isinstance(criterion, str) or not isinstance(quote, str) or not isinstance(value, int):
            continue
        if criterion in criteria and 1 <= value <= 5 and (place := haystack.find(quote)):
            found.setdefault(
                criterion,
                Score(option=option.name, criterion=criterion, value=value, evidence="model", quote=place.quote),
            )
    return list(found.values())


def _list_schema(name: str, fields: dict[str, Any], most: int) -> dict[str, Any]:
    item = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    rows = {"type": "array", "minItems": 1, "maxItems": most, "items": item}
    return {"type": "object", "properties": {name: rows}, "required": [name], "additionalProperties": False}


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


def _remark_unchecked(decision: Decision, remarks: list[Remark]) -> None:
    for one in decision.problem.requirements:
        if all(check.state == "unknown" for check in decision.checks if check.kind == one.kind):
            remarks.append(Remark(code="constraint_unchecked", values={"what": one.text}))


# --- words ----------------------------------------------------------------------------------------------------------


async def _worded(
    desk: Desk, spec: ServiceSpec, decision: Decision, text: str, language: Language, remarks: list[Remark]
) -> tuple[str, tuple[str, ...]]:
    """The model's wording of what was computed, with its numbers checked; "" where it has none that can be shown."""
    if not desk.has_model:
        return "", ()
    lines = fact_lines(decision, language)
    prompt = _FACTS[language].format(list="\n".join(f"- {line}" for line in lines), what=_WORDING[spec.kind][language])
    desk.expect(1)
    question = Question(prompt=prompt, system=_SYSTEM[language], max_tokens=spec.answer_tokens)
    reply = await desk.ask("wording", question)
    allowed = await asyncio.to_thread(Allowed().add_text, text)
    allowed.add_text("\n".join(lines)).add([float(len(decision.problem.options))])
    checked = checked_numbers(finished(reply.text), allowed)
    names = [option.title for option in decision.problem.options]
    names += [part for option in decision.problem.options for part in (option.name, option.label) if part]
    is_about = any(name.casefold() in checked.text.casefold() for name in names)
    if not reply.is_answer or not is_about or not is_readable(checked.text, language):
        remarks.append(Remark(code="wording_left_out", values={"why": reply.error[:300]} if reply.error else {}))
        return "", ()
    if checked.struck:
        remarks.append(Remark(code="numbers_struck", values=summed_numbers(checked.struck)))
    return checked.text, checked.struck
