"""PyTorch checkpoints that see: from a request with images to what the model's forward pass takes.

The checkpoint's own processor (transformers' ``AutoProcessor``) does it all: it puts as many tokens into the prompt as
an image has, and makes the numbers that stand for its pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.pictures import pictures_of
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.chat import ChatTemplate, PromptPart, RenderedPrompt
from multi_llm_comparator.inferencers.pytorch_errors import detail, tokenizer_named
from multi_llm_comparator.inferencers.time_limits import TOKENIZER, limited

# Has no width and joins nothing: what it splits looks as before, and is no control token any more.
WORD_JOINER = "\u2060"
SPLIT = "The messages hold the text of control tokens: an invisible sign was put into each, so that it stays text."


@dataclass(frozen=True)
class ImageInputs:
    """What the forward pass takes beside the tokens of a prompt with images.

    Attributes:
        values: by the names of its arguments.
        key: which images they are. Only a row with the same ones may use what was computed of this one.
        end: behind how many tokens of the prompt the last image ends.
    """

    values: Mapping[str, Any]
    key: tuple[str, ...]
    end: int


class Sight:
    """How a checkpoint sees: its processor, asked for one prompt at a time."""

    def __init__(self, processor: Any, model: Any) -> None:
        self._processor, self._tokenizer = processor, processor.tokenizer
        self._device, self._dtype = model.device, model.dtype
        self.image_token: str = processor.image_token
        # Some write another token for an image than those that its parts become.
        found = getattr(processor, "image_token_id", None)
        self._image_id = int(self._tokenizer.convert_tokens_to_ids(self.image_token) if found is None else found)
        source = getattr(processor, "chat_template", None)
        # Older checkpoints keep it beside the tokenizer's.
        self.template_source: str | None = source if isinstance(source, str) else None
        own = (getattr(processor, name, None) for name in vars(processor) if name.endswith("_token"))
        self._marks = tuple(dict.fromkeys(text for text in own if isinstance(text, str) and text.strip()))

    def read(
        self, request: GenerationRequest, template: ChatTemplate, lead: str
    ) -> tuple[RenderedPrompt, list[int], ImageInputs]:
        """The prompt as text and tokens, and its images.

        Args:
            request: it has images.
            template: the model's.
            lead: what begins a prompt that no template made.

        Raises:
            InferenceError: the template or the processor refuses it, or an image cannot be read.
        """
        pictures = pictures_of(request.images)
        harmless = replace(request, messages=self._harmless(request.messages, template.special_tokens))
        rendered = template.render(harmless, writes_images=template.writes_images)
        if harmless.messages != request.messages:
            rendered = replace(rendered, notes=(*rendered.notes, SPLIT))
        text = lead + "".join(self.image_token if one.image is not None else one.text for one in rendered.parts)
        inputs = self._processed(text, [picture.image for picture in pictures])
        tokens: list[int] = inputs.pop("input_ids")[0].tolist()
        if self._image_id not in tokens:
            raise InferenceError("the model's chat template leaves the images out; send them without it (raw)")
        shown = replace(rendered, parts=(PromptPart(text, is_template=True),))
        end = len(tokens) - tokens[::-1].index(self._image_id)
        return shown, tokens, ImageInputs(inputs, tuple(picture.digest for picture in pictures), end)

    def _processed(self, text: str, images: Sequence[Any]) -> dict[str, Any]:
        try:
            with limited(TOKENIZER), tokenizer_named(InferenceError, "over this prompt"):
                made = self._processor(
                    text=[text], images=[list(images)], add_special_tokens=False, return_tensors="pt"
                )
        except InferenceError:
            raise
        except Exception as exc:
            # Whatever the code of a checkpoint's kind raises for an image, or a text, that it was not made for.
            raise InferenceError(
                f"the model's processor cannot read these images ({type(exc).__name__}: {detail(exc)}); send another "
                "size or format"
            ) from exc
        return {name: self._placed(value) for name, value in made.items()}

    def _placed(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(device=self._device, dtype=self._dtype if value.is_floating_point() else None)

    def _harmless(self, messages: Sequence[Message], special: Sequence[str]) -> tuple[Message, ...]:
        """The processor reads the prompt as one text, in which the text of a control token would become one."""
        marks = tuple(dict.fromkeys((*self._marks, *special)))
        return tuple(_split_marks(message, marks) for message in messages)


def _split_marks(message: Message, marks: Sequence[str]) -> Message:
    parts = [part if part.image else part._replace(text=_without(part.text, marks)) for part in message.parts()]
    places, length = [], 0
    for part in parts:
        if part.image:
            places.append(length)
        length += len(part.text)
    changed = replace(
        message,
        content="".join(part.text for part in parts),
        thought=_without(message.thought, marks),
        image_places=tuple(places),
    )
    return changed if (changed.content, changed.thought) != (message.content, message.thought) else message


def _without(text: str, marks: Sequence[str]) -> str:
    for mark in marks:
        if mark in text:
            if len(mark) == 1:
                raise InferenceError(f"with images, a message must not hold {mark!r}, a control token of this model")
            text = text.replace(mark, mark[0] + WORD_JOINER + mark[1:])
    return text
