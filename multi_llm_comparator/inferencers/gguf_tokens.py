"""A GGUF model's tokenizer, as those who only want tokens ask it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from multi_llm_comparator.core.exceptions import ContextOverflowError, RequestRefusedError
from multi_llm_comparator.core.pictures import NO_SIGHT, pictures_of
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.chat import ChatTemplate, PromptPart, RenderedPrompt
from multi_llm_comparator.inferencers.gguf_sight import GgufSight, SeenPrompt
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary
from multi_llm_comparator.inferencers.tokenizing import IMAGE_ROW, checked_ids

# No token is longer, so a longer prompt cannot fit and need not be tokenized to know it.
MAX_TOKEN_BYTES = 256


def prompt_of(
    request: GenerationRequest, template: ChatTemplate, vocabulary: Vocabulary, n_ctx: int
) -> tuple[RenderedPrompt, list[int]]:
    """What the model reads for a request, as text and as tokens.

    Raises:
        ContextOverflowError: it leaves no room for an answer.
        InferenceError: the template refuses the conversation, nothing is left to read, or an id is none of the model's.
    """
    if request.prompt_tokens:
        prompt = checked_ids(request.prompt_tokens, vocabulary.size)
        rendered = RenderedPrompt((PromptPart(vocabulary.text_of(prompt), is_template=False),))
    else:
        rendered = template.render(request)
        size = len(rendered.text)
        if size > MAX_TOKEN_BYTES * n_ctx:
            raise overflow(f"{size} characters", n_ctx)
        prompt = vocabulary.tokenize(rendered.parts)
    if len(prompt) >= n_ctx:
        raise overflow(f"{len(prompt)} tokens", n_ctx)
    return rendered, prompt


class PromptReader:
    """What a GGUF model reads for a request, with images or without; ``sight`` is None where it does not see."""

    def __init__(self, template: ChatTemplate, vocabulary: Vocabulary, n_ctx: int, sight: GgufSight | None) -> None:
        self._template, self._vocabulary, self._n_ctx = template, vocabulary, n_ctx
        self.sight = sight

    def read(self, request: GenerationRequest) -> tuple[RenderedPrompt, list[int], SeenPrompt | None]:
        """The prompt as text and as tokens, and its images, which are to be closed.

        Raises:
            RequestRefusedError: the model does not see, or an image cannot be read.
            InferenceError: as :func:`prompt_of`.
        """
        if not request.images:
            return *prompt_of(request, self._template, self._vocabulary, self._n_ctx), None
        if self.sight is None:
            raise RequestRefusedError(NO_SIGHT)
        pictures = pictures_of(request.images)
        rendered = self._template.render(request)
        seen = self.sight.read(rendered.parts, pictures, self._vocabulary)
        if (size := len(seen.tokens) + seen.extra_tokens) >= self._n_ctx:
            seen.close()
            raise overflow(f"{size} tokens", self._n_ctx)
        return rendered, seen.tokens, seen


def overflow(size: str, n_ctx: int) -> ContextOverflowError:
    """The error of a prompt of this ``size``, in words."""
    return ContextOverflowError(
        f"the prompt has {size} but the context holds {n_ctx} tokens, one of them for the answer; "
        "raise n_ctx or shorten the conversation"
    )


class GgufTokenTable:
    """As :class:`~inferencers.tokenizing.TokenTable` has it."""

    def __init__(self, vocabulary: Vocabulary, template: ChatTemplate, reader: PromptReader) -> None:
        self._vocabulary, self.template, self._reader = vocabulary, template, reader
        self.n_vocab = vocabulary.size

    @property
    def marks(self) -> tuple[str, str]:
        return self._vocabulary.text(self._vocabulary.bos), self._vocabulary.text(self._vocabulary.eos)

    def of_text(self, text: str) -> list[int]:
        return self._vocabulary.tokenize([PromptPart(text, is_template=False)])

    def tokens(self, parts: Iterable[PromptPart]) -> list[int]:
        return self._vocabulary.tokens(parts)

    def of_request(self, request: GenerationRequest) -> list[int]:
        if not request.images:
            return self._vocabulary.tokenize(self.template.render(request).parts)
        _, tokens, seen = self._reader.read(request)
        assert seen is not None
        seen.close()
        return [*tokens, *[IMAGE_ROW] * seen.extra_tokens]

    def spelled(self, token: int) -> tuple[str, bytes]:
        return self._vocabulary.spelled(token)

    def text_of(self, tokens: Sequence[int]) -> str:
        return self._vocabulary.text_of(tokens)
