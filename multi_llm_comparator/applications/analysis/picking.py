"""Sentences that say most, picked by code: where a model gives nothing that can be shown, and to choose among much.

A sentence counts by how common its terms are in the document (Luhn, The Automatic Creation of Literature Abstracts,
1958), by figures, and by words that tell of what is looked for.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multi_llm_comparator.applications.results import ClaimKind

_SENTENCE = re.compile(r"[^。！？!?；;\n.]+(?:\.(?=\S)[^。！？!?；;\n.]*)*[。！？!?；;.]*")
_LATIN = re.compile(r"[^\W\d_\u3400-\u9fff]{2,}|\d[\d,.]*%?")
_CJK_RUN = re.compile(r"[\u3400-\u9fff]+")
_STOP_WORDS = (
    "the a an and or of to in on for with by at from as is are was were be been has have had it its this that these "
    "those we our they their he she his her you your i not but if than then so such will would can could may also "
    "的 了 和 是 在 与 及 等 对 中 为 将 其 并 或"
)
_STOP = frozenset(_STOP_WORDS.split())
# Words that tell of a kind of statement, in English and Chinese.
_SIGNS: dict[ClaimKind, str] = {
    "risk": r"risk|threat|challenge|difficult|concern|loss|decline|decreas|fell|shortage|delay|problem|fail|debt|"
    r"lawsuit|uncertain|compet|cost.{0,20}(?:rose|increase|up)|风险|挑战|困难|问题|不足|下降|下滑|亏损|上涨|加剧|短缺|延迟|"
    r"竞争|压力|受限|劣势|不确定|违约|流失",
    "plan": r"plan|will|next (?:year|quarter|month)|goal|target|intend|expect|launch|roadmap|计划|规划|目标|将|拟|"
    r"下一?(?:年|季度|月)|启动|推出|加大|优化|预计",
    "strength": r"highlight|success|growth|grew|improv|record|strong|gain|achiev|advantage|profit|increase|"
    r"成功|增长|提升|增加|优势|亮点|领先|突破|盈利|改善|完善|获得",
    "point": r"",
}
# What is told of as a risk or a plan is one, whatever else is said with it.
_PATTERNS: dict[ClaimKind, re.Pattern[str]] = {
    kind: re.compile(signs, re.IGNORECASE) for kind, signs in _SIGNS.items() if signs
}
MIN_CHARS, USUAL_TERMS = 6, 18


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a piece, and how much it says."""

    piece: int
    text: str
    score: float


def terms(text: str) -> list[str]:
    """What a text is about: words, numbers, and pairs of Chinese characters; not what every text has."""
    found = [word for word in _LATIN.findall(text.lower()) if word not in _STOP]
    for run in _CJK_RUN.findall(text):
        found += [run[at : at + 2] for at in range(len(run) - 1)] or [run]
    return found


def sentences(text: str) -> list[str]:
    """The sentences of a text; lines of a list are such too."""
    found = (match[0].strip(" \t-*•") for match in _SENTENCE.finditer(text))
    return [one for one in found if len(one) >= MIN_CHARS]


class Terms:
    """How common terms are in a document."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._counts = Counter(term for text in texts for term in terms(text))

    def scored(self, piece: int, text: str, kind: ClaimKind = "point", heading: str = "") -> Sentence:
        found = terms(text)
        common = math.fsum(math.log1p(self._counts[term]) for term in set(found))
        score = common / math.sqrt(max(len(found), USUAL_TERMS))
        score *= 1.3 if re.search(r"\d", text) else 1.0
        if kind in _PATTERNS:
            score *= 1.0 if kind_of(text, heading) == kind else 0.0
        return Sentence(piece, text, score)

    def best(
        self,
        numbers: Sequence[int],
        texts: Sequence[str],
        most: int,
        kind: ClaimKind = "point",
        headings: Sequence[str] = (),
    ) -> list[Sentence]:
        """The sentences that say most, in the order in which they stand; ``headings`` are those above the texts."""
        all_of_them = [
            self.scored(number, sentence, kind, heading)
            for number, text, heading in zip(numbers, texts, headings or [""] * len(texts), strict=True)
            for sentence in sentences(text)
            if not sentence.endswith((":", "："))
        ]
        chosen = sorted(range(len(all_of_them)), key=lambda at: -all_of_them[at].score)[:most]
        return [all_of_them[at] for at in sorted(chosen) if all_of_them[at].score > 0]

    def share_known(self, text: str) -> float:
        """Which part of a text's terms the document has."""
        found = terms(text)
        return sum(term in self._counts for term in found) / len(found) if found else 0.0


def kind_of(text: str, heading: str = "") -> ClaimKind:
    """What kind of statement a sentence is: by the heading that it stands under, else by its own words."""
    for said in (heading, text):
        for kind, pattern in _PATTERNS.items():
            if pattern.search(said):
                return kind
    return "point"


def relevance(question: str, texts: Sequence[str]) -> list[float]:
    """How well texts fit a question, by BM25 (Robertson and Zaragoza, 2009; k1 1.5, b 0.75)."""
    wanted = set(terms(question))
    counted = [Counter(terms(text)) for text in texts]
    lengths = [sum(one.values()) for one in counted]
    usual = sum(lengths) / max(1, len(lengths)) or 1.0
    holding = {term: sum(term in one for one in counted) for term in wanted}
    scores = []
    for one, length in zip(counted, lengths, strict=True):
        score = 0.0
        for term in wanted:
            if one[term]:
                rarity = math.log(1 + (len(texts) - holding[term] + 0.5) / (holding[term] + 0.5))
                score += rarity * one[term] * 2.5 / (one[term] + 1.5 * (0.25 + 0.75 * length / usual))
        scores.append(score)
    return scores
