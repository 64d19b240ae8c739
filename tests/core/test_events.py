from __future__ import annotations

import json
from typing import Any

import pytest

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import (
    Contended,
    Failed,
    Finished,
    Loaded,
    Loading,
    MemoryMeasured,
    Queued,
    Reading,
    Started,
    TextDelta,
    event_from_dict,
    event_to_dict,
)
from multi_llm_comparator.core.exceptions import ConfigurationError

EVENTS = [
    Queued(request_id="r", ahead=2),
    Loading(request_id="r", model="demo"),
    Loaded(request_id="r", model="demo", seconds=1.5, memory_bytes=10),
    Started(request_id="r", prompt_tokens=3, cached_tokens=1, prompt="你好", seed=7, notes=("no template",)),
    TextDelta(request_id="r", text="🙂", tokens=1),
    Contended(request_id="r", others=("b",), batched=2),
    Reading(request_id="r", tokens=4),
    MemoryMeasured(request_id="r", memory_bytes=20),
    Finished(request_id="r", reason="stop", prompt_tokens=3, completion_tokens=1),
    Failed(request_id="r", error_type="InferenceError", message="broken"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_an_event_survives_the_pipe(event: Any) -> None:
    assert event_from_dict(json.loads(json.dumps(event_to_dict(event)))) == event


def test_events_are_stamped_where_they_are_made() -> None:
    before = now()
    stamped = TextDelta(request_id="r", text="x", tokens=1).at
    assert before <= stamped <= now()


@pytest.mark.parametrize("data", [{}, {"kind": "Nonsense"}, {"kind": "TextDelta", "request_id": "r", "volume": 11}])
def test_data_that_is_no_event_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        event_from_dict(data)
