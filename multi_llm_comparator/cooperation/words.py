"""The words of cooperations, in English and Chinese: for pages, exported files and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from multi_llm_comparator.cooperation.calls import LeftOut, Note
from multi_llm_comparator.core.readable import Language

# Says the text of a key, with its places filled in.
Say = Callable[..., str]

_EN = {
    "mode_sequential": "Sequential",
    "mode_parallel": "Parallel",
    "mode_voting": "Voting",
    "mode_pipeline": "Pipeline",
    "mode_ensemble": "Ensemble",
    "mode_cascade": "Cascade",
    "mode_council": "Council",
    "about_sequential": "One after the other: each reads the answers before it, corrects and adds.",
    "about_parallel": "All at once; one answer is made of theirs.",
    "about_voting": "All answer, the answers are counted; ends as soon as the rest cannot change it.",
    "about_pipeline": "Draft, critique, revise: each member has a role.",
    "about_ensemble": "A mixture: answers, refined in layers, put together by one model.",
    "about_cascade": "The small ones first; the large one is asked only where they disagree.",
    "about_council": "All answer, review each other without names, and one presides.",
    "strategy_ensemble": "put together by a model",
    "strategy_majority": "counted as votes",
    "strategy_best": "the best, chosen by a model",
    "strategy_concatenation": "all below each other",
    "strategy_last": "the last one",
    "strategy_first": "the one ranked first, or weightiest",
    "made_vote": "by vote; the text is the answer of {of}",
    "made_member": "the answer of {of}",
    "made_pipeline": "the work as {of} left it",
    "made_ensemble": "put together by {of}",
    "made_best": "chosen as the best: the answer of {of}",
    "made_last": "the last answer, of {of}",
    "made_first": "ranked first: the answer of {of}",
    "made_majority": "by vote; the text is the answer of {of}",
    "made_concatenation": "all answers below each other",
    "made_other": "{made_by}, {of}",
    "note_tie": "A tie between {choices}: the choice of the weightiest voter stands.",
    "note_only_one": "Only {target} answered, so its answer stands alone.",
    "note_integration_failed": "{target} could not put the answers together ({error}): a member's stands.",
    "note_grouping_failed": "{target} could not say which answers agree ({error}): each counts by itself.",
    "note_nothing_to_count": "No answer said anything that can be counted: the weightiest member's answer stands.",
    "note_stage_failed": "The stage {role} by {target} failed and was passed over.",
    "note_greedy_samples": "At temperature 0 several samples of one model are all alike.",
    "note_escalated": "The small ones agreed by {share} only: {target} was asked.",
    "note_large_failed": "{target} was to decide and failed ({error}): what most of the small ones say stands.",
    "note_no_reviews": "No review could be read, so the answers are not ranked.",
    "note_review_unread": "The review of {target} could not be read, and does not count: {said}",
    "left_decided": "not asked to the end: the rest could not change the vote",
    "left_agreed": "not asked: the small ones agreed",
    "left_deadline": "the deadline was over",
    "left_failed": "failed",
    "left_no_ballot": "said nothing that can be counted",
    "left_no_weight": "not asked: its vote counts nothing, as measured",
    "left_not_reached": "not reached",
    "purpose_answer": "answer",
    "purpose_vote": "vote",
    "purpose_review": "review",
    "purpose_group": "grouping",
    "purpose_integrate": "integration",
    "role_draft": "draft",
    "role_critique": "critique",
    "role_revise": "revision",
    "state_queued": "about to begin",
    "state_answering": "answering",
    "state_reviewing": "reviewing",
    "state_grouping": "grouping answers",
    "state_escalating": "asking the large one",
    "state_integrating": "putting together",
    "state_running": "at work",
    "state_loading": "loading",
    "state_prefill": "reading",
    "state_done": "done",
    "state_failed": "failed",
    "state_stopped": "stopped",
    "state_interrupted": "interrupted",
    "created": "Created",
    "mode": "Mode",
    "members": "Members",
    "question": "Question",
    "answer": "Answer",
    "how": "How it was made",
    "votes": "Votes",
    "round": "Round {n}",
    "choice": "Choice",
    "weight": "Weight",
    "voters": "Voters",
    "ranking": "Ranking",
    "place": "Mean place",
    "reviews": "Reviews",
    "figures": "What it took",
    "model": "Model",
    "calls": "Calls",
    "failed": "Failed",
    "prompt_tokens": "Tokens read",
    "tokens": "Tokens written",
    "work": "Time at work",
    "wall": "Wall time",
    "cost": "Cost",
    "timeline": "What ran when",
    "calls_title": "All calls",
    "left_out": "Not counted",
    "left_out_rows": "without {n} more rows",
    "hover_tokens": "{tokens} tokens",
    "stretch_model": "waiting",
    "stretch_load": "loading",
    "stretch_prefill": "reading",
    "none": "none",
}

_ZH = {
    "mode_sequential": "顺序",
    "mode_parallel": "并行",
    "mode_voting": "投票",
    "mode_pipeline": "流水线",
    "mode_ensemble": "集成",
    "mode_cascade": "级联",
    "mode_council": "评议会",
    "about_sequential": "依次进行：每个模型阅读前面的回答，纠正并补充。",
    "about_parallel": "同时回答，再合成一个答案。",
    "about_voting": "各自回答并计票；结果已定时立即结束。",
    "about_pipeline": "起草、批评、修订：每个成员有一个角色。",
    "about_ensemble": "混合：回答分层改进，最后由一个模型合成。",
    "about_cascade": "先问小模型；意见不一致时才问大模型。",
    "about_council": "各自回答，匿名互评，由一个模型主持定稿。",
    "strategy_ensemble": "由模型合成",
    "strategy_majority": "计票",
    "strategy_best": "由模型选出最好的",
    "strategy_concatenation": "全部列出",
    "strategy_last": "最后一个",
    "strategy_first": "排名第一或权重最大的",
    "made_vote": "投票得出；文本取自 {of} 的回答",
    "made_member": "{of} 的回答",
    "made_pipeline": "{of} 完成的文稿",
    "made_ensemble": "由 {of} 合成",
    "made_best": "被选为最佳：{of} 的回答",
    "made_last": "最后的回答，来自 {of}",
    "made_first": "排名第一：{of} 的回答",
    "made_majority": "投票得出；文本取自 {of} 的回答",
    "made_concatenation": "全部回答依次列出",
    "made_other": "{made_by}，{of}",
    "note_tie": "{choices} 票数相同：采用权重最大的投票者的选择。",
    "note_only_one": "只有 {target} 作出了回答，因此直接采用。",
    "note_integration_failed": "{target} 未能合成回答（{error}）：改为采用一个成员的回答。",
    "note_grouping_failed": "{target} 未能判断哪些回答一致（{error}）：每个回答单独计票。",
    "note_nothing_to_count": "没有可以计票的回答：采用权重最大的成员的回答。",
    "note_stage_failed": "{target} 负责的阶段“{role}”失败，已跳过。",
    "note_greedy_samples": "温度为 0 时，同一模型的多次采样完全相同。",
    "note_escalated": "小模型的一致程度只有 {share}：已询问 {target}。",
    "note_large_failed": "应由 {target} 决定，但它失败了（{error}）：采用多数小模型的回答。",
    "note_no_reviews": "没有可读的评审，因此回答没有排名。",
    "note_review_unread": "{target} 的评审无法读取，不计入：{said}",
    "left_decided": "未问完：其余票数已不能改变结果",
    "left_agreed": "未询问：小模型意见一致",
    "left_deadline": "已超过期限",
    "left_failed": "失败",
    "left_no_ballot": "没有可以计票的内容",
    "left_no_weight": "未询问：根据测量结果，它的票不起作用",
    "left_not_reached": "未进行到",
    "purpose_answer": "回答",
    "purpose_vote": "投票",
    "purpose_review": "评审",
    "purpose_group": "归组",
    "purpose_integrate": "合成",
    "role_draft": "起草",
    "role_critique": "批评",
    "role_revise": "修订",
    "state_queued": "即将开始",
    "state_answering": "回答中",
    "state_reviewing": "互评中",
    "state_grouping": "归组中",
    "state_escalating": "询问大模型",
    "state_integrating": "合成中",
    "state_running": "进行中",
    "state_loading": "加载中",
    "state_prefill": "读取中",
    "state_done": "完成",
    "state_failed": "失败",
    "state_stopped": "已停止",
    "state_interrupted": "已中断",
    "created": "创建于",
    "mode": "模式",
    "members": "成员",
    "question": "问题",
    "answer": "答案",
    "how": "产生方式",
    "votes": "投票",
    "round": "第 {n} 轮",
    "choice": "选项",
    "weight": "权重",
    "voters": "投票者",
    "ranking": "排名",
    "place": "平均名次",
    "reviews": "评审数",
    "figures": "用量",
    "model": "模型",
    "calls": "调用",
    "failed": "失败",
    "prompt_tokens": "读取词元",
    "tokens": "生成词元",
    "work": "工作用时",
    "wall": "总用时",
    "cost": "费用",
    "timeline": "时间线",
    "calls_title": "所有调用",
    "left_out": "未计入",
    "left_out_rows": "另有 {n} 行未画出",
    "hover_tokens": "{tokens} 个词元",
    "stretch_model": "等待",
    "stretch_load": "加载",
    "stretch_prefill": "读取",
    "none": "无",
}

WORDS: Mapping[Language, Mapping[str, str]] = {"en": _EN, "zh": _ZH}


def words_of(language: Language) -> Say:
    """What says these words in a language."""
    return partial(_said, WORDS[language])


def _said(words: Mapping[str, str], key: str, /, **values: object) -> str:
    return words[key].format(**values) if values else words[key]


def note_text(note: Note, language: Language) -> str:
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


def part_text(purpose: str, role: str, language: Language) -> str:
    """What a call was for: its role where it has one."""
    words = WORDS[language]
    return words.get(f"role_{role}", role) if role else words[f"purpose_{purpose}"]
