"""Who goes to which model when memory holds one at a time, played through without any model."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from multi_llm_comparator.core.exceptions import QueueFullError
from multi_llm_comparator.services.memory_line import MemoryLine, Waiter

PATIENCE_S = 10.0
MODELS = st.sampled_from(["a", "b", "c"])


class OneModelAtATime(RuleBasedStateMachine):
    """A machine whose memory holds one model. Requests come, end and give up; time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.line = MemoryLine(most=5, patience_s=PATIENCE_S)
        self.at = 0.0
        self.loaded: str | None = None
        self.busy = 0
        self.waiting: list[Waiter] = []
        self.entered_before: dict[Waiter, int] = {}

    def try_to_enter(self, key: str) -> bool:
        """As the residency does: go to the model that is there, or change to another if nobody uses this one."""
        if not self.line.may_enter(key, self.at):
            return False
        if key != self.loaded:
            if self.busy or (self.loaded is not None and not self.line.may_change(key)):
                return False
            self.loaded = key
        self.busy += 1
        return True

    def let_in(self) -> None:
        """Wake everybody who waits, in any order that a lock may give: here, the youngest first."""
        for waiter in reversed(list(self.waiting)):
            if self.try_to_enter(waiter.key):
                self.waiting.remove(waiter)
                self.line.leave(waiter)

    @rule(key=MODELS)
    def ask(self, key: str) -> None:
        late = [waiter for waiter in self.waiting if self.at - waiter.since >= PATIENCE_S]
        if self.try_to_enter(key):
            assert not late or late[0].key == key, "somebody went past one who had waited for long"
        elif len(self.line) < self.line.most:
            self.waiting.append(self.line.join(key, key, self.at))
        else:
            with pytest.raises(QueueFullError, match="wait for a model's place"):
                self.line.join(key, key, self.at)

    @precondition(lambda self: self.busy)
    @rule()
    def end(self) -> None:
        self.busy -= 1
        self.let_in()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.waiting))
        loaded = self.loaded
        self.waiting.remove(waiter)
        self.line.leave(waiter)
        if self.busy:
            assert self.loaded == loaded, "who leaves changes no model"
        self.let_in()

    @rule(seconds=st.sampled_from([1.0, 4.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.at += seconds

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        assert not self.waiting or self.busy, "all are idle and somebody waits"

    @invariant()
    def those_of_one_model_go_together(self) -> None:
        first = self.waiting[0].key if self.waiting else None
        if self.busy and first == self.loaded:
            assert all(waiter.key != self.loaded for waiter in self.waiting)

    def teardown(self) -> None:
        """Once nobody comes any more everybody gets in, however they stand."""
        for _ in range(100):
            if not self.waiting:
                break
            self.busy = max(0, self.busy - 1)
            self.let_in()
        assert not self.waiting


OneModelAtATime.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOneModelAtATime = OneModelAtATime.TestCase


def test_models_change_once_for_all_who_wait_for_one() -> None:
    line = MemoryLine(most=10, patience_s=30.0)
    order = [line.join(key, key, float(at)) for at, key in enumerate("bcbcb")]
    changes = 0
    while order:
        first = order[0].key
        changes += 1
        for waiter in [waiter for waiter in order if waiter.key == first]:
            assert line.may_enter(waiter.key, 5.0)
            order.remove(waiter)
            line.leave(waiter)
    assert changes == 2


def test_a_full_line_says_so() -> None:
    line = MemoryLine(most=1, patience_s=1.0)
    line.join("a", "model a", 0.0)
    assert line.models == {"model a": 1}
    with pytest.raises(QueueFullError, match="raise max_waiting"):
        line.join("b", "model b", 0.0)
