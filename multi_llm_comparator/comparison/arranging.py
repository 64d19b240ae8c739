"""What can be changed of a comparison without asking any model."""

from __future__ import annotations

from collections.abc import Sequence

from multi_llm_comparator.comparison.conversation import Conversation
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.runs.recorder import Recorder


class ArrangedRun(LiveRun):
    """The part of a comparison that arranges its conversation, and has every change saved."""

    _conversation: Conversation
    _recorder: Recorder

    async def set_panes(self, panes: Sequence[Pane]) -> None:
        """Change models and parameters; what is running goes on as it was asked.

        Raises:
            ConfigurationError, InvalidParameterError: see :func:`check_panes`.
        """
        self.refuse_elsewhere()
        self._conversation.set_panes(panes)
        await self._arranged()

    async def set_shared_thread(self, shared: bool) -> None:
        """Whether all panes continue from one conversation, from the next request on."""
        self.refuse_elsewhere()
        self._conversation.set_shared_thread(shared)
        await self._arranged()

    async def set_in_turn(self, in_turn: bool) -> None:
        """Whether panes answer one after another, each with the machine for itself, from the next request on."""
        self.refuse_elsewhere()
        self._conversation.set_in_turn(in_turn)
        await self._arranged()

    async def select_attempt(self, turn: int, pane_id: str, attempt: int) -> None:
        """Show, and go on from, this attempt (counted from 1)."""
        self.refuse_elsewhere()
        self._conversation.select_attempt(turn, pane_id, attempt)
        await self._arranged()

    async def choose(self, turn: int, pane_id: str) -> None:
        """Pick the answer that a shared thread goes on from."""
        self.refuse_elsewhere()
        self._conversation.choose(turn, pane_id)
        await self._arranged()

    async def rename(self, title: str) -> None:
        self.refuse_elsewhere()
        self._conversation.rename(title)
        await self._arranged()

    async def _arranged(self) -> None:
        """Save a change of the run itself. A comparison that was never asked anything is not kept."""
        if self._conversation.turns:
            self._recorder.urge()
