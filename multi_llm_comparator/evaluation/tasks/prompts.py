"""Prompts of worked examples and a question, character for character as lm-eval 0.4.13 builds them.

Its parts (``ConfigurableTask.fewshot_context``): a description, examples as question, delimiter, answer and an empty
line, then the question; through a chat template the description is the system's message, and the examples are either
all in the user's or turns of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.evaluation.tasks.base import Prompt, TaskOptions

BETWEEN_EXAMPLES = "\n\n"


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its answer."""

    question: str
    answer: str


def few_shot_prompt(
    description: str, examples: Sequence[Example], question: str, options: TaskOptions, *, delimiter: str = " "
) -> Prompt:
    """The prompt that ends where the answer begins.

    Args:
        description: stands before the examples, with the empty line that follows it.
        delimiter: between a question and its answer.
    """
    system = _joined(options.system_prompt, description)
    told = [(f"{one.question}{delimiter}", f"{one.answer}{BETWEEN_EXAMPLES}") for one in examples]
    if not options.chat:
        return system + "".join(asked + answered for asked, answered in told) + question
    messages = [Message("system", system)] if system else []
    if options.chat_turns:
        for one in examples:
            messages += [Message("user", one.question), Message("assistant", one.answer)]
        messages.append(Message("user", question))
    else:
        messages.append(Message("user", "".join(asked + answered for asked, answered in told) + question))
    return tuple(messages)


def choices_after(prompt: Prompt, labels: Sequence[str]) -> tuple[str, ...]:
    """The continuations to be compared: behind a chat template's opening of the answer nothing is put before them."""
    return tuple(labels) if not isinstance(prompt, str) else tuple(f" {label}" for label in labels)


def led_by(prompt: Prompt, system: str) -> Prompt:
    """The prompt with a system prompt before everything, where :attr:`TaskOptions.system_prompt` stands."""
    if isinstance(prompt, str):
        return _joined(system, prompt)
    if not prompt or prompt[0].role != "system":
        return (Message("system", system), *prompt)
    return (Message("system", _joined(system, prompt[0].content)), *prompt[1:])


def _joined(system_prompt: str, description: str) -> str:
    if not system_prompt or not description:
        return system_prompt or description
    is_apart = system_prompt[-1].isspace() or description[0].isspace()
    return system_prompt + ("" if is_apart else BETWEEN_EXAMPLES) + description
