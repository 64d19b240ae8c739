"""What a model is asked about a document, in the language of the result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from multi_llm_comparator.applications.desk import Question
from multi_llm_comparator.core.readable import Language

MIN_CLAIMS, MAX_CLAIMS = 3, 5
MAX_CLAIM_CHARS, MAX_QUOTE_CHARS = 240, 240
# What endpoints take in a list of choices.
MAX_SENTENCES, MAX_SENTENCES_CHARS = 250, 12_000
# Of an answer that is to be JSON: how much of it is read, and how many beginnings that are no objects are tried.
MAX_READ_CHARS, MAX_BROKEN = 1_000_000, 1_000

_SYSTEM = {
    "en": "You analyse documents. You say only what the text says, and quote it word for word.",
    "zh": "你负责分析文档。只说文中有的内容，并逐字引用原文。",
}
_WANTED = {
    "en": {
        "comprehensive": "the statements that matter most: results, strengths, risks and plans",
        "summary": "the statements that matter most",
        "key_points": "the statements that matter most",
        "risks": "the risks, problems and uncertainties that it tells of",
        "questions": "the statements that help to answer this question: {question}",
    },
    "zh": {
        "comprehensive": "最重要的内容：结果、优势、风险和计划",
        "summary": "最重要的内容",
        "key_points": "最重要的内容",
        "risks": "文中提到的风险、问题和不确定因素",
        "questions": "有助于回答下面问题的内容：{question}",
    },
}
_MAP = {
    "en": "Below is part {n} of {total} of a document. List up to {most} items: {wanted}.\n"
    "For each first copy a sentence of the text word for word as its quote, then write the claim: one sentence of "
    'your own that says what it shows. Answer as JSON: {{"claims": [{{"quote": "…", "claim": "…"{kind}}}]}}. '
    "If the text has nothing of this, answer with an empty list.\n\n"
    "Text:\n{text}",
    "zh": "下面是一份文档的第 {n} 部分，共 {total} 部分。请列出最多 {most} 条：{wanted}。\n"
    "每条先从原文逐字复制一个句子作为 quote，再用自己的一句话写出它说明了什么，作为 claim。"
    '用 JSON 回答：{{"claims": [{{"quote": "…", "claim": "…"{kind}}}]}}。'
    "如果文中没有相关内容，回答空列表。\n\n文档：\n{text}",
}
_KIND = {"en": ', "kind": "point, strength, risk or plan"', "zh": ', "kind": "point、strength、risk 或 plan"'}
_TASKS = {
    "en": {
        "summary": "Write a summary of the document in {sentences} sentences.",
        "risks": "Write in {sentences} sentences which risks the document shows and how grave they look.",
        "questions": "Answer this question in at most {sentences} sentences: {question}",
    },
    "zh": {
        "summary": "请用 {sentences} 句话写出这份文档的摘要。",
        "risks": "请用 {sentences} 句话说明文档显示了哪些风险、程度如何。",
        "questions": "请用最多 {sentences} 句话回答这个问题：{question}",
    },
}
_SUM = {
    "en": "These statements were taken from one document:\n\n{list}\n\n{task} Use only these statements. After each "
    "sentence name the statement it rests on by its number, like [2].",
    "zh": "以下陈述均来自同一份文档：\n\n{list}\n\n{task}只使用这些陈述。每句话后用编号注明所依据的陈述，例如 [2]。",
}


def claims_question(
    kind: str,
    language: Language,
    text: str,
    sentences: Sequence[str],
    *,
    n: int,
    total: int,
    question: str,
    max_tokens: int,
) -> Question:
    """What a part of the document says, as claims with quotes, which are some of its ``sentences``; () leaves them
    free."""
    wanted = _WANTED[language][kind].format(question=question)
    prompt = _MAP[language].format(
        n=n,
        total=total,
        most=MAX_CLAIMS,
        wanted=wanted,
        kind=_KIND[language] if kind == "comprehensive" else "",
        text=text,
    )
    return Question(
        prompt=prompt, system=_SYSTEM[language], max_tokens=max_tokens, schema=claims_schema(kind, sentences)
    )


def claims_schema(kind: str, sentences: Sequence[str] = ()) -> dict[str, Any]:
    """The form of claims. A quote is one of ``sentences`` as long as these are not too many for a schema."""
    quote: dict[str, Any] = {"type": "string", "minLength": 4, "maxLength": MAX_QUOTE_CHARS}
    if 0 < len(sentences) <= MAX_SENTENCES and sum(map(len, sentences)) <= MAX_SENTENCES_CHARS:
        quote = {"type": "string", "enum": list(dict.fromkeys(sentences))}
    claim = {"type": "string", "minLength": 4, "maxLength": MAX_CLAIM_CHARS}
    fields: dict[str, Any] = {"quote": quote, "claim": claim}
    if kind == "comprehensive":
        fields["kind"] = {"type": "string", "enum": ["point", "strength", "risk", "plan"]}
    item = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    # Risks and answers may well not be there.
    least = 0 if kind in ("risks", "questions") else min(MIN_CLAIMS, max(1, len(sentences) // 3))
    claims = {"type": "array", "minItems": least, "maxItems": MAX_CLAIMS, "items": item}
    return {"type": "object", "properties": {"claims": claims}, "required": ["claims"], "additionalProperties": False}


def summary_question(kind: str, language: Language, lines: list[str], *, question: str, max_tokens: int) -> Question:
    """One text from statements that have numbers."""
    task = _TASKS[language]["questions" if kind == "questions" else "risks" if kind == "risks" else "summary"]
    prompt = _SUM[language].format(
        list="\n".join(lines),
        task=task.format(
            sentences="3" if max_tokens < 200 else "3-6" if language == "en" else "3 到 6", question=question
        ),
    )
    return Question(prompt=prompt, system=_SYSTEM[language], max_tokens=max_tokens)


def objects_in(text: str, key: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a list in JSON, also where the answer was cut or has words around it."""
    text = text[:MAX_READ_CHARS]
    start = text.find(f'"{key}"')
    at = text.find("[", start) + 1 if start >= 0 else text.find("[") + 1
    decoder = json.JSONDecoder()
    # For each that is none, the lines before it are counted to say where it stands.
    tries = 0
    while tries < MAX_BROKEN and (at := text.find("{", at)) >= 0:
        try:
            found, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at, tries = at + 1, tries + 1
            continue
        if isinstance(found, dict):
            yield found
