"""What planner, steps and aggregation are asked, in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from multi_llm_comparator.core.readable import Language, cut
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.plans.plan import Plan, Step

# How a task quotes the answer of a step it needs: {2}. Planners may also write #2 or $2, which is no amount of money.
_BRACED = re.compile(r"\{\s*([^{}\s,;]+)\s*\}")
_MARKED = re.compile(r"[#$]([^\s,;.?!{}()\"']++)(?![,.]\d)")
_CHINESE = re.compile("[\u4e00-\u9fff]")
# What may stand between quotes in a task that only puts answers side by side.
_BETWEEN_QUOTES = re.compile(r"[\s,;，、；]*")
# An answer that goes on and on must not crowd out the task that needs it.
MAX_QUOTED_CHARACTERS = 8_000

PLANNER = {
    "en": """Split the question into small steps that together answer it, and write them as a plan in XML:

<Plan>
<Step ID="1" Task="..." Difficulty="3" Token="200" Rely=""/>
<Step ID="2" Task="... {1} ..." Difficulty="6" Token="300" Rely="1"/>
</Plan>

Task is a complete instruction; {1} in it stands for the answer of step 1. Difficulty is 1 (easiest) to 10. Token is \
the longest answer in tokens. Rely lists the IDs of the steps whose answers it needs, separated by commas; steps that \
need nothing of each other run at the same time. Write only the plan.""",
    "zh": """把问题拆成若干小步骤，合起来回答它，并用 XML 写成计划：

<Plan>
<Step ID="1" Task="..." Difficulty="3" Token="200" Rely=""/>
<Step ID="2" Task="... {1} ..." Difficulty="6" Token="300" Rely="1"/>
</Plan>

Task 是完整的指令，其中 {1} 代表第 1 步的答案。Difficulty 从 1（最易）到 10。\
Token 是答案的最大 token 数。Rely 列出它需要哪些步骤的答案（ID，用逗号分隔）；\
互不依赖的步骤会同时执行。只写计划。""",
}
_AGAIN = {
    "en": "That plan cannot be used: {error}. Write the whole plan again.",
    "zh": "这个计划无法使用：{error}。请重新写出完整的计划。",
}
_CONTEXT = {
    "en": ("Answers of earlier steps:", "Step {id} ({task}): {answer}", "Your task: {task}"),
    "zh": ("之前步骤的答案：", "步骤 {id}（{task}）：{answer}", "你的任务：{task}"),
}
_AGGREGATE = {
    "en": (
        "Question: {question}",
        "Steps that were solved for it:",
        "These steps have no answer: {missing}.",
        "Answer the question from these results, briefly and completely.",
    ),
    "zh": (
        "问题：{question}",
        "为它解决的步骤：",
        "这些步骤没有答案：{missing}。",
        "请根据这些结果简洁而完整地回答问题。",
    ),
}


def language_of(question: str) -> Language:
    """The language in which a question is to be planned: Chinese if any of it is."""
    return "zh" if _CHINESE.search(question) else "en"


def planner_messages(question: str, *, system_prompt: str | None = None) -> tuple[Message, ...]:
    """What the planner is asked. An empty ``system_prompt`` suits a planner that was trained to plan."""
    system = PLANNER[language_of(question)] if system_prompt is None else system_prompt
    return (*((Message("system", system),) if system else ()), Message("user", question))


def again_messages(asked: Sequence[Message], answer: str, error: str) -> tuple[Message, ...]:
    """Ask the planner once more, with what was wrong."""
    language = language_of(asked[-1].content)
    return (*asked, Message("assistant", answer), Message("user", _AGAIN[language].format(error=error)))


def step_prompt(step: Step, answers: Mapping[str, str], tasks: Mapping[str, str]) -> str:
    """The task of a step with the answers it needs: in the places where it quotes them, else listed before it.

    Args:
        answers: the answer of each step it relies on, by id.
        tasks: their tasks, by id.
    """
    task, quoted = filled_task(step, answers)
    listed = [needed for needed in step.rely if needed in answers and needed not in quoted]
    if not listed:
        return task
    heading, line, closing = _CONTEXT[language_of(step.task)]
    lines = [line.format(id=n, task=tasks.get(n, ""), answer=_shortened(answers[n])) for n in listed]
    return "\n".join([heading, *lines, "", closing.format(task=task)])


def filled_task(step: Step, answers: Mapping[str, str]) -> tuple[str, set[str]]:
    """The task with answers in the places where it quotes them, and the ids of those it quotes."""
    quoted: set[str] = set()

    def put(match: re.Match[str]) -> str:
        needed = match.group(1)
        if needed not in answers:
            return match.group()
        quoted.add(needed)
        return _shortened(answers[needed])

    return _quotes_of(step).sub(put, step.task), quoted


def joined_results(step: Step, answers: Mapping[str, str]) -> str | None:
    """The answer of a step whose task is nothing but quotes, such as ``{3}, {4}``: those answers side by side.

    No model is needed for it. None for any other step.
    """
    quotes = _quotes_of(step)
    quoted = set(quotes.findall(step.task))
    if not quoted or quoted != set(step.rely) or not _BETWEEN_QUOTES.fullmatch(quotes.sub("", step.task)):
        return None
    return step_prompt(step, answers, {})


def result_of(answer: str, result_after: str) -> str:
    """What an answer comes to: what follows the last ``result_after`` in it; all of it without one, or if none follows.

    ``23 + 48 = 63 + 8 = 71`` comes to ``71`` after ``=``.
    """
    answer = answer.strip()
    return answer.rpartition(result_after)[2].strip() or answer if result_after else answer


def aggregate_prompt(question: str, plan: Plan, answers: Mapping[str, str]) -> str:
    """Ask for the answer to the question, from the answers of all steps; names the steps that have none."""
    first, heading, missing_line, closing = _AGGREGATE[language_of(question)]
    _, line, _ = _CONTEXT[language_of(question)]
    lines = [first.format(question=question), "", heading]
    for step in (s for s in plan.steps if s.id in answers):
        needed = {n: answers[n] for n in step.rely if n in answers}
        task = step_prompt(step, needed, {}) if _quotes_of(step).search(step.task) else step.task
        lines.append(line.format(id=step.id, task=task, answer=_shortened(answers[step.id])))
    if missing := [s.id for s in plan.steps if s.id not in answers]:
        lines.append(missing_line.format(missing=", ".join(missing)))
    return "\n".join([*lines, "", closing])


def _quotes_of(step: Step) -> re.Pattern[str]:
    """How this task quotes: a planner that puts one answer in braces means dollars by $1."""
    is_braced = any(needed in step.rely for needed in _BRACED.findall(step.task))
    return _BRACED if is_braced else _MARKED


def _shortened(answer: str) -> str:
    return cut(answer.strip(), MAX_QUOTED_CHARACTERS)
