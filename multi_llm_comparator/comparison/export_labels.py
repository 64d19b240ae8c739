"""The words of exported pages, in English and Chinese, and how they write numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multi_llm_comparator.comparison.figures import Figures
from multi_llm_comparator.comparison.repeats import repeats_of
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.core.readable import Language

_EN = {
    "comparison": "Comparison",
    "created": "Created",
    "exported": "Exported",
    "imported_from": "Imported from run",
    "prompt": "Prompt",
    "image": "Image",
    "answers": "Answers",
    "figures": "Figures",
    "timeline": "Where the time went",
    "pane": "Pane",
    "model": "Model",
    "attempt": "Attempt",
    "state": "State",
    "reason": "Ended by",
    "error": "Error",
    "thinking": "Thoughts",
    "parameters": "Parameters",
    "rendered_prompt": "Prompt as the model saw it",
    "origin": "Model and versions",
    "fingerprint": "Fingerprint",
    "path": "Path",
    "seed": "Seed",
    "versions": "Versions",
    "earlier": "Earlier attempts",
    "chosen": "chosen",
    "shared_thread": "All panes share one conversation",
    "in_turn": "Panes answer one after another",
    "differs": "What differs between panes",
    "by_hand": "begun by hand",
    "repeats": "{n} answers to this prompt, median (range)",
    "contended": "Others decoded on the same device meanwhile",
    "batched_with": "Other answers of this model written at the same time",
    "cut": "cut at {tokens} tokens",
    "queued_s": "Queued",
    "load_s": "Load",
    "prefill_s": "Prefill",
    "ttft_s": "First token",
    "decode_s": "Decode",
    "duration_s": "Total",
    "tokens_per_second": "Tokens/s",
    "prompt_tokens": "Prompt tokens",
    "cached_tokens": "of them cached",
    "tokens": "Tokens",
    "memory_bytes": "Memory",
    "queued": "queued",
    "loading": "loading",
    "prefill": "reading the prompt",
    "running": "running",
    "done": "done",
    "stopped": "stopped",
    "failed": "failed",
    "stop": "end of answer",
    "length": "length limit",
    "cancelled": "stopped by the user",
    "no_text": "No text.",
    "differences_from": "Differences from",
    "equal": "The same, sign by sign.",
    "same_words": "{n} words the same",
    "tokens_shown": "Tokens, coloured by surprise",
    "tokens_why": "The redder, the less the model expected the token. What had less than half of the probability is "
    "underlined: point at it, tap it or reach it with the Tab key to see what else might have stood there.",
    "left_out": "Differences and tokens of some answers are left out to keep this file small; the JSON export has all.",
}

_ZH = {
    "comparison": "模型对比",
    "created": "创建于",
    "exported": "导出于",
    "imported_from": "导入自运行",
    "prompt": "提示词",
    "image": "图片",
    "answers": "回答",
    "figures": "数据",
    "timeline": "时间分布",
    "pane": "窗格",
    "model": "模型",
    "attempt": "尝试",
    "state": "状态",
    "reason": "结束原因",
    "error": "错误",
    "thinking": "思考过程",
    "parameters": "参数",
    "rendered_prompt": "模型实际看到的提示词",
    "origin": "模型与版本",
    "fingerprint": "指纹",
    "path": "路径",
    "seed": "随机种子",
    "versions": "版本",
    "earlier": "较早的尝试",
    "chosen": "已选用",
    "shared_thread": "所有窗格共用一个对话",
    "in_turn": "各窗格依次回答",
    "differs": "各窗格的不同之处",
    "by_hand": "开头为手工撰写",
    "repeats": "对该提示词的 {n} 个回答，中位数（范围）",
    "contended": "同一设备上同时解码的模型",
    "batched_with": "该模型同时生成的其他回答数",
    "cut": "在 {tokens} 个词元处截断",
    "queued_s": "排队",
    "load_s": "加载",
    "prefill_s": "预填充",
    "ttft_s": "首个词元",
    "decode_s": "解码",
    "duration_s": "总计",
    "tokens_per_second": "词元/秒",
    "prompt_tokens": "提示词词元",
    "cached_tokens": "其中已缓存",
    "tokens": "词元",
    "memory_bytes": "内存",
    "queued": "排队中",
    "loading": "加载中",
    "prefill": "读取提示词",
    "running": "生成中",
    "done": "完成",
    "stopped": "已停止",
    "failed": "失败",
    "stop": "回答结束",
    "length": "达到长度上限",
    "cancelled": "用户停止",
    "no_text": "没有文本。",
    "differences_from": "与此窗格的差异：",
    "equal": "逐字相同。",
    "same_words": "{n} 个词相同",
    "tokens_shown": "按意外程度着色的词元",
    "tokens_why": "颜色越红，模型越没有料到该词元。概率不到一半的词元带下划线："
    "指向、轻触或用 Tab 键选中，可查看其他候选词元。",
    "left_out": "为控制文件大小，部分回答的差异和词元未包含在内；JSON 导出包含全部内容。",
}

LABELS: Mapping[str, Mapping[str, str]] = {"en": _EN, "zh": _ZH}
FIGURE_NAMES = (
    "queued_s",
    "load_s",
    "prefill_s",
    "ttft_s",
    "decode_s",
    "duration_s",
    "tokens_per_second",
    "prompt_tokens",
    "cached_tokens",
    "tokens",
    "memory_bytes",
)


def state_words(answer: AnswerSnapshot, language: Language) -> str:
    """What became of an answer; one that was cut is not simply done."""
    words = LABELS[language]
    if answer.is_cut:
        return words["cut"].format(tokens=f"{answer.figures.tokens:,}")
    return words[answer.progress.state]


def turn_title(index: int, language: Language) -> str:
    return f"第 {index + 1} 轮" if language == "zh" else f"Turn {index + 1}"


def figure_cells(figures: Figures) -> list[str]:
    """The values of FIGURE_NAMES as people read them."""
    return [_cell(name, getattr(figures, name)) for name in FIGURE_NAMES]


def repeat_lines(answer: AnswerSnapshot, attempts: Sequence[AnswerSnapshot], language: Language) -> list[str]:
    """What repeated attempts say together: a line above, then one for each figure. Empty where nothing was repeated."""
    spreads = {name: spread for name, spread in repeats_of(answer, attempts).items() if name in FIGURE_NAMES}
    if not spreads:
        return []
    words = LABELS[language]
    head = words["repeats"].format(n=max(spread.n for spread in spreads.values()))
    return [head] + [
        f"{words[name]}: {_cell(name, s.median)} ({_cell(name, s.low)} – {_cell(name, s.high)})"
        + (" · 95%" if s.is_interval else "")
        for name, s in spreads.items()
    ]


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name.endswith("_s"):
        return seconds(value)
    if name == "memory_bytes":
        return f"{value / 2**20:,.0f} MiB"
    return f"{value:,.1f}" if name == "tokens_per_second" else f"{value:,}"


def seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"
