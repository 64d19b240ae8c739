"""What services work with: who answers, who counts tokens, and where the documents of runs lie."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from multi_llm_comparator.applications.reading.bounds import MAX_FILE_BYTES, MAX_KEPT_BYTES
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError, MultiLLMError, NotWrittenError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.private_files import make_private_folder
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.core.token_requests import TokenRequest
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager

# None where nobody can tell.
CountTokens = Callable[[str, str, int], Awaitable[int | None]]
_ENDING = ".document"
_RUN_ID = re.compile(r"[0-9a-f]{4,64}")


async def _unknown(target: str, text: str, context_tokens: int) -> int | None:
    return None


def counted_by(engine: InferenceEngine, models: ModelManager) -> CountTokens:
    """Counts by the tokenizer of a local model, loaded as it will be asked; others nobody can count for."""

    async def count(target: str, text: str, context_tokens: int) -> int | None:
        if models.find(target) is None:
            return None
        try:
            request = TokenRequest(text=text, config=ModelConfig(n_ctx=context_tokens), adds_begin=False)
            return len((await engine.tokens(target, request)).tokens)
        except MultiLLMError:
            # Whatever is wrong with the model is said when it is asked.
            return None

    return count


class Documents:
    """The documents of service runs, as they were given: a file for each run, gone when the run is deleted.

    Whoever may ask a service could fill the disk with them: where they are too many together, the oldest ones go. Their
    runs have what was read of them.

    Args:
        folder: where they lie; made when the first is kept.
        max_bytes: of all together.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def keep(self, run_id: str, data: bytes) -> None:
        """Raises NotWrittenError: it cannot be kept."""
        path = self._path(run_id)
        try:
            make_private_folder(self._folder)
            self._make_room(len(data))
        except OSError as exc:
            raise NotWrittenError(exc.errno, exc.strerror or str(exc), str(path)) from exc
        write_atomically(path, data, mode=0o600)

    def _make_room(self, size_bytes: int) -> None:
        kept: list[tuple[float, int, Path]] = []
        for path in self._folder.glob(f"*{_ENDING}"):
            # Another run may be deleted meanwhile.
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                kept.append((stat.st_mtime, stat.st_size, path))
        left = self._max_bytes - size_bytes - sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if left >= 0:
                return
            path.unlink(missing_ok=True)
            left += size

    def load(self, run_id: str) -> bytes:
        """Raises DocumentError: it is not there."""
        try:
            return read_bytes(self._path(run_id), MAX_FILE_BYTES)
        except OSError as exc:
            raise DocumentError("the document of this run is not there any more; give it again as a new run") from exc

    def forget(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            if _RUN_ID.fullmatch(run_id):
                self._path(run_id).unlink(missing_ok=True)

    def _path(self, run_id: str) -> Path:
        return self._folder / f"{run_id}{_ENDING}"


@dataclass(frozen=True, slots=True)
class ServiceSources:
    """``texts`` answers by any name; ``in_flight`` questions of one run are asked at a time."""

    texts: TextSource
    documents: Documents
    count_tokens: CountTokens = field(default=_unknown)
    in_flight: int = 4
