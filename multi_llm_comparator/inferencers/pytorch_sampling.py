"""Choosing the next token of each row of a batch, in llama.cpp's order of samplers.

Repeat, frequency and presence penalty over the last tokens, then top-k, typical-p, top-p and min-p (each over what the
one before left, before the temperature), temperature, and a draw with the row's own generator: a row's choices do not
depend on who shares its batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.inferencers.array_sampling import PENALTY_WINDOW
from multi_llm_comparator.inferencers.base import NO_NUMBERS

NOT_A_NUMBER = f"{NO_NUMBERS}; load it with torch_dtype='float32'"


class RowSampler:
    """One request's parameters and its stream of random numbers."""

    def __init__(self, config: ModelConfig, seed: int) -> None:
        self.is_alone = config.reproducible
        self.is_greedy = config.is_greedy
        self.temperature = 1.0 if config.is_greedy else config.temperature
        self.top_k = 1 if config.is_greedy else config.top_k
        self.top_p = config.top_p if 0 <= config.top_p < 1 else 2.0
        self.typical_p = config.typical_p if 0 <= config.typical_p < 1 else 2.0
        self.min_p = config.min_p
        self.repeat_penalty = config.repeat_penalty
        self.frequency_penalty = config.frequency_penalty
        self.presence_penalty = config.presence_penalty
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def has_penalties(self) -> bool:
        return self.repeat_penalty != 1.0 or self.frequency_penalty != 0.0 or self.presence_penalty != 0.0

    def draw(self) -> float:
        """The next random number in [0, 1); a greedy row needs none."""
        if self.is_greedy:
            return 0.0
        return float(torch.rand((), generator=self._generator, dtype=torch.float64))


class StepSampler:
    """The samplers of all rows of a step, made anew when the rows change: one for all those that share their work, and
    one for each that is alone, whose numbers are then rounded the same whoever else is there.
    """

    def __init__(self, rows: Sequence[RowSampler], histories: Sequence[Sequence[int]], device: torch.device) -> None:
        """``histories``: what each row has answered so far, as tokens; the last 64 count."""
        shared = [number for number, row in enumerate(rows) if not row.is_alone]
        groups = [shared] if shared else []
        groups += [[number] for number, row in enumerate(rows) if row.is_alone]
        self._groups = [
            (group, BatchSampler([rows[i] for i in group], [histories[i] for i in group], device)) for group in groups
        ]

    def pick(self, logits: torch.Tensor) -> list[int | None]:
        """The next token of each row from ``logits`` of shape (rows, vocabulary), which are overwritten.

        None for a row whose logits are no numbers: :func:`check_token` says so.
        """
        if len(self._groups) == 1:
            return self._groups[0][1].pick(logits)
        picked: dict[int, int | None] = {}
        for group, sampler in self._groups:
            picked |= zip(group, sampler.pick(logits[group]), strict=True)
        return [picked[number] for number in range(len(picked))]


class BatchSampler:
    """The samplers of all rows of a batch as tensors of shape (rows, 1)."""

    def __init__(self, rows: Sequence[RowSampler], histories: Sequence[Sequence[int]], device: torch.device) -> None:
        self._rows = rows
        self._greedy = torch.tensor([row.is_greedy for row in rows])
        self._all_greedy = all(row.is_greedy for row in rows)
        self._penalties = _Penalties(rows, histories, device) if any(row.has_penalties for row in rows) else None
        self._top_k = torch.tensor([[row.top_k] for row in rows])
        self._top_p = torch.tensor([[row.top_p] for row in rows], dtype=torch.float64)
        self._temperature = torch.tensor([[row.temperature] for row in rows], dtype=torch.float64)
        self._typical_p = _where_asked([row.typical_p for row in rows], nothing=2.0)
        self._min_p = _where_asked([row.min_p for row in rows], nothing=0.0)

    def pick(self, logits: torch.Tensor) -> list[int | None]:
        scores = logits.float()
        if self._penalties is not None:
            self._penalties.apply(scores)
        if self._all_greedy:
            best, ids = scores.max(dim=-1)
            top, tokens = best.tolist(), ids.tolist()
        else:
            top, tokens = self._sample(scores)
        if self._penalties is not None:
            self._penalties.remember(tokens)
        # A comparison with NaN is false; plus infinity is no score either.
        return [token if -torch.inf < value < torch.inf else None for value, token in zip(top, tokens, strict=True)]

    def _sample(self, scores: torch.Tensor) -> tuple[list[float], list[int]]:
        vocabulary = scores.shape[-1]
        width = max(row.top_k or vocabulary for row in self._rows)
        best, ids = scores.topk(min(width, vocabulary), dim=-1)
        best, ids = best.to("cpu", torch.float64), ids.cpu()
        outside = torch.arange(best.shape[-1]) >= torch.where(self._top_k == 0, vocabulary, self._top_k)
        kept = best.masked_fill(outside, -torch.inf)
        if self._typical_p is not None:
            kept = _typical(kept, self._typical_p)
        share = kept.softmax(dim=-1)
        # The token with which the sum reaches top_p is the last one in; the first is always in.
        beyond = share.cumsum(dim=-1) - share >= self._top_p
        beyond.scatter_(-1, kept.argmax(dim=-1, keepdim=True), False)
        kept = kept.masked_fill(beyond, -torch.inf)
        if self._min_p is not None:
            kept = kept.masked_fill(kept < kept.max(dim=-1, keepdim=True).values + self._min_p.log(), -torch.inf)
        chances = (kept / self._temperature).softmax(dim=-1).cumsum(dim=-1)
        drawn = torch.tensor([[row.draw()] for row in self._rows], dtype=torch.float64) * chances[:, -1:]
        place = (chances <= drawn).sum(dim=-1, keepdim=True).clamp_(max=best.shape[-1] - 1)
        # Of equally likely tokens, which are not rare in bfloat16, topk may name another first.
        likeliest = scores.max(dim=-1).indices.cpu()
        return best[:, 0].tolist(), torch.where(self._greedy, likeliest, ids.gather(-1, place)[:, 0]).tolist()


def _where_asked(values: Sequence[float], nothing: float) -> torch.Tensor | None:
    """One value a row, or None where all rows ask for ``nothing``."""
    asked = any(value != nothing for value in values)
    return torch.tensor([[value] for value in values], dtype=torch.float64) if asked else None


def _typical(kept: torch.Tensor, typical_p: torch.Tensor) -> torch.Tensor:
    """Leave the tokens whose surprise is nearest to what is to be expected, until their share exceeds ``typical_p``."""
    surprise = -kept.log_softmax(dim=-1)
    share = kept.softmax(dim=-1)
    expected = torch.where(share > 0, share * surprise, 0.0).sum(dim=-1, keepdim=True)
    order = (surprise - expected).abs().argsort(dim=-1, stable=True)
    ordered = share.gather(-1, order)
    beyond = ordered.cumsum(dim=-1) - ordered > typical_p
    return kept.masked_fill(torch.zeros_like(beyond).scatter_(-1, order, beyond), -torch.inf)


class _Penalties:
    """The last tokens of each row, and what having been said costs a token.

    A history shorter than the window is filled up with its own first token: a token counts once however often it
    occurs, and the copies leave the window before it does. A row that has said nothing pays nothing.
    """

    def __init__(self, rows: Sequence[RowSampler], histories: Sequence[Sequence[int]], device: torch.device) -> None:
        windows = [list(history[-PENALTY_WINDOW:]) for history in histories]
        filled = [[next(iter(window), 0)] * (PENALTY_WINDOW - len(window)) + window for window in windows]
        self._silent = torch.tensor([[not window] for window in windows], device=device)
        self._recent = torch.tensor(filled, device=device)
        self._spoken = torch.tensor(
            [[False] * (PENALTY_WINDOW - len(window)) + [True] * len(window) for window in windows], device=device
        )
        self._repeat = torch.tensor([[row.repeat_penalty] for row in rows], device=device)
        self._frequency = torch.tensor([[row.frequency_penalty] for row in rows], device=device)
        self._counts = any(row.frequency_penalty for row in rows)
        self._presence = torch.tensor([[row.presence_penalty] for row in rows], device=device)

    def apply(self, scores: torch.Tensor) -> None:
        said = scores.gather(-1, self._recent)
        dearer = torch.where(said > 0, said / self._repeat, said * self._repeat) - self._presence
        if self._counts:
            same = self._recent[:, :, None] == self._recent[:, None, :]
            dearer -= self._frequency * (same & self._spoken[:, None, :]).sum(dim=-1)
        scores.scatter_(-1, self._recent, torch.where(self._silent, said, dearer))

    def remember(self, tokens: Sequence[int]) -> None:
        newest = torch.tensor([[token] for token in tokens], device=self._recent.device)
        moved = torch.cat((self._recent[:, 1:], newest), dim=-1)
        self._recent = torch.where(self._silent, newest, moved)
        self._spoken = torch.cat((self._spoken[:, 1:], torch.ones_like(self._silent)), dim=-1)
        self._silent = torch.zeros_like(self._silent)


def check_token(token: int | None) -> int:
    """``token``, if there is one.

    Raises:
        InferenceError: the model's output was not a number.
    """
    if token is None:
        raise InferenceError(NOT_A_NUMBER)
    return token
