"""What is wrong with the text of a row: broken encodings, leftovers of templates, refusals."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from multi_llm_comparator.training.data.chats import Example, messages_of
from multi_llm_comparator.training.data.spec import Rule

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd\ufffe\uffff]")
# What UTF-8 read as GBK makes of replacement characters, and what unset memory looks like.
_GBK = re.compile("锟斤拷|烫烫烫|屯屯屯")
# Runs that UTF-8 read as Windows-1252 (or Latin-1) may have become.
_WESTERN = re.compile(
    "[\u0080-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]{2,}"
)
_MARKS = re.compile(
    r"<\|[a-zA-Z_]{2,40}\|>|<｜[^｜<>]{1,40}｜>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</s>|\A<s>(?=\s|\[)"
    r"|^###? ?(?:Instruction|Response|Input|Human|Assistant|指令|回答|回复) ?[:：]"
    r"|^(?:Human|Assistant|USER|ASSISTANT): ",
    re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"(?<![\\\w{}])\{\{\s*([^\W\d]\w{0,40})\s*\}\}(?!\})")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_REFUSAL = re.compile(
    r"(?:I(?:'|’)?m (?:really |very )?sorry|I apologi[sz]e|Sorry)[,.]? (?:but |that )?(?:I\b|as an)"
    r"|(?:As an? (?:AI|artificial intelligence|language model|large language model)\b)"
    r"|I (?:can(?:not|'t|’t)|am (?:not able|unable)|won(?:'|’)t|will not) (?:to )?"
    r"(?:assist|help|provide|fulfil|fulfill|comply|answer|create|generate|do that)"
    r"|(?:很|非常|十分)?(?:抱歉|对不起)[，,。]?.{0,12}(?:我|作为|无法|不能)"
    r"|作为一?[个名款]?.{0,8}(?:AI|人工智能|语言模型)"
    r"|我(?:无法|不能|没有办法)(?:回答|提供|协助|帮助|满足|完成)",
    re.IGNORECASE,
)
_BY_CHANCE = ("Mn", "Mc", "Me", "Cc", "Cn", "Co")
# A refusal stands where the answer begins.
REFUSAL_CHARS = 200
MAX_SHOWN = 80


def troubles(example: Example) -> Iterator[tuple[Rule, str]]:
    """The rules that find something in an example, each once with what it found."""
    texts = [message.content for message in messages_of(example)]
    for rule, find in (("encoding", broken_encoding), ("leftovers", leftover)):
        found = next(filter(None, map(find, texts)), "")
        if found:
            yield rule, found  # type: ignore[misc]
    refusing = next(filter(None, map(refusal, example.answers)), "")
    if refusing:
        yield "refusal", refusing


def broken_encoding(text: str) -> str:
    """What shows that the text was read in a wrong encoding; empty if nothing does."""
    if found := _CONTROL.search(text):
        return f"the character U+{ord(found[0]):04X}"
    if text.isascii():
        return ""
    if found := _GBK.search(text):
        return f"{found[0]!r}"
    for run in _WESTERN.finditer(text):
        if meant := _as_utf8(run[0]):
            return f"{run[0][:MAX_SHOWN]!r}, which may be {meant[:MAX_SHOWN]!r}"
    return ""


def _as_utf8(run: str) -> str:
    """What a run of Western characters is if its bytes are UTF-8; empty if they are not, or make no sense."""
    try:
        data = b"".join(_western_byte(character) for character in run)
        meant = data.decode("utf-8")
    except UnicodeError:
        return ""
    # Combining marks and unassigned characters come of chance: a German quotation mark behind a capital letter.
    return "" if any(unicodedata.category(c) in _BY_CHANCE for c in meant) else meant


def _western_byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")


def leftover(text: str) -> str:
    """A mark of a chat template, or a placeholder that nobody filled in; empty if there is none.

    Placeholders in code are the code's.
    """
    if found := _MARKS.search(text):
        return f"the mark {found[0].strip()!r}"
    if "{{" in text and (found := _PLACEHOLDER.search(_CODE.sub("", text))):
        return f"the placeholder {found[0]!r}"
    return ""


def refusal(answer: str) -> str:
    """How an answer refuses; empty if it does not."""
    found = _REFUSAL.search(answer[:REFUSAL_CHARS])
    return f"{found[0][:MAX_SHOWN]!r}" if found else ""


def filled(text: str, values: dict[str, str]) -> str:
    """The text with these placeholders filled in."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text) if values and "{{" in text else text
