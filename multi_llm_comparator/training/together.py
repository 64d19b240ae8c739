"""Several processes that tune one model together, each on a GPU of its own, as ``accelerate launch`` starts them.

All of them have the whole model and walk through the same steps. Of each step every process computes its share of the
examples; then the gradients are summed, so that all take the same step. What comes out is what one process would have
learnt, up to the order in which sums are made. The first process alone evaluates, tells, writes and decides when to
end.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

# The first process may evaluate for as long as it takes; the others wait for it with the next step.
PATIENCE_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many processes this one is, in all and on this machine; counted from 0."""

    number: int = 0
    count: int = 1
    number_here: int = 0
    count_here: int = 1

    @property
    def is_alone(self) -> bool:
        return self.count == 1

    @property
    def is_first(self) -> bool:
        return self.number == 0


@cache
def this_place() -> Place:
    """As the launcher says in the environment; alone where there is none."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    said = [os.environ.get(name, "") for name in names]
    return Place(*map(int, said)) if all(one.isdecimal() for one in said) and int(said[1]) > 1 else Place()


def share_of(numbers: Sequence[int], lengths: Sequence[int], place: Place, *, max_tokens: int) -> list[tuple[int, ...]]:
    """What the process at ``place`` computes of a step, as packs. All processes get about as many tokens.

    Args:
        numbers: the examples of the step; ``lengths`` are the tokens of each.
        max_tokens: of a pack, unless one example alone is longer. 0: each example is a pack.
    """
    shares: list[list[int]] = [[] for _ in range(place.count)]
    loads = [0] * place.count
    longest_first = sorted(range(len(numbers)), key=lambda at: (-lengths[at], numbers[at]))
    for at in longest_first:
        least = loads.index(min(loads))
        shares[least].append(at)
        loads[least] += lengths[at]
    packs: list[tuple[int, list[int]]] = []
    for at in shares[place.number]:
        fits = (n for n, (tokens, _) in enumerate(packs) if tokens + lengths[at] <= max_tokens)
        if (found := next(fits, None)) is None:
            packs.append((lengths[at], [numbers[at]]))
        else:
            packs[found] = (packs[found][0] + lengths[at], [*packs[found][1], numbers[at]])
    return [tuple(pack) for _, pack in packs]


def begin_alike(parameters: Iterable[Any]) -> None:
    """Have all processes begin with the first one's values of the parameters that are trained."""
    from torch import distributed

    for parameter in parameters:
        if parameter.requires_grad:
            distributed.broadcast(parameter.data, src=0)


def summed(loss: Any, parameters: Iterable[Any]) -> Any:
    """The sum of all processes' losses; their gradients become the sums as well.

    Args:
        loss: float32 of the shape ().
        parameters: those that are trained, the same in all processes; one may have no gradient where there was nothing
            to compute.
    """
    import torch
    from torch import distributed

    wanted = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in wanted:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([loss.reshape(1), *(parameter.grad.reshape(-1) for parameter in wanted)])
    distributed.all_reduce(flat)
    begin = 1
    for parameter in wanted:
        parameter.grad.copy_(flat[begin : begin + parameter.numel()].view_as(parameter))
        begin += parameter.numel()
    return flat[0]


def told_by_first(value: Any) -> Any:
    """What the first process says; to be asked in all of them at the same moment. Alone: ``value`` itself."""
    if this_place().is_alone:
        return value
    from torch import distributed

    said = [value]
    distributed.broadcast_object_list(said, src=0)
    return said[0]


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if not this_place().is_alone:
        from torch import distributed

        distributed.barrier()
