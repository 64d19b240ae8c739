"""The last events of answers that nobody lets finish."""

from __future__ import annotations

from multi_llm_comparator.core.events import Event, Failed, Finished
from multi_llm_comparator.core.exceptions import AnswerInterrupted
from multi_llm_comparator.core.timings import AnswerProgress

INTERRUPTED = "the workbench ended while this was being written; continue to go on from here, or retry"


def ended_by_stop(leg: AnswerProgress) -> Event:
    """The user stopped it."""
    return Finished(request_id="", reason="cancelled", prompt_tokens=leg.prompt_tokens, completion_tokens=leg.tokens)


def ended_by_exit(leg: AnswerProgress) -> Event:
    """The process ended that wrote it; it was over when it was last seen to write."""
    last_seen = max(filter(None, (leg.requested_at, leg.started_at, leg.last_token_at)))
    return Failed(request_id="", at=last_seen, error_type=AnswerInterrupted.__name__, message=INTERRUPTED)
