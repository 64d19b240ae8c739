"""How torch and transformers behave in a model process; imported before either of them.

transformers reads its switches once, at import: no network, no progress bars, no advice on the terminal.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from multi_llm_comparator.core.telemetry import switch_off_telemetry

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
switch_off_telemetry()
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["BITSANDBYTES_NOWELCOME"] = "1"
# It advises to install kernels that would be fetched from the network.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# Threads that wait for each other busily without end are fast alone, and 10 to 40 times slower when another process
# wants the core. So they spin for some microseconds, then sleep (see gguf_environment).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("KMP_BLOCKTIME", "0")


def quieten() -> None:
    """Keep what transformers says for developers off a person's terminal; errors still raise."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    for module in ("transformers", "bitsandbytes", "torch", "accelerate", "peft", "trl"):
        warnings.filterwarnings("ignore", module=module)


def limit_threads(n_threads: int) -> int:
    """Use this many threads within an operation and one between them.

    Returns the number in use.
    """
    import torch

    torch.set_num_threads(n_threads)
    if torch.get_num_interop_threads() != 1:
        # Only possible before the first parallel work of the process; afterwards it stays as it was.
        try:
            torch.set_num_interop_threads(1)
        except RuntimeError:
            warnings.warn("torch's inter-operation threads were in use already", stacklevel=2)
    return int(torch.get_num_threads())


def gpu_in_the_way() -> str | None:
    """Why a process that has imported torch is not one to fork from, or None.

    What a GPU's driver has started in a process is of no use to its forks. This looks without starting it.
    """
    import torch

    if torch.version.cuda is None:
        other = next((kind for kind in ("hip", "xpu") if getattr(torch.version, kind, None)), None)
        return f"torch is built for {other}" if other else None
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    try:
        return "there is a GPU, and torch is built for it" if torch.cuda.is_available() else None
    finally:
        del os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"]


def draw_anew() -> None:
    """In a fork: have random numbers of its own, instead of those that all other forks draw too."""
    import numpy
    import torch

    # Python's own generator does that by itself.
    numpy.random.seed()
    torch.seed()


@contextmanager
def fixed_threads(n_threads: int) -> Iterator[None]:
    """Compute with exactly this many threads: how sums are divided among them decides their last digit."""
    import torch

    before = torch.get_num_threads()
    if before == n_threads:
        yield
        return
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
