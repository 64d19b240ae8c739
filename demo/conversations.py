"""Training conversations: world questions dressed as chats of one or several turns, and as token ids."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from demo.tokens import ROLE_LINES, TURN_END, TURN_START, token_id
from demo.world import LANGUAGES, Difficulty, Item, Language, draw

Turn = tuple[str, str]
"""A role ("system", "user", "assistant") and what it says."""

IGNORED = -100
"""The label of a token that carries no loss."""

MIXTURE: Mapping[str, float] = {
    "sum": 1.6,
    "difference": 1.7,
    "product": 1.8,
    "compare": 1.8,
    "extreme": 1.1,
    "sort": 1.7,
    "units": 0.8,
    "time": 1.6,
    "reverse": 0.9,
    "case": 0.5,
    "letters": 0.9,
    "plural": 0.45,
    "fact": 2.6,
    "translate": 1.9,
    "choice": 2.6,
    "talk": 0.2,
    "outside": 0.12,
}
"""How often each task is drawn: more often what is learnt more slowly."""

SYSTEM_PROMPTS: Mapping[Language, Sequence[str]] = {
    "en": (
        "You are a helpful assistant.",
        "You are a helpful assistant. Answer briefly.",
        "Answer with the result only.",
        "Be short and exact.",
        "You are one of several models that work on a task together.",
    ),
    "zh": ("你是一个有用的助手。", "请简短回答。", "只回答结果。"),
}
AGAIN: Mapping[Language, Sequence[str]] = {
    "en": ("Say that again.", "Please repeat that.", "Repeat your answer."),
    "zh": ("再说一遍。", "请重复一遍。", "请重复你的回答。"),
}
FRAMES: Mapping[Language, Sequence[str]] = {
    "en": ("Question: {q}\nAnswer:", "Please answer: {q}", "{q} Answer briefly.", "Task: {q}", "And now: {q}"),
    "zh": ("问题：{q}\n答案：", "请回答：{q}", "{q}请简短回答。", "任务：{q}", "那么，{q}"),
}
SHOT: Mapping[Language, str] = {"en": "Question: {q}\nAnswer: {a}", "zh": "问题：{q}\n答案：{a}"}


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation as the model sees it: ids, and labels that are `IGNORED` outside the answers."""

    ids: list[int]
    labels: list[int]


def _dressed(rng: random.Random, item: Item) -> str:
    """The item's prompt, now and then in a frame or typed carelessly."""
    prompt = item.prompt
    chance = rng.random()
    if chance < 0.05 and "\n" not in prompt:
        return rng.choice(FRAMES[item.language]).format(q=prompt)
    if chance < 0.09:
        return prompt.rstrip("?.。？!")
    if chance < 0.12 and item.language == "en":
        return prompt[0].lower() + prompt[1:]
    return prompt


class ConversationSource:
    """Draws conversations from the training split."""

    def __init__(self, rng: random.Random, hard_share: float, works_out: bool) -> None:
        self._rng = rng
        self._hard_share = hard_share
        self._works_out = works_out
        self._tasks = list(MIXTURE)
        self._weights = list(MIXTURE.values())

    def _item(self) -> Item:
        rng = self._rng
        task = rng.choices(self._tasks, self._weights)[0]
        difficulty: Difficulty = "hard" if rng.random() < self._hard_share else "easy"
        return draw(rng, task, rng.choice(LANGUAGES), difficulty, "train")

    def _exchange(self) -> list[Turn]:
        item = self._item()
        return [("user", _dressed(self._rng, item)), ("assistant", item.solution(self._works_out))]

    def _few_shot(self) -> list[Turn]:
        """Several questions of one task with answers, and one more to answer, in one user turn."""
        rng = self._rng
        asked = self._item()
        shots = [draw(rng, asked.task, asked.language, asked.difficulty, "train") for _ in range(rng.randint(1, 3))]
        layout = SHOT[asked.language]
        blocks = [layout.format(q=shot.prompt, a=shot.solution(self._works_out)) for shot in shots]
        blocks.append(layout.format(q=asked.prompt, a="").rstrip())
        return [("user", "\n\n".join(blocks)), ("assistant", asked.solution(self._works_out))]

    def conversation(self) -> list[Turn]:
        """Mostly one exchange; also several, a repetition on request, few-shot prompts, and now and then a long one."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.84:
            turns = self._exchange()
        elif chance < 0.94:
            turns = [turn for _ in range(rng.randint(2, 3)) for turn in self._exchange()]
        elif chance < 0.965:
            turns = self._exchange()
            turns += [("user", rng.choice(AGAIN[rng.choice(LANGUAGES)])), turns[-1]]
        elif chance < 0.985:
            turns = self._few_shot()
        else:
            turns = [turn for _ in range(rng.randint(4, 16)) for turn in self._exchange()]
        if rng.random() < 0.12:
            turns.insert(0, ("system", rng.choice(SYSTEM_PROMPTS[rng.choice(LANGUAGES)])))
        return turns


def encode(tokenizer: Tokenizer, turns: Sequence[Turn]) -> Row:
    """The row the chat template would give, with loss on the answers and on the end of their turn."""
    start, end = token_id(tokenizer, TURN_START), token_id(tokenizer, TURN_END)
    newline = tokenizer.encode("\n").ids
    role_ids = {line.strip(): token_id(tokenizer, line) for line in ROLE_LINES}
    ids: list[int] = []
    labels: list[int] = []
    for role, text in turns:
        content = [*tokenizer.encode(text).ids, end]
        ids += [start, role_ids[role], *content, *newline]
        labels += [IGNORED, IGNORED]
        labels += content if role == "assistant" else [IGNORED] * len(content)
        labels += [IGNORED] * len(newline)
    return Row(ids[:-1], labels[:-1])
