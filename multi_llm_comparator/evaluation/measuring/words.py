"""What an evaluation says in words, in English and Chinese: verdicts, and the names in exported reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from multi_llm_comparator.core.readable import NOTHING, Language, Say, words_in
from multi_llm_comparator.evaluation.measuring.breakdown import TagDifference
from multi_llm_comparator.evaluation.measuring.prompt_task import PROMPTS
from multi_llm_comparator.evaluation.measuring.results import JudgeTrust, PairVerdict
from multi_llm_comparator.evaluation.measuring.spec import EvaluationSpec
from multi_llm_comparator.evaluation.statistics.intervals import Interval, wilson
from multi_llm_comparator.evaluation.statistics.power import items_needed, rounded_up

# A difference that people ask for: the outlook says what it would take to show it.
WANTED = 0.05

_EN = {
    "prompts_n": "{n} prompts",
    "items_n": "{n} items",
    "better": "{better} is better than {worse}: {points} points ({low} to {high}), p = {p}. "
    "Of {items}, {better} did better on {ups}, {worse} on {downs}.",
    "not_separable": "{first} against {second}: not separable with {items}; about {needed} needed.",
    "no_difference": "{first} against {second}: not separable with {items}; no difference was seen "
    "({ups} for one, {downs} for the other).",
    "alike": "{first} and {second} scored the same on all of {items}: at most {most} of such items tell them apart.",
    "nothing": "{first} against {second}: no prompt has a scored answer of both.",
    "trust": "Judged by {judge}: agreement with your votes kappa {kappa} on {n}; the order decided in {flips} of "
    "{judged}.",
    "trust_none": "Judged by {judge}, whose agreement with you is not known: score some answers yourself (0 so far). "
    "The order decided in {flips} of {judged}.",
    "visible_before": "{items} show a difference of {points} points or more, if {discordance} of the answers differ; "
    "{wanted} points would need about {needed}.",
    "visible_none": "{items} are too few to show any difference, if {discordance} of the answers differ; {wanted} "
    "points would need about {needed}.",
    "divergence": "{model} against {reference}: {kl} nats a token apart; the same token is likeliest in {same} of "
    "{tokens} places of {texts} prompts and answers.",
    "from_to": " ({low} to {high})",
    "divergence_failed": "{model} against {reference}: their predictions could not be compared: {error}",
    "learnt": "{model} was tuned on {found} of the {n} questions of {source} ({exact} word for word, {overlapping} in "
    "part): its score there says little.",
    "learnt_not": "{model} was tuned on other data: none of the {n} questions of {source} is in it{sampled}.",
    "learnt_sampled": ", as far as one in {one_in} passages of it tells",
    "learnt_unknown": "{model} was tuned, but what on cannot be read: {error}",
    "extracted": "{model} was asked to write: its probabilities cannot be seen, so its choice was looked for in the "
    "answers to {n} questions of {source}.",
    "report": "Evaluation",
    "created": "Created",
    "verdict": "Verdict",
    "results": "Results",
    "model": "Model",
    "source": "Data",
    "source_prompts": "own prompts",
    "mean": "Score",
    "interval": "95% interval",
    "right": "Right",
    "items": "Items",
    "failed": "Failed",
    "open": "Not scored",
    "speed": "Speed alone",
    "memory": "Memory",
    "load": "Load",
    "cost": "Cost",
    "front": "best trade-off",
    "tag_better": "{better} better than {worse} (p = {p})",
    "by_tag": "By tag",
    "differs": "Differs for sure",
    "tradeoff": "Score, speed and memory",
    "tokens_per_s": "tokens per second, alone",
    "answers": "Answers",
    "prompt": "Prompt",
    "expected": "Expected",
    "tags": "Tags",
    "reason": "Reason",
    "prompt_seen": "Prompt as the model saw it",
    "error": "Error",
    "your_score": "your score",
    "judge_says": "The judge says",
    "parameters": "Parameters",
    "left_out": "{n} more rows are not in this file; CSV and JSON have all.",
    "state_queued": "about to begin",
    "state_running": "at work",
    "state_reading": "reading the data",
    "state_asking": "asking",
    "state_comparing": "comparing predictions",
    "state_judging": "judging",
    "state_done": "done",
    "state_failed": "failed",
    "state_stopped": "stopped",
    "state_interrupted": "interrupted",
}

_ZH = {
    "prompts_n": "{n} 条提示词",
    "items_n": "{n} 道题",
    "better": "{better} 优于 {worse}：高 {points} 个百分点（{low} 至 {high}），p = {p}。在{items}中，"
    "{better} 在 {ups} 条上更好，{worse} 在 {downs} 条上更好。",
    "not_separable": "{first} 与 {second}：{items}不足以区分，约需 {needed} 条。",
    "no_difference": "{first} 与 {second}：{items}无法区分，未见差异（一方胜 {ups} 条，另一方胜 {downs} 条）。",
    "alike": "{first} 与 {second} 在全部{items}上得分相同：这类题目中至多 {most} 能区分二者。",
    "nothing": "{first} 与 {second}：没有两者回答都已评分的题目。",
    "trust": "由 {judge} 评判：与您评分的一致性 kappa 为 {kappa}（{n} 条）；{judged} 次评判中 {flips} 由顺序决定。",
    "trust_none": "由 {judge} 评判，尚不知它与您是否一致：请亲自给一些回答打分（目前 0 条）。"
    "{judged} 次评判中有 {flips} 由顺序决定。",
    "visible_before": "若有 {discordance} 的回答不同，{items}可以显示 {points} 个百分点以上的差异；"
    "要显示 {wanted} 个百分点约需 {needed} 条。",
    "visible_none": "若有 {discordance} 的回答不同，{items}太少，无法显示任何差异；"
    "要显示 {wanted} 个百分点约需 {needed} 条。",
    "divergence": "{model} 与 {reference}：每个 token 相差 {kl} nats；在 {texts} 条提示词和回答的 {tokens} 个位置中，"
    "{same} 的最可能 token 相同。",
    "from_to": "（{low} 至 {high}）",
    "divergence_failed": "{model} 与 {reference}：无法比较二者的预测：{error}",
    "learnt": "{model} 的微调数据包含{source}的 {n} 道题中的 {found} 道（{exact} 道原文相同，"
    "{overlapping} 道部分相同）：它在这里的得分参考价值不大。",
    "learnt_not": "{model} 由其他数据微调：其中没有{source}的 {n} 道题中的任何一道{sampled}。",
    "learnt_sampled": "（仅就其中约 {one_in} 分之一的片段而言）",
    "learnt_unknown": "{model} 经过微调，但无法读取其训练数据记录：{error}",
    "extracted": "{model} 以书写方式作答：无法看到其概率，因此从它对{source}的 {n} 道题的回答中提取所选项。",
    "report": "评测",
    "created": "创建于",
    "verdict": "结论",
    "results": "结果",
    "model": "模型",
    "source": "数据",
    "source_prompts": "自有提示词",
    "mean": "得分",
    "interval": "95% 区间",
    "right": "正确",
    "items": "题数",
    "failed": "失败",
    "open": "未评分",
    "speed": "单独速度",
    "memory": "内存",
    "load": "加载",
    "cost": "费用",
    "front": "最佳权衡",
    "tag_better": "{better} 优于 {worse}（p = {p}）",
    "by_tag": "按标签",
    "differs": "确有差异",
    "tradeoff": "得分、速度与内存",
    "tokens_per_s": "单独运行时每秒 token 数",
    "answers": "回答",
    "prompt": "提示词",
    "expected": "期望答案",
    "tags": "标签",
    "reason": "理由",
    "prompt_seen": "模型实际看到的提示词",
    "error": "错误",
    "your_score": "您的评分",
    "judge_says": "评判者的理由",
    "parameters": "参数",
    "left_out": "另有 {n} 行未收入此文件；CSV 和 JSON 中有全部内容。",
    "state_queued": "即将开始",
    "state_running": "进行中",
    "state_reading": "读取数据",
    "state_asking": "提问中",
    "state_comparing": "比较预测",
    "state_judging": "评判中",
    "state_done": "完成",
    "state_failed": "失败",
    "state_stopped": "已停止",
    "state_interrupted": "已中断",
}

LABELS: Mapping[Language, Mapping[str, str]] = {"en": _EN, "zh": _ZH}


def words_of(language: Language) -> Say:
    """What says these words in a language."""
    return words_in(LABELS[language])


def items_words(say: Say, source: str, n: int) -> str:
    """``120 prompts``, ``200 items``."""
    return say("prompts_n" if source == PROMPTS else "items_n", n=f"{n:,}")


def source_name(say: Say, source: str) -> str:
    return say("source_prompts") if source == PROMPTS else source


def verdict_sentence(verdict: PairVerdict, spec: EvaluationSpec, language: Language) -> str:
    """A verdict as a sentence. One by a judge is only to be shown beside :func:`trust_sentence`."""
    say, found = words_of(language), verdict.paired
    names = {"first": spec.subject(verdict.first).name, "second": spec.subject(verdict.second).name}
    items = items_words(say, verdict.source, found.n)
    flips = {"ups": found.first_only, "downs": found.second_only}
    match verdict.outcome:
        case "nothing":
            return say("nothing", **names)
        case "alike":
            return say("alike", **names, items=items, most=f"{wilson(0, found.n)[1]:.1%}")
        case "not_separable" if verdict.needed is None:
            return say("no_difference", **names, items=items, **flips)
        case "not_separable":
            assert verdict.needed is not None
            return say("not_separable", **names, items=items, needed=f"{rounded_up(verdict.needed):,}")
    is_first = verdict.outcome == "better"
    low, high = (found.low, found.high) if is_first else (-found.high, -found.low)
    return say(
        "better",
        better=names["first" if is_first else "second"],
        worse=names["second" if is_first else "first"],
        points=_points(abs(found.difference)),
        low=_points(low),
        high=_points(high),
        p=p_words(verdict.p),
        items=items,
        ups=found.first_only if is_first else found.second_only,
        downs=found.second_only if is_first else found.first_only,
    )


def trust_sentence(trust: JudgeTrust, spec: EvaluationSpec, language: Language) -> str:
    """How far the judge can be believed."""
    say = words_of(language)
    assert spec.judge is not None
    flips = NOTHING if trust.flip_rate is None else f"{trust.flip_rate:.0%}"
    values = {"judge": spec.judge.name, "flips": flips, "judged": f"{trust.judged:,}"}
    if not trust.agreement.n:
        return say("trust_none", **values)
    kappa = NOTHING if trust.agreement.kappa is None else f"{trust.agreement.kappa:.2f}"
    return say("trust", **values, kappa=kappa, n=trust.agreement.n)


def outlook_sentence(
    source: str, n: int, visible: float | None, discordance: float, language: Language, *, comparisons: int = 1
) -> str:
    """What a run of ``n`` items can show, before it starts, and how many a small difference would need."""
    say = words_of(language)
    needed = items_needed(WANTED, sqrt(max(0.0, discordance - WANTED**2)), comparisons=comparisons)
    values = {
        "items": items_words(say, source, n),
        "discordance": f"{discordance:.0%}",
        "wanted": f"{100 * WANTED:g}",
        "needed": NOTHING if needed is None else f"{rounded_up(needed):,}",
    }
    return (
        say("visible_none", **values) if visible is None else say("visible_before", **values, points=_points(visible))
    )


def p_words(p: float) -> str:
    """``0.032``, ``< 0.001``."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def difference_words(differences: Sequence[TagDifference], spec: EvaluationSpec, language: Language) -> str:
    """``Q8_0 better than Q4_0 (p = 0.003)``, several with semicolons."""
    say = words_of(language)
    return "; ".join(
        say("tag_better", better=spec.subject(one.better).name, worse=spec.subject(one.worse).name, p=p_words(one.p))
        for one in differences
    )


def memory_words(size_bytes: int | None) -> str:
    """``105 MiB``."""
    return NOTHING if size_bytes is None else f"{size_bytes / 2**20:,.0f} MiB"


def cost_words(cost_usd: float | None) -> str:
    """``$0.0123``."""
    return NOTHING if cost_usd is None else f"${cost_usd:,.4f}"


def mean_words(found: Interval | None) -> str:
    """``62.5%``."""
    return NOTHING if found is None else f"{found.mean:.1%}"


def interval_words(found: Interval | None) -> str:
    """``53.1–70.9%``."""
    return NOTHING if found is None else f"{100 * found.low:.1f}–{100 * found.high:.1f}%"


def with_interval(found: Interval | None) -> str:
    """``62.5% (53.1–70.9%)``."""
    return mean_words(found) if found is None else f"{mean_words(found)} ({interval_words(found)})"


def _points(difference: float) -> str:
    return f"{100 * difference:.1f}"
