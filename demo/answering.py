"""Greedy answers of a demo model to many questions at once."""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from demo.conversations import encode
from demo.tokens import END_OF_TEXT, ROLE_LINES, TURN_END, TURN_START, token_id

MAX_ANSWER_TOKENS = 160


def answer_all(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    batch: int = 128,
    max_tokens: int = MAX_ANSWER_TOKENS,
) -> list[str]:
    """The model's answer to each prompt, as a single turn without a system prompt.

    Prompts of one token length share a batch, so no row is padded and no mask can blur the measurement.
    """
    assistant = [token_id(tokenizer, TURN_START), token_id(tokenizer, ROLE_LINES[2])]
    newline = tokenizer.encode("\n").ids
    by_length: dict[int, list[tuple[int, list[int]]]] = {}
    for index, prompt in enumerate(prompts):
        ids = encode(tokenizer, [("user", prompt)]).ids + newline + assistant
        by_length.setdefault(len(ids), []).append((index, ids))
    answers = [""] * len(prompts)
    for group in by_length.values():
        for first in range(0, len(group), batch):
            part = group[first : first + batch]
            outputs = _continue(model, tokenizer, torch.tensor([ids for _, ids in part]), max_tokens)
            for (index, _), output in zip(part, outputs, strict=True):
                answers[index] = output
    return answers


@torch.inference_mode()
def _continue(model: PreTrainedModel, tokenizer: Tokenizer, prompt_ids: torch.Tensor, max_tokens: int) -> list[str]:
    """Greedy continuation of rows of equal length."""
    end, pad = token_id(tokenizer, TURN_END), token_id(tokenizer, END_OF_TEXT)
    output = model.generate(
        prompt_ids,
        attention_mask=torch.ones_like(prompt_ids),
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=pad,
    )
    rows = output[:, prompt_ids.shape[1] :].tolist()
    return [tokenizer.decode(row[: row.index(end)] if end in row else row) for row in rows]
