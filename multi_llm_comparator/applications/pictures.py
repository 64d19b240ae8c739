"""A picture as a document: a model that sees writes down what stands in it, and services work on that text.

So every statement has a quote and every number is checked as elsewhere, but against what the model has written down;
the result says so. The picture itself is decoded in the process that reads strangers' files.
"""

from __future__ import annotations

from multi_llm_comparator.applications.desk import Desk, Question
from multi_llm_comparator.applications.reading.pieces import Remark
from multi_llm_comparator.applications.reading.process import read_image
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.image_data import media_type

KEY = "transcript"
_WANTED = {
    "en": "Write down all text that stands in this picture, word for word and line by line, with nothing left out and "
    "nothing added. Write tables with a bar between the columns. Then, after an empty line, say in a few sentences "
    "what else is to be seen.",
    "zh": "请逐字逐行写出图片中的全部文字，不要遗漏，也不要添加。表格的各列用竖线分隔。"
    "然后空一行，用几句话说明图中还能看到什么。",
}
_ASKED = {"en": " Whoever reads it wants to know: {question}", "zh": "读者想知道：{question}"}


def is_picture(data: bytes) -> bool:
    """Whether a document is an image of a kind that is read."""
    return media_type(data) is not None


async def transcribed(desk: Desk, spec: ServiceSpec, data: bytes) -> tuple[bytes, list[Remark]]:
    """The text of a picture, and what a reader should know of it.

    Raises:
        DocumentError: it is damaged or too large, nobody is asked, or whoever is asked cannot look at it.
    """
    if not desk.has_model:
        raise DocumentError(f"{spec.name!r} is a picture, and nobody is asked to look at it: choose a model that sees")
    image = await read_image(spec.name, data)
    language = spec.language or "en"
    prompt = _WANTED[language]
    if spec.question.strip():
        prompt += _ASKED[language].format(question=spec.question.strip())
    desk.expect(1)
    reply = await desk.ask(KEY, Question(prompt=prompt, images=(image.url,), max_tokens=spec.context_tokens // 2))
    if not reply.is_answer:
        raise DocumentError(
            f"{spec.name!r} is a picture, and {spec.target!r} could not write down what stands in it: {reply.error}; "
            "choose a model that sees images"
        )
    if not reply.text.strip():
        raise DocumentError(f"{spec.name!r} is a picture, and {spec.target!r} found no text in it")
    remarks = [Remark(code="transcribed", values={"model": spec.target})]
    if reply.is_cut:
        remarks.append(Remark(code="transcript_cut", values={"n": spec.context_tokens // 2}))
    return reply.text.encode("utf-8", "replace"), remarks
