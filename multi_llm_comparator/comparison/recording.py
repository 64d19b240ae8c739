"""What is saved of a comparison: its conversation as a run, its answers as items named by their ids."""

from __future__ import annotations

from collections.abc import Iterable

from multi_llm_comparator.comparison.conversation import Conversation
from multi_llm_comparator.comparison.documents import IMAGES, answer_item, image_item, image_key, run_record
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord


class RecordedConversation:
    """A conversation for a :class:`Recorder`. Changed by another process meanwhile, it goes on as a run of its own."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def run_record(self) -> RunRecord:
        return run_record(self._conversation.snapshot())

    def item_record(self, key: str) -> ItemRecord:
        snapshot = self._conversation.snapshot()
        if key.startswith(IMAGES):
            return image_item(snapshot.id, snapshot.images[key.removeprefix(IMAGES)])
        return answer_item(snapshot.id, self._conversation.answer_of(key))

    def note_save_error(self, message: str | None) -> None:
        self._conversation.set_save_error(message)

    def branch(self) -> Iterable[str]:
        answers = self._conversation.become_branch()
        return [*(answer.id for answer in answers), *map(image_key, self._conversation.images)]
