"""One place that resolves every name: plans and cooperations by their prefix, everything else by the gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.requests import GenerationRequest, TextSource


class NamedAnswers:
    """A :class:`TextSource` over others.

    Args:
        usual: answers for names without a known prefix.
        by_prefix: who answers for names that begin so (``plan:``, ``cooperate:``).
    """

    def __init__(self, usual: TextSource, by_prefix: Mapping[str, TextSource]) -> None:
        self._usual, self._by_prefix = usual, dict(by_prefix)

    def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """See :meth:`TextSource.stream`."""
        return self.source_of(target).stream(target, request)

    def source_of(self, target: str) -> TextSource:
        """Who answers for a name."""
        found = (source for prefix, source in self._by_prefix.items() if target.startswith(prefix))
        return next(found, self._usual)
