"""The words of exported plan runs, in English and Chinese."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from multi_llm_comparator.core.readable import Language

# Says the text of a key, with its places filled in.
Say = Callable[..., str]

_EN = {
    "by_hand": "none: I write the plan",
    "threshold_n": "hard from {n}",
    "all_large": "all steps to the large model",
    "workers_n": "{n} workers",
    "missing": "Without an answer: steps {steps}",
    "figures": "Figures",
    "figure_wall": "wall time",
    "figure_loading": "only loading",
    "figure_predicted": "predicted",
    "figure_alone": "large model alone",
    "figure_work": "sum of steps",
    "figure_speed_up": "speed-up",
    "figure_critical": "critical path",
    "figure_compression": "compression",
    "figure_tokens": "tokens",
    "figure_cost": "cost",
    "together_faster": "together {n} × faster",
    "together_slower": "together {n} × slower",
    "tab_steps": "All steps",
    "tab_plan": "Plan",
    "hover_difficulty": "difficulty {difficulty}, at most {tokens} tokens",
    "hover_needs": "needs: {steps}",
    "hover_tokens": "{tokens} tokens",
    "state_new": "about to begin",
    "state_planning": "planning",
    "state_running": "solving",
    "state_aggregating": "putting together",
    "state_done": "done",
    "state_failed": "failed",
    "state_stopped": "stopped",
    "step_waiting": "waiting",
    "step_ready": "ready",
    "step_running": "running",
    "step_done": "done",
    "step_failed": "failed",
    "step_skipped": "skipped",
    "step_stopped": "stopped",
    "gantt": "What ran when",
    "graph": "What needs what",
    "svg_left_out": "without {n} more rows",
    "lane_plan": "Planner",
    "lane_plan_again": "Planner, attempt {n}",
    "lane_answer": "Putting together",
    "stretch_worker": "worker queue",
    "stretch_model": "model queue",
    "stretch_load": "loading",
    "stretch_prefill": "reading",
    "column_task": "Task",
    "column_needs": "Needs",
    "column_difficulty": "Difficulty",
    "column_model": "Model",
    "column_state": "State",
    "column_time": "Time",
    "column_tokens": "Tokens",
    "column_answer": "Answer",
    "created": "Created",
    "exported": "Exported",
    "question": "Question",
}

_ZH = {
    "by_hand": "无：我自己写计划",
    "threshold_n": "难度 {n} 起用大模型",
    "all_large": "所有步骤用大模型",
    "workers_n": "并行数 {n}",
    "missing": "没有答案的步骤：{steps}",
    "figures": "指标",
    "figure_wall": "总用时",
    "figure_loading": "仅加载",
    "figure_predicted": "预测",
    "figure_alone": "仅用大模型",
    "figure_work": "步骤用时之和",
    "figure_speed_up": "加速比",
    "figure_critical": "关键路径",
    "figure_compression": "压缩比",
    "figure_tokens": "词元数",
    "figure_cost": "费用",
    "together_faster": "协作速度为其 {n} 倍",
    "together_slower": "协作用时为其 {n} 倍",
    "tab_steps": "所有步骤",
    "tab_plan": "计划",
    "hover_difficulty": "难度 {difficulty}，最多 {tokens} 个词元",
    "hover_needs": "依赖：{steps}",
    "hover_tokens": "{tokens} 个词元",
    "state_new": "即将开始",
    "state_planning": "规划中",
    "state_running": "解答中",
    "state_aggregating": "汇总中",
    "state_done": "完成",
    "state_failed": "失败",
    "state_stopped": "已停止",
    "step_waiting": "等待",
    "step_ready": "就绪",
    "step_running": "进行中",
    "step_done": "完成",
    "step_failed": "失败",
    "step_skipped": "已跳过",
    "step_stopped": "已停止",
    "gantt": "时间线",
    "graph": "任务依赖图",
    "svg_left_out": "另有 {n} 行未画出",
    "lane_plan": "规划",
    "lane_plan_again": "规划，第 {n} 次",
    "lane_answer": "汇总",
    "stretch_worker": "等空位",
    "stretch_model": "等模型",
    "stretch_load": "加载",
    "stretch_prefill": "读取",
    "column_task": "任务",
    "column_needs": "依赖",
    "column_difficulty": "难度",
    "column_model": "模型",
    "column_state": "状态",
    "column_time": "用时",
    "column_tokens": "词元",
    "column_answer": "答案",
    "created": "创建于",
    "exported": "导出于",
    "question": "问题",
}

LABELS: Mapping[Language, Mapping[str, str]] = {"en": _EN, "zh": _ZH}


def words_of(language: Language) -> Say:
    """What says these words in a language."""
    return partial(_said, LABELS[language])


def _said(labels: Mapping[str, str], key: str, /, **values: object) -> str:
    return labels[key].format(**values) if values else labels[key]
