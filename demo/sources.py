"""Which conversations a demo model learns from."""

import random
from typing import Protocol

from demo.composed.source import PlannerConversations
from demo.conversations import ConversationSource, Turn
from demo.shapes import Shape


class Conversations(Protocol):
    """Draws training conversations, each once."""

    def conversation(self) -> list[Turn]: ...


def conversations_of(shape: Shape, rng: random.Random) -> Conversations:
    """What a model is taught, drawn by `rng` alone."""
    if shape.subject == "plans":
        return PlannerConversations(rng)
    return ConversationSource(rng, shape.hard_share, shape.works_out)
