"""One answer while it grows: its legs, its curve, its snapshots. Not thread-safe: a lock is around it."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping, Sequence

from multi_llm_comparator.comparison.limits import MAX_ANSWER_CHARS, MAX_CURVE_POINTS, MAX_PIECES
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.snapshots import BY_HAND, AnswerSnapshot, ModelFacts
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import WRITTEN, Event, Failed, TextDelta
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.core.token_pieces import TokenPiece


class Curve:
    """Tokens over time, thinned as it grows: at most MAX_CURVE_POINTS points, evenly spread, the newest among them."""

    def __init__(self, points: list[tuple[float, int]] | None = None) -> None:
        self.points = points or []
        self._gap_s = 0.0

    def add(self, at: float, tokens: int) -> None:
        if len(self.points) > 1 and at - self.points[-2][0] < self._gap_s:
            self.points[-1] = (at, tokens)
            return
        self.points.append((at, tokens))
        if len(self.points) > MAX_CURVE_POINTS:
            self._gap_s = 2 * (at - self.points[0][0]) / MAX_CURVE_POINTS
            del self.points[1:-1:2]


class Answer:
    """One attempt of one pane at one turn; ``pane`` is the pane as it was asked."""

    def __init__(
        self,
        turn: int,
        attempt: int,
        pane: Pane,
        model: ModelFacts,
        versions: Mapping[str, str],
        *,
        answer_id: str | None = None,
        created_at: float | None = None,
    ) -> None:
        self.id = answer_id or uuid.uuid4().hex
        self.turn, self.attempt, self.pane, self.model, self.versions = turn, attempt, pane, model, versions
        self.created_at = now() if created_at is None else created_at
        self.legs: list[AnswerProgress] = []
        # Of each leg the tokens, where they were asked for.
        self.pieces: list[list[TokenPiece]] = []
        self.curve = Curve()
        self._cached: AnswerSnapshot | None = None

    def rename(self) -> None:
        """Take another id: another run has this one."""
        self.id, self._cached = uuid.uuid4().hex, None

    @property
    def text(self) -> str:
        return "".join(leg.text for leg in self.legs)

    @property
    def thought(self) -> str:
        return "\n\n".join(leg.thought for leg in self.legs if leg.thought)

    @property
    def has_text(self) -> bool:
        return any(leg.text for leg in self.legs)

    @property
    def is_over(self) -> bool:
        return bool(self.legs) and self.legs[-1].is_over

    def begin_leg(self) -> AnswerProgress:
        """A request is about to be made: the first one, or one that goes on from the text so far."""
        self.legs.append(AnswerProgress(requested_at=now()))
        self._cached = None
        return self.legs[-1]

    def write_by_hand(self, text: str) -> None:
        """Take a text that a person wrote for its first leg, which is over; the model can go on from it."""
        leg = self.legs[-1]
        leg.text, leg.state, leg.finish_reason = text, "done", "cancelled"
        leg.ended_at, leg.notes = leg.requested_at, (BY_HAND,)
        self._cached = None

    def ask_now(self, leg: AnswerProgress) -> None:
        """Its turn has come: what it waited for other panes counts for nothing."""
        leg.requested_at = now()
        self._cached = None

    def set_model(self, model: ModelFacts) -> None:
        self.model = model
        self._cached = None

    def apply(self, leg: AnswerProgress, event: Event) -> bool:
        """Fold an event into the leg it belongs to; False when that leg is over and the event came too late."""
        if leg.is_over:
            return False
        if isinstance(event, WRITTEN) and len(leg.text) + len(leg.thought) + len(event.text) > MAX_ANSWER_CHARS:
            event = Failed(
                request_id=event.request_id,
                error_type="InferenceError",
                message=f"the answer grew beyond {MAX_ANSWER_CHARS} characters and was cut off; lower max_tokens",
            )
        leg.apply(event)
        if isinstance(event, TextDelta) and event.pieces:
            self._keep(leg, event.pieces)
        if isinstance(event, WRITTEN):
            earlier = sum(other.tokens for other in self.legs if other is not leg)
            self.curve.add(event.at, earlier + event.tokens)
        self._cached = None
        return True

    def _keep(self, leg: AnswerProgress, pieces: Sequence[TokenPiece]) -> None:
        while len(self.pieces) < len(self.legs):
            self.pieces.append([])
        kept = self.pieces[next(number for number, one in enumerate(self.legs) if one is leg)]
        kept += pieces[: max(0, MAX_PIECES - len(kept))]

    def snapshot(self, attempts: int) -> AnswerSnapshot:
        """An immutable copy; the last one is handed out again as long as nothing changed."""
        if self._cached is None or self._cached.attempts != attempts:
            legs = tuple(copy.copy(leg) for leg in self.legs)
            progress = copy.copy(legs[-1])
            progress.text = self.text
            self._cached = AnswerSnapshot(
                answer_id=self.id,
                pane_id=self.pane.id,
                turn=self.turn,
                attempt=self.attempt,
                attempts=attempts,
                target=self.pane.target,
                model=self.model,
                config=self.pane.config,
                created_at=self.created_at,
                progress=progress,
                legs=legs,
                curve=tuple(self.curve.points),
                pieces=tuple(map(tuple, self.pieces)),
                versions=self.versions,
                constraint=self.pane.constraint,
            )
        return self._cached
