"""What services say in words, in English and Chinese: headings, findings, remarks, and the names in exported files.

Text of results is written by code from these; what a model wrote stands beside it and is marked as such.
"""

from __future__ import annotations

from multi_llm_comparator.applications.reading.pieces import Remark
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.words import Words

WORDS = Words(__file__)
words_of = WORDS.of


def remark_sentence(remark: Remark, language: Language) -> str:
    """A remark as a sentence."""
    labels = WORDS[language]
    key = f"remark_{remark.code}"
    if f"{key}_why" in labels and remark.values.get("why"):
        key = f"{key}_why"
    values = {name: f"{value:,}" if isinstance(value, int) else value for name, value in remark.values.items()}
    return labels[key].format(**values)


def title_without_document(spec: ServiceSpec) -> str:
    """What a run is called whose document has no name and no text yet: ``Data insight: Trends``."""
    say = words_of(spec.language or "en")
    return f"{say(f'report_{spec.service_type}')}: {say(f'kind_{spec.kind}')}"


def number(value: float) -> str:
    """``1,520``, ``0.42``, ``1.2e+12``: as many digits as tell something."""
    if value == 0:
        return "0"
    if abs(value) >= 1e15 or abs(value) < 1e-4:
        return f"{value:.3g}"
    decimals = 0 if abs(value) >= 1000 or value == int(value) else 2 if abs(value) >= 1 else 4
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: float) -> str:
    """``28.5%`` of a percentage."""
    text = f"{value:,.1f}".removesuffix(".0")
    return f"{text}%"


def points(value: float, language: Language) -> str:
    """A difference of percentages: ``8 percentage points``."""
    return f"{number(value)} 个百分点" if language == "zh" else f"{number(value)} percentage points"


def amount(value: float, unit: str, language: Language) -> str:
    """A number with its unit: ``1,520 万元``, ``95%``, in Chinese without the space."""
    if unit in ("%", "％"):
        return f"{number(value)}%"
    return f"{number(value)}{'' if language == 'zh' or not unit else ' '}{unit}"
