"""What votes say in words, in English and Chinese, for pages and exported files alike."""

from __future__ import annotations

from collections.abc import Mapping

from multi_llm_comparator.core.readable import NOTHING, Language
from multi_llm_comparator.voting.ranking import Ranking, Standing, points
from multi_llm_comparator.voting.tally import Tally
from multi_llm_comparator.voting.turns import BAD, VoteTurn

_EN: dict[str, str] = {
    "report": "Blind votes",
    "created": "Created",
    "exported": "Exported",
    "ranking": "Ranking",
    "rank": "Rank",
    "model": "Model",
    "points": "Points",
    "interval": "95% interval",
    "won": "Won",
    "lost": "Lost",
    "tied": "Tied",
    "bad": "All bad",
    "votes": "Votes",
    "verdict": "Verdict",
    "turn": "Vote {n}",
    "choice_best": "{name} was better",
    "choice_tie": "A tie",
    "choice_bad": "All of them bad",
    "choice_same": "The same word for word: counted as a tie",
    "better": "{one} is better than {other}.",
    "undecided": "{one} against {other}: undecided, their intervals overlap.",
    "unconnected": "{one} and {other} never met, not even by way of others: nothing is known.",
    "none": "No votes yet.",
    "counted": "{votes} votes, {ties} of them ties, {bad} of these with all answers bad.",
    "automatic": "{n} were counted as ties without asking, as the answers were the same word for word.",
    "separated": "Somebody won or lost everything so far: how far ahead cannot be told, and its interval has one end "
    "only. Each pair that met was given one vote each way for this.",
    "parts": "The contestants fall into {n} parts that never met; ranks hold within each.",
    "style": "Length and markup are taken out: one standard deviation more of length shifts the odds by a factor of "
    "{length}, of markup by {markup}.",
    "at_least": "from {low}",
    "at_most": "to {high}",
    "how": "Bradley-Terry with ties (Davidson 1970); 1000 points are the average, 400 more are odds of 10 to 1; "
    "intervals by bootstrap over votes.",
    "parameters": "Parameters",
    "fingerprint": "Hash of the weights",
    "versions": "Versions",
    "prompt": "Prompt",
    "difference": "What differs from the first answer",
    "left_out": "{n} more votes are not in this file; CSV and JSON have all.",
    "seed": "seed {seed}",
    "cut": "cut at its longest",
}
_ZH: dict[str, str] = {
    "report": "盲选投票",
    "created": "创建时间",
    "exported": "导出时间",
    "ranking": "排名",
    "rank": "名次",
    "model": "模型",
    "points": "分数",
    "interval": "95% 区间",
    "won": "胜",
    "lost": "负",
    "tied": "平",
    "bad": "都不好",
    "votes": "票数",
    "verdict": "结论",
    "turn": "第 {n} 票",
    "choice_best": "{name} 更好",
    "choice_tie": "平局",
    "choice_bad": "都不好",
    "choice_same": "逐字相同，计为平局",
    "better": "{one} 优于 {other}。",
    "undecided": "{one} 与 {other}：未分胜负，区间重叠。",
    "unconnected": "{one} 与 {other} 从未相遇，也没有间接比较，无法判断。",
    "none": "还没有投票。",
    "counted": "共 {votes} 票，其中 {ties} 票平局，平局中有 {bad} 票认为都不好。",
    "automatic": "有 {n} 组回答逐字相同，未询问即计为平局。",
    "separated": "目前有一方全胜或全负：无法判断领先多少，其区间只有一端。为此，每对相遇过的模型各加了一票。",
    "parts": "参赛者分成 {n} 组，彼此从未相遇；名次只在组内有效。",
    "style": "已扣除长度和标记的影响：长度每增加一个标准差，胜率比变为 {length} 倍；标记为 {markup} 倍。",
    "at_least": "{low} 起",
    "at_most": "至 {high}",
    "how": "采用含平局的 Bradley-Terry 模型（Davidson 1970）；1000 分为平均水平，每高 400 分胜率比为 10 比 1；"
    "区间由对投票的自助法得出。",
    "parameters": "参数",
    "fingerprint": "权重哈希",
    "versions": "版本",
    "prompt": "提示词",
    "difference": "与第一个回答的差异",
    "left_out": "还有 {n} 票未列入本文件；CSV 与 JSON 含全部。",
    "seed": "种子 {seed}",
    "cut": "达到最大长度被截断",
}
_WORDS: Mapping[Language, dict[str, str]] = {"en": _EN, "zh": _ZH}


def say(language: Language, key: str, **values: object) -> str:
    text = _WORDS[language][key]
    return text.format(**values) if values else text


def interval_words(standing: Standing, language: Language = "en") -> str:
    """``982 – 1034``; with one end where the other is not known."""
    low, high = f"{points(standing.low):.0f}", f"{points(standing.high):.0f}"
    if standing.is_open_above and standing.is_open_below:
        return NOTHING
    if standing.is_open_above:
        return say(language, "at_least", low=low)
    if standing.is_open_below:
        return say(language, "at_most", high=high)
    return f"{low} – {high}"


def rank_words(standing: Standing) -> str:
    """``1``, or ``1–3`` where its interval leaves these open."""
    best, worst = standing.best_rank, standing.worst_rank
    return str(best) if best == worst else f"{best}–{worst}"


def verdict_lines(found: Tally, ranking: Ranking, language: Language) -> list[str]:
    """A sentence for each two, the better one first; what is decided comes first."""
    order = [one.id for one in ranking.standings]
    lines: list[tuple[bool, str]] = []
    for n, one in enumerate(order):
        for other in order[n + 1 :]:
            verdict = ranking.verdict(one, other)
            names = {"one": found.labels[one], "other": found.labels[other]}
            lines.append((verdict != "better", say(language, verdict, **names)))
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def notes(found: Tally, ranking: Ranking, language: Language) -> list[str]:
    """What a reader must know beside the ranking."""
    if not ranking.votes:
        return [say(language, "none")]
    said = [say(language, "counted", votes=ranking.votes, ties=ranking.ties, bad=ranking.bad)]
    if found.automatic:
        said.append(say(language, "automatic", n=found.automatic))
    if ranking.is_separated:
        said.append(say(language, "separated"))
    if ranking.parts > 1:
        said.append(say(language, "parts", n=ranking.parts))
    if ranking.style_effects:
        import math

        length, markup = (f"{math.exp(effect):.2f}" for effect in ranking.style_effects)
        said.append(say(language, "style", length=length, markup=markup))
    return [*said, say(language, "how")]


def choice_words(turn: VoteTurn, name: str, language: Language) -> str:
    """What was chosen; ``name`` is that of the better one."""
    if turn.is_automatic:
        return say(language, "choice_same")
    if turn.best is not None:
        return say(language, "choice_best", name=name)
    return say(language, "choice_bad" if turn.choice == BAD else "choice_tie")
