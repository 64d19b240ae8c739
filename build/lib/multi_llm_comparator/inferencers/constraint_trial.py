"""Tries to compile a constraint, in a process that the kernel ends when that takes too much.

Run as a script, with the constraint in llguidance's notation on standard input. It ends with code 0 when llguidance
came to an end, be it with an error: then it does so elsewhere too. It imports nothing of this project, so that it
begins quickly.
"""

import sys
import threading

import llguidance

SECONDS, MEMORY_BYTES = 5, 4 * 2**30
# Less than where it is compiled afterwards, so that what fits here fits there.
STACK_BYTES = 6 * 2**20


class _Bytes:
    """A vocabulary of bytes: what a constraint takes hardly depends on the model's."""

    eos_token_id, bos_token_id = 256, None
    tokens = (*(bytes([n]) for n in range(256)), b"</s>")
    special_token_ids = (256,)

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


def _limit() -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _compile(grammar: str, stack_bytes: int) -> None:
    threading.stack_size(stack_bytes)
    vocabulary = llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Bytes()))

    def try_it() -> None:
        matcher = llguidance.LLMatcher(vocabulary, grammar, log_level=0)
        if not matcher.is_error():
            matcher.compute_bitmask()

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()


if __name__ == "__main__":
    _limit()
    _compile(sys.stdin.buffer.read().decode(), STACK_BYTES)
