"""A GGUF model's tokenizer, as those who only want tokens ask it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from multi_llm_comparator.core.exceptions import ContextOverflowError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.chat import ChatTemplate, PromptPart, RenderedPrompt
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary
from multi_llm_comparator.inferencers.tokenizing import checked_ids

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


def overflow(size: str, n_ctx: int) -> ContextOverflowError:
    """The error of a prompt of this ``size``, in words."""
    return ContextOverflowError(
        f"the prompt has {size} but the context holds {n_ctx} tokens, one of them for the answer; "
        "raise n_ctx or shorten the conversation"
    )


class GgufTokenTable:
    """As :class:`~inferencers.tokenizing.TokenTable` has it."""

    def __init__(self, vocabulary: Vocabulary, template: ChatTemplate) -> None:
        self._vocabulary, self.template = vocabulary, template
        self.n_vocab = vocabulary.size

    @property
    def marks(self) -> tuple[str, str]:
        return self._vocabulary.text(self._vocabulary.bos), self._vocabulary.text(self._vocabulary.eos)

    def of_text(self, text: str) -> list[int]:
        return self._vocabulary.tokenize([PromptPart(text, is_template=False)])

    def tokens(self, parts: Iterable[PromptPart]) -> list[int]:
        return self._vocabulary.tokens(parts)

    def of_request(self, request: GenerationRequest) -> list[int]:
        return self._vocabulary.tokenize(self.template.render(request).parts)

    def spelled(self, token: int) -> tuple[str, bytes]:
        return self._vocabulary.spelled(token)

    def text_of(self, tokens: Sequence[int]) -> str:
        return self._vocabulary.text_of(tokens)
