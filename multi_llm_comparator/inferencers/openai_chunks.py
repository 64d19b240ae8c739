"""Reading the stream of one answer from an OpenAI-compatible endpoint, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from multi_llm_comparator.core.events import Event, Finished, FinishReason, TextDelta, ThoughtDelta
from multi_llm_comparator.core.exceptions import ProviderUnavailableError, RequestRefusedError
from multi_llm_comparator.core.keys import scrub
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.token_pieces import TokenPiece
from multi_llm_comparator.inferencers.openai_fields import Channel, pieces_of
from multi_llm_comparator.inferencers.openai_tools import CallReader
from multi_llm_comparator.inferencers.thoughts import ThoughtSplitter, may_think

MAX_MESSAGE_CHARS = 500


class ChunkReader:
    """Reads chunks of one answer; what does not look like a chunk is the endpoint's fault.

    What a reasoning model thinks comes in a field of its own, or, from servers that do not know thoughts, in tags at
    the beginning of its text. A key of ours that the endpoint writes into its answer is masked before anybody sees it.
    """

    def __init__(self, request: GenerationRequest) -> None:
        self._request_id = request.id
        self._reason: str | None = None
        self._stops, self._stop_text = request.config.stop, ""
        self._usage: tuple[int, int] | None = None
        self._text, self._thought = Channel(), Channel()
        self._splitter = ThoughtSplitter(looks=may_think(request))
        self._deltas = 0
        self.calls = CallReader(request.id)

    def read(self, chunk: Mapping[str, Any]) -> Iterable[Event]:
        """What the chunk adds, whole characters only."""
        try:
            usage = chunk.get("usage")
            if usage is not None:
                self._usage = (int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
            if not chunk.get("choices"):
                return []
            choice = chunk["choices"][0]
            self._reason = choice.get("finish_reason") or self._reason
            # vLLM's and SGLang's name for it; others do not say.
            if (stopped_by := choice.get("stop_reason")) in self._stops:
                self._stop_text = stopped_by
            delta = choice.get("delta")
            thought, text = self._parts(delta) if delta is not None else ("", "")
            pieces = pieces_of(choice)
        except (AttributeError, TypeError, ValueError, LookupError) as exc:
            said = scrub(str(exc))[:MAX_MESSAGE_CHARS]
            raise ProviderUnavailableError(
                f"the endpoint sent something that is no chunk of an answer: {said}"
            ) from None
        self._deltas += bool(thought or text)
        # Pieces of thoughts come beside them: who asks for pieces wants those of the answer.
        shown_thought = self._thought.push(thought)[0] if thought else ""
        return self._events(shown_thought, *(self._text.push(text, pieces) if text else ("", ())))

    def rest(self) -> Iterable[Event]:
        """What was held back because a key, or a tag, could have begun so."""
        yield from self._events(self._thought.rest()[0], *self._text.rest())
        thought, text = self._splitter.flush()
        if thought:
            yield ThoughtDelta(request_id=self._request_id, text=thought, tokens=self._deltas)
        if text:
            yield TextDelta(request_id=self._request_id, text=text, tokens=self._deltas)

    def _events(self, thought: str, text: str, pieces: tuple[TokenPiece, ...]) -> Iterable[Event]:
        was_thinking = self._splitter.is_thinking
        tagged, text = self._splitter.push(text)
        thought += tagged
        if was_thinking or self._splitter.is_thinking:
            pieces = ()
        if thought:
            yield ThoughtDelta(request_id=self._request_id, text=thought, tokens=self._deltas)
        if text or pieces:
            yield TextDelta(request_id=self._request_id, text=text, tokens=self._deltas, pieces=pieces)

    def _parts(self, delta: Mapping[str, Any]) -> tuple[str, str]:
        """Thought and text."""
        text = delta.get("content") or ""
        if not isinstance(text, str):
            raise TypeError("content is not text")
        # DeepSeek's, vLLM's and llama-server's name for it, then OpenRouter's and newer vLLM's.
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        return (thought if isinstance(thought, str) else ""), text

    def finish(self) -> Finished:
        """The end of the answer, if it has one."""
        if self._reason is None:
            raise ProviderUnavailableError("the endpoint's stream was cut before the answer's end")
        if self._reason == "content_filter":
            raise RequestRefusedError("the endpoint's content filter stopped the answer")
        reason: FinishReason = "length" if self._reason == "length" else "stop"
        prompt, completion = self._usage or (0, 0)
        return Finished(
            request_id=self._request_id,
            reason=reason,
            prompt_tokens=prompt,
            completion_tokens=completion,
            stop_text=self._stop_text if reason == "stop" else "",
        )
