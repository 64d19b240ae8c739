"""What a task is: items that are asked, and how each answer is scored.

An item is asked in one of two ways. ``Choose``: which of several continuations does the model find likeliest? ``Ask``:
what does it write? What comes back is a :class:`ScoreResult` or a text, and :meth:`Task.score` turns either into an
:class:`ItemScore` without asking anybody again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult

# A text that goes to the model as it is, or a conversation for its chat template.
Prompt = str | tuple[Message, ...]
# What a model gave: scores of the choices, or what it wrote.
ItemAnswer = ScoreResult | str
Kind = Literal["choose", "ask"]
# Of an answer in which a choice is looked for: enough for "The answer is (B)", and for what comes before it.
EXTRACTED_TOKENS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """Which of ``choices`` is the likeliest continuation of ``prompt``?

    ``labels`` are what people call the choices ("A"); ``choices`` are the texts as they follow the prompt (" A").
    """

    prompt: Prompt
    choices: tuple[str, ...]
    labels: tuple[str, ...]

    def score_request(self, config: ModelConfig) -> ScoreRequest:
        """For a model whose probabilities can be seen."""
        return ScoreRequest(prefix=self.prompt, continuations=self.choices, config=config, may_truncate=True)

    def as_ask(self) -> Ask:
        """The same for a model that only writes: its choice is looked for in a few tokens of its answer to a message,
        for such endpoints take no text without a template."""
        return Ask(prompt=self.prompt, max_tokens=EXTRACTED_TOKENS).as_message()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What does the model write after ``prompt``? Greedily, at most ``max_tokens``, up to one of the ``stop`` texts."""

    prompt: Prompt
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None

    def as_message(self) -> Ask:
        """The same as a conversation, for endpoints that take nothing else: a text becomes the user's message."""
        return replace(self, prompt=(Message("user", self.prompt),)) if isinstance(self.prompt, str) else self

    def generation_request(self, config: ModelConfig) -> GenerationRequest:
        """The request; ``config`` says how the model is loaded and, where it is not greedy, how it samples."""
        messages = (Message("user", self.prompt),) if isinstance(self.prompt, str) else self.prompt
        return GenerationRequest(
            messages=messages,
            config=replace(config, max_tokens=self.max_tokens, stop=self.stop),
            raw=isinstance(self.prompt, str),
            constraint=self.constraint,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskItem:
    """One question.

    Attributes:
        id: stable within its task and version: the same question has the same id in every run.
        cluster: items that share something (a passage, a template) share this: they are not independent.
        prompt: what is asked, few-shot examples and all.
        target: the right answer: a text, or for choices the number of the right one.
        choices: the continuations that are compared; None where the model writes.
        labels: what the choices are called.
        question: the item's own question, without what stands around it, for people who read.
        tags: such as its subject.
        seed: what its prompt was drawn with.
        about: the item's further fields, as its data set has them.
    """

    id: str
    prompt: Prompt
    target: str | int
    cluster: str = ""
    choices: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    question: str = ""
    tags: tuple[str, ...] = ()
    seed: int = 0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def request(self) -> Choose | Ask:
        """How it is asked."""
        if self.choices is not None:
            return Choose(prompt=self.prompt, choices=self.choices, labels=self.labels)
        return Ask(prompt=self.prompt, max_tokens=self.max_tokens, stop=self.stop, constraint=self.constraint)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """How good one answer is.

    Attributes:
        value: 0 to 1, of the task's first metric.
        correct: whether it counts as right; None where right and wrong is not what is measured.
        reason: why, for people who read: "chose B, right is C".
        extracted: what was taken out of the answer and compared.
        is_tie: the choice could as well have fallen on another (see ``core.scores.TIE_NATS``).
        metrics: all of the task's metrics, by name.
    """

    value: float
    correct: bool | None
    reason: str
    extracted: str = ""
    is_tie: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)


class Task(ABC):
    """Items of one subject, and how their answers are scored.

    Attributes:
        name: such as ``mmlu_anatomy``; the same as lm-eval's where it has the task.
        version: of prompts and scoring: numbers of different versions are not compared.
        group: the task that it is a subject of, such as ``mmlu``; its own name where there is none.
        items: in the data's order.
        metrics: names, the main one first. All are means over items.
    """

    kind: ClassVar[Kind]
    name: str
    version: str
    group: str
    items: Sequence[TaskItem]
    metrics: tuple[str, ...]

    @abstractmethod
    def score(self, item: TaskItem, answer: ItemAnswer) -> ItemScore:
        """Score one answer to one of the items.

        A task of choices takes a text as well: the choice is looked for in it. Any answer gets a score; none raises.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """How a task's prompts are built.

    Attributes:
        shots: worked examples before each question; None: as many as the task usually has.
        limit: at most so many items of each subject, the first ones; None: all.
        chat: put the prompt into the model's chat template.
        chat_turns: with ``chat``, each example is a turn of its own instead of all in one message.
        system_prompt: stands before everything; with ``chat`` as the system's message.
        seed: where examples are drawn by chance.
        subjects: only these; empty: all that the data has.
    """

    shots: int | None = None
    limit: int | None = None
    chat: bool = False
    chat_turns: bool = False
    system_prompt: str = ""
    seed: int = 1234
    subjects: tuple[str, ...] = ()
