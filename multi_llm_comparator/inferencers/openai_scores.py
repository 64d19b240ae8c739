"""Log-probabilities from an endpoint's completions: a prompt that comes back with those of its own tokens.

``echo`` with ``logprobs`` is OpenAI's first completions API; vLLM and others keep it. Where ``echo`` is ignored, the
log-probabilities are those of what was written instead, and every score would be wrong without a sign: so what comes
back is compared with what was sent.
"""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.core.exceptions import RequestRefusedError, UnsupportedModelError
from multi_llm_comparator.core.scores import ContinuationScore, ScoreRequest

NOTE = "Scored by the endpoint's own log-probabilities: what it computes in, and how it splits texts, is its own."
# A token as likely as the likeliest, within what rounding to so many digits moves.
SAME_NATS = 1e-6


def texts_of(request: ScoreRequest) -> tuple[str, list[str]]:
    """Prefix and continuations of a request that an endpoint can score.

    Raises:
        UnsupportedModelError: it has a conversation, ids of tokens, or asks for more than one number a token.
    """
    texts = [text for text in request.continuations if isinstance(text, str)]
    is_plain = isinstance(request.prefix, str) and len(texts) == len(request.continuations)
    if not is_plain or request.top_k or request.at or request.is_rolling:
        raise UnsupportedModelError("an endpoint scores texts behind a text only, without a chat template")
    return str(request.prefix), texts


def echo_arguments(model: str, text: str) -> dict[str, Any]:
    """What is sent for one text."""
    return {"model": model, "prompt": text, "max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 1}


def score_of(answer: Any, prefix: str, continuation: str) -> ContinuationScore:
    """The score of a continuation in what came back for prefix and continuation together.

    Raises:
        UnsupportedModelError: the endpoint does not echo, or gives no log-probabilities.
        RequestRefusedError: its figures do not fit its text.
    """
    text = prefix + continuation
    try:
        (choice,) = answer.choices
        given = choice.logprobs
        is_echo = isinstance(choice.text, str) and choice.text.startswith(text)
        if given is None or not is_echo:
            raise UnsupportedModelError("the endpoint gives no log-probabilities of a prompt (echo)")
        rows = list(zip(given.tokens, given.token_logprobs, given.text_offset, strict=True))
        tops = list(given.top_logprobs or [None] * len(rows))
        begin = len(prefix.rstrip())
        own = [
            (float(logprob), _is_likeliest(float(logprob), top))
            for (token, logprob, offset), top in zip(rows, tops, strict=True)
            if offset < len(text) and offset + len(token) > begin and logprob is not None
        ]
    except (AttributeError, TypeError, ValueError) as exc:
        raise RequestRefusedError(f"the endpoint's log-probabilities do not fit its text: {str(exc)[:200]}") from None
    if not own:
        raise RequestRefusedError("the endpoint gave no log-probability for the text that was to be scored")
    return ContinuationScore(
        logprob=sum(logprob for logprob, _ in own),
        token_logprobs=tuple(logprob for logprob, _ in own),
        is_greedy=all(is_likeliest for _, is_likeliest in own),
        greedy_matches=tuple(is_likeliest for _, is_likeliest in own),
    )


def _is_likeliest(logprob: float, top: Any) -> bool:
    return bool(top) and logprob >= max(top.values()) - SAME_NATS
