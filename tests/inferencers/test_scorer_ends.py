"""Whatever texts are scored together, however little can be kept: every request ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from multi_llm_comparator.core.events import Event, Scored
from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError
from multi_llm_comparator.core.scores import TIE_NATS, ScoreRequest
from multi_llm_comparator.inferencers.score_lines import Lines
from multi_llm_comparator.inferencers.score_plan import Held, Row
from multi_llm_comparator.inferencers.scorer import Scorer
from tests.inferencers.test_score_tokens import Letters

N_CTX, STEP = 800, 256


class Indifferent:
    """A model to which all tokens are alike; it counts what it reads."""

    n_vocab, tie_nats, max_rows, can_share = 256, TIE_NATS, 32, True
    step_tokens = shared_step_tokens = STEP

    def __init__(self, held_tokens: int) -> None:
        self.held_tokens, self.read = held_tokens, 0

    def as_error(self, exc: Exception) -> MultiLLMError:
        return InferenceError(str(exc))

    def copy(self, held: Held | None, length: int) -> Held:
        return Held(held.tokens[:length] if held else [])

    def grow(self, held: Held, tokens: Sequence[int], n_logits: int) -> Lines | None:
        self.read += len(tokens)
        return self._lines(n_logits) if n_logits else None

    def forget(self, held: Held) -> None:
        return None

    def batch(self, held: Held | None, length: int, rows: Sequence[Row]) -> list[list[Lines]]:
        assert length == 0 or (held is not None and len(held.tokens) >= length)
        assert all(held is None or row.context[:length] == held.tokens[:length] for row in rows)
        self.read += sum(len(row.context) - length + row.tail_tokens for row in rows)
        return [[self._lines(len(tail)) for tail in row.tails] for row in rows]

    def alone(self, tokens: Sequence[int], n_logits: int) -> Lines:
        return self._lines(n_logits)

    def close(self) -> None:
        return None

    def _lines(self, n: int) -> Lines:
        return Lines.of(np.zeros((n, self.n_vocab), dtype=np.float32))


def asked(subject: int, shared: int, question: int) -> ScoreRequest:
    """A question of a subject: its instruction, its worked examples, and what is asked."""
    prefix = "instruction of all " * 2 + chr(97 + subject) * shared + chr(65 + question) * (20 + 61 * question % 380)
    return ScoreRequest(prefix=prefix, continuations=(" A", " B", " C", " D"))


@example([(0, 260, 4), (1, 250, 3), (0, 260, 5), (2, 30, 5), (1, 250, 5), (0, 260, 0)], 700)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(10, 300), st.integers(0, 6)), min_size=1, max_size=16),
    st.sampled_from([0, 40, 300, 700, 3000]),
)
def test_every_request_ends(questions: list[tuple[int, int, int]], held_tokens: int) -> None:
    backend = Indifferent(held_tokens)
    scorer = Scorer(backend, Letters(), N_CTX)
    for question in questions:
        scorer.submit(asked(*question))
    events: list[Event] = []
    for _ in range(20 * len(questions)):
        events += scorer.step(is_shared=False)
        if not scorer.is_busy:
            break
    assert not scorer.is_busy
    assert len(events) == len(questions) and all(isinstance(event, Scored) for event in events)
