"""GGUF models that see: the vision part in a file of its own (mmproj), run by llama.cpp's library mtmd.

A prompt with images is a list of tokens in which each image has as many numbers of its own as it has places in the
context. They are below 0 and follow from the image's contents: so whatever compares prompts tells images apart.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llama_cpp

from multi_llm_comparator.core.exceptions import InferenceError, ModelLoadError, RequestRefusedError
from multi_llm_comparator.core.image_data import digest_of
from multi_llm_comparator.core.pictures import NOT_SEEING, Picture
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.chat import PromptPart
from multi_llm_comparator.inferencers.gguf_runtime import N_BATCH, LlamaRuntime, error_log
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary

# Places of one image at most, by the numbers that stand for them.
_PLACES = 1 << 20


@dataclass(frozen=True, slots=True)
class ImageChunk:
    """An image in a prompt: its first place, how many it has there, how many rows it takes, and mtmd's own form."""

    start: int
    n_places: int
    n_rows: int
    chunk: Any


@dataclass(slots=True)
class SeenPrompt:
    """A prompt with images: its tokens, and the images by their first places. Closed when its answer is over."""

    tokens: list[int]
    images: dict[int, ImageChunk]
    _mtmd: Any = field(repr=False)
    _chunks: Any = field(repr=False)

    @property
    def extra_tokens(self) -> int:
        """How many more rows than places the images have."""
        return sum(image.n_rows - image.n_places for image in self.images.values())

    def close(self) -> None:
        if self._chunks:
            self._mtmd.mtmd_input_chunks_free(self._chunks)
            self._chunks = None


def is_image(token: int) -> bool:
    """Whether a number in a prompt stands for a place of an image."""
    return token < 0


class GgufSight:
    """A loaded mmproj file.

    Raises:
        ModelLoadError: it cannot be loaded, or was not made for this model.
    """

    def __init__(self, path: str, runtime: LlamaRuntime, n_threads: int) -> None:
        self.path = path
        self._context: Any = None
        if not Path(path).is_file():
            raise ModelLoadError(f"the vision part {path!r} is not there; scan the models again")
        mtmd = self._mtmd = _library()
        mtmd.mtmd_log_set(error_log.callback, ctypes.c_void_p())
        mtmd.mtmd_helper_log_set(error_log.callback, ctypes.c_void_p())
        params = mtmd.mtmd_context_params_default()
        params.use_gpu = runtime.on_gpu
        params.print_timings = False
        params.n_threads = n_threads
        error_log.begin()
        self._context = mtmd.mtmd_init_from_file(path.encode(), runtime.model, params)
        if not self._context:
            why = error_log.text or "llama.cpp gives no reason"
            raise ModelLoadError(f"the vision part {path!r} cannot be used with this model: {why}")
        if not mtmd.mtmd_support_vision(self._context):
            self.close()
            raise ModelLoadError(f"the vision part {path!r} hears, and sees no images")

    def close(self) -> None:
        """Free it; harmless when done already."""
        if self._context:
            self._mtmd.mtmd_free(self._context)
            self._context = None

    def read(self, parts: Sequence[PromptPart], pictures: Sequence[Picture], vocabulary: Vocabulary) -> SeenPrompt:
        """The tokens of a prompt with images. It always ends with text: an answer begins behind a token.

        Raises:
            InferenceError: mtmd cannot make tokens of it.
        """
        mtmd = self._mtmd
        parts = [*parts, PromptPart("\n", is_template=True)] if parts[-1].image is not None else parts
        with _bitmaps(mtmd, pictures) as bitmaps:
            chunks = mtmd.mtmd_input_chunks_init()
            try:
                code = self._tokenize(chunks, parts, bitmaps)
                if code:
                    why = f"llama.cpp cannot read these images (code {code}): {error_log.text}"
                    raise InferenceError(f"{why}; send others, or smaller ones")
                return _prompt(mtmd, chunks, [picture.digest for picture in pictures], vocabulary)
            except BaseException:
                mtmd.mtmd_input_chunks_free(chunks)
                raise

    def _tokenize(self, chunks: Any, parts: Sequence[PromptPart], bitmaps: Sequence[Any]) -> int:
        mtmd, texts, given = self._mtmd, [], []
        for part in parts:
            one = mtmd.mtmd_input_part()
            if part.image is not None:
                one.bitmap = bitmaps[part.image]
            else:
                data = part.text.encode("utf-8", "replace")
                texts.append(mtmd.mtmd_input_text(data, len(data), False, part.is_template))
                one.text = ctypes.pointer(texts[-1])
            given.append(one)
        pointers = (ctypes.POINTER(mtmd.mtmd_input_part) * len(given))(*map(ctypes.pointer, given))
        error_log.begin()
        return int(mtmd.mtmd_tokenize_from_parts(self._context, chunks, pointers, len(given), False))

    def evaluate(self, image: ImageChunk, context: Any, sequence: int) -> int:
        """Have the model in ``context`` read an image behind what ``sequence`` holds.

        Returns:
            0, or llama.cpp's code of what went wrong.

        Raises:
            RequestRefusedError: it has more parts than are read at once, and the model must see all of them at once.
        """
        mtmd, n_batch = self._mtmd, int(llama_cpp.llama_n_batch(context))
        at_once = min(n_batch, int(llama_cpp.llama_n_ubatch(context)))
        if image.n_rows > at_once and mtmd.mtmd_decode_use_non_causal(self._context, image.chunk):
            raise RequestRefusedError(
                f"an image takes {image.n_rows} tokens, which this model must read at once, and {at_once} are read at "
                "once here; send a smaller image"
            )
        after = llama_cpp.llama_pos(0)
        error_log.begin()
        return int(
            mtmd.mtmd_helper_eval_chunk_single(
                self._context, context, image.chunk, image.start, sequence, n_batch, False, ctypes.byref(after)
            )
        )


def open_sight(runtime: LlamaRuntime, options: LoadOptions) -> tuple[GgufSight | None, str | None]:
    """The vision part that the options name, if they do; or what to say where it cannot be used."""
    if not options.projector:
        return None, None
    try:
        return GgufSight(options.projector, runtime, options.threads(runtime.weights_bytes)), None
    except ModelLoadError as exc:
        return None, NOT_SEEING.format(exc)


def own_batch(stretch: int) -> int:
    """Rows that an own context takes at once where images are read in it."""
    return max(stretch, N_BATCH)


def _library() -> Any:
    """llama.cpp's mtmd, which not every build of llama-cpp-python brings. Raises ModelLoadError: this one does not."""
    try:
        import llama_cpp.mtmd_cpp as mtmd
    except (ImportError, OSError, RuntimeError, AttributeError) as exc:
        raise ModelLoadError(
            f"this build of llama-cpp-python has no mtmd, which reads images ({exc}); install one that has it"
        ) from exc
    return mtmd


@contextmanager
def _bitmaps(mtmd: Any, pictures: Sequence[Picture]) -> Iterator[list[Any]]:
    made = []
    try:
        for picture in pictures:
            data = picture.image.tobytes()
            buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
            made.append(mtmd.mtmd_bitmap_init(picture.image.width, picture.image.height, buffer))
            mtmd.mtmd_bitmap_set_id(made[-1], picture.digest.encode())
        yield made
    finally:
        for bitmap in made:
            mtmd.mtmd_bitmap_free(bitmap)


def _prompt(mtmd: Any, chunks: Any, digests: Sequence[str], vocabulary: Vocabulary) -> SeenPrompt:
    """Put together what mtmd made. An image with slices comes as several chunks with its name."""
    tokens: list[int] = []
    found: list[tuple[int, int, Any]] = []
    slices: Counter[str] = Counter()
    for number in range(mtmd.mtmd_input_chunks_size(chunks)):
        chunk = mtmd.mtmd_input_chunks_get(chunks, number)
        if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
            n = ctypes.c_size_t(0)
            texts = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(n))
            tokens += texts[: n.value] if n.value and texts else []
            continue
        name = bytes(mtmd.mtmd_input_chunk_get_id(chunk) or b"").decode()
        # Were it without its name, all images together would stand for it: no two prompts are taken for the same.
        name = name if name in digests else digest_of("".join(digests).encode())
        n_places = int(mtmd.mtmd_input_chunk_get_n_pos(chunk))
        found.append((len(tokens), n_places, chunk))
        tokens += _numbers(name, slices[name], n_places)
        slices[name] += 1
    begun = vocabulary.begun(tokens)
    shift = len(begun) - len(tokens)
    images = {
        start + shift: ImageChunk(start + shift, n_places, int(mtmd.mtmd_input_chunk_get_n_tokens(chunk)), chunk)
        for start, n_places, chunk in found
    }
    return SeenPrompt(begun, images, mtmd, chunks)


def _numbers(digest: str, slice_number: int, n_places: int) -> list[int]:
    """What stands for the places of an image, or of one of its slices."""
    base = (int(digest[:24], 16) * 1024 + slice_number) * _PLACES
    return [-(base + place) - 1 for place in range(n_places)]
