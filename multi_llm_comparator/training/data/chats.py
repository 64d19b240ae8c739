"""What all forms of training data become: chats to learn from, or pairs of answers of which one is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.requests import Message

MAX_CHAT_CHARS = 1_000_000
MAX_CHAT_MESSAGES = 1_000


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation and which of its messages (by index, all of them the assistant's) are to be learnt.

    ``where`` names it in what a person is told, ``number`` counts the rows of its data set from 1, ``group`` is what
    the data says it belongs to: rows of one group are never on both sides of a split.
    """

    messages: tuple[Message, ...]
    learnt: tuple[int, ...]
    where: str
    number: int = 0
    group: str = ""

    @property
    def question(self) -> str:
        """All that stands before the first answer to be learnt, without the system's message."""
        asked = (m.content for m in self.messages[: self.learnt[0]] if m.role != "system")
        return "\n".join(asked)

    @property
    def answers(self) -> tuple[str, ...]:
        return tuple(self.messages[index].content for index in self.learnt)


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """A prompt and two answers to it, of which ``chosen`` is the better one. The rest is as in :class:`Chat`."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    where: str
    number: int = 0
    group: str = ""

    @property
    def question(self) -> str:
        return "\n".join(m.content for m in self.prompt if m.role != "system")

    @property
    def answers(self) -> tuple[str, ...]:
        return self.chosen, self.rejected

    @property
    def sides(self) -> tuple[Chat, Chat]:
        """Both answers as chats: what is tokenised of a pair."""
        better, worse = (
            Chat((*self.prompt, Message("assistant", answer)), (len(self.prompt),), self.where, self.number)
            for answer in self.answers
        )
        return better, worse


Example = Chat | PreferencePair


def messages_of(example: Example) -> tuple[Message, ...]:
    """All messages of an example; of a pair, the answers stand at the end."""
    if isinstance(example, Chat):
        return example.messages
    return (*example.prompt, *(Message("assistant", answer) for answer in example.answers))


def to_dict(example: Example) -> dict[str, Any]:
    """An example as JSON data, in the form that :func:`from_dict` and other programs read."""
    common = {"where": example.where, "number": example.number, "group": example.group}
    if isinstance(example, Chat):
        return {"messages": _plain(example.messages), "learnt": list(example.learnt), **common}
    sides = {"chosen": example.chosen, "rejected": example.rejected}
    return {"prompt": _plain(example.prompt), **sides, **common}


def from_dict(data: Mapping[str, Any]) -> Example:
    """The example that :func:`to_dict` wrote."""
    common = data["where"], data["number"], data["group"]
    if "messages" in data:
        return Chat(_messages(data["messages"]), tuple(data["learnt"]), *common)
    return PreferencePair(_messages(data["prompt"]), data["chosen"], data["rejected"], *common)


def _plain(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _messages(data: list[dict[str, Any]]) -> tuple[Message, ...]:
    return tuple(Message(entry["role"], entry["content"]) for entry in data)
