"""Prompts that are sent one after the other, each when the one before is answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from multi_llm_comparator.comparison.planned_turns import PlannedTurn
from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError

logger = logging.getLogger(__name__)


class Playback:
    """The planned turns of one comparison, on its event loop.

    Args:
        run_id: the run's id at that moment, for the log.
        send: asks a prompt, and gives the number of its turn.
        answered: returns when all answers to this turn are there.
        tell_waiting: is told how many turns are still to be sent.
    """

    def __init__(
        self,
        run_id: Callable[[], str],
        send: Callable[[PlannedTurn], int],
        answered: Callable[[PlannedTurn, int], Awaitable[None]],
        tell_waiting: Callable[[int], None],
    ) -> None:
        self._run_id, self._send, self._answered, self._tell_waiting = run_id, send, answered, tell_waiting
        self.task: asyncio.Task[None] | None = None

    def start(self, turns: Sequence[PlannedTurn]) -> None:
        """Begin to send; a turn that cannot be sent ends the playing and is logged.

        Raises:
            InferenceError: turns are being sent already.
        """
        if self.task is not None:
            raise InferenceError("this comparison is already being played; stop it first")
        self.task = asyncio.create_task(self._play(tuple(turns)))
        self.task.add_done_callback(self._played)
        self._tell_waiting(len(turns))

    def stop(self) -> None:
        """Send no more turns; what was asked is still being answered."""
        if self.task is not None:
            self.task.cancel()

    async def _play(self, turns: tuple[PlannedTurn, ...]) -> None:
        for position, planned in enumerate(turns):
            try:
                turn = self._send(planned)
            except (InferenceError, ConfigurationError) as exc:
                logger.warning("run %s: playing ended at %r: %s", self._run_id(), planned.prompt[:80], exc)
                return
            self._tell_waiting(len(turns) - position - 1)
            await self._answered(planned, turn)

    def _played(self, task: asyncio.Task[None]) -> None:
        self.task = None
        self._tell_waiting(0)
