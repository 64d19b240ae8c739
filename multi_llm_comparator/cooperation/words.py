"""The words of cooperations, in English and Chinese: for pages, exported files and the command line."""

from __future__ import annotations

from multi_llm_comparator.cooperation.calls import CooperationNote, LeftOut
from multi_llm_comparator.cooperation.outcome import Outcome
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.words import Words

WORDS = Words(__file__)
words_of = WORDS.of


def note_text(note: CooperationNote, language: Language) -> str:
    """A remark as a sentence; one that a newer version made by its code."""
    key = f"note_{note.code}"
    if key not in WORDS[language]:
        return f"{note.code}: {', '.join(value for _, value in note.values)}"
    return words_of(language)(key, **dict(note.values))


def left_out_text(left: LeftOut, language: Language) -> str:
    """Why a member does not count, behind its name."""
    said = words_of(language)(f"left_{left.reason}")
    mark = "：" if language == "zh" else ": "
    detail = f" ({left.detail})" if left.detail else ""
    return f"{left.target}{mark}{said}{detail}"


def made_text(made_by: str, of: str, language: Language) -> str:
    """How the answer was made, and of whose answer or by whom."""
    say, key = words_of(language), f"made_{made_by}"
    return say(key, of=of) if key in WORDS[language] else say("made_other", made_by=made_by, of=of)


def outcome_texts(outcome: Outcome, language: Language) -> list[str]:
    """How the answer was made; then what is to be said of it: remarks, and who does not count."""
    notes = [note_text(note, language) for note in outcome.notes]
    left_out = [left_out_text(left, language) for left in outcome.left_out]
    return [made_text(outcome.made_by, outcome.of, language), *notes, *left_out]


def part_text(purpose: str, role: str, language: Language) -> str:
    """What a call was for: its role where it has one."""
    words = WORDS[language]
    return words.get(f"role_{role}", role) if role else words[f"purpose_{purpose}"]
