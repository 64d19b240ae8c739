"""What only llama.cpp can tell or do about a GGUF file, in a process of its own: a crash there is an error here.

Run as a module it reads one JSON job from standard input and writes its result to the file named in the job; everything
that llama.cpp prints goes to standard error.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.child_process import child_environment
from multi_llm_comparator.services.worker import die_with_parent

TIMEOUT_S = 4 * 3600.0
LOOK_EVERY_S = 0.2
SHOWN_CHARACTERS = 400
# As ggml.h numbers it.
LOG_LEVEL_ERROR = 4


def tokenize_with_llama_cpp(path: Path, texts: list[str]) -> list[list[int]]:
    """Token ids of each text by the vocabulary in a GGUF file, special tokens recognised, none added around.

    Raises:
        ModelLoadError: llama.cpp refuses the file or crashes on it.
    """
    result: list[list[int]] = _run({"task": "tokenize", "path": str(path), "texts": texts})
    return result


def vocabulary_of(path: Path) -> dict[str, Any]:
    """What llama.cpp makes of a file's vocabulary, its own corrections included.

    Returns:
        ``attributes`` (its ``llama_token_attr`` of each token), ``ends`` (ids that end an answer), ``add_bos`` and
        ``add_eos``, and the special ids it uses by name, -1 for none: ``bos``, ``eos``, ``eot``, ``pad``.

    Raises:
        ModelLoadError: llama.cpp refuses the file or crashes on it.
    """
    result: dict[str, Any] = _run({"task": "vocabulary", "path": str(path)})
    return result


def quantize_with_llama_cpp(
    source: Path,
    target: Path,
    file_type: int,
    threads: int,
    *,
    metadata: Mapping[str, str] | None = None,
    watch: Callable[[list[str]], None] | None = None,
) -> None:
    """Write ``source`` quantised as llama.cpp's ``file_type`` to ``target``; its weights may be quantised already.

    Args:
        source: a GGUF file, of a split model its first part.
        target: the file to write.
        file_type: llama.cpp's number of the quantization.
        threads: how many may compute.
        metadata: texts of at most 127 bytes to write into the file, by key.
        watch: told the names of the tensors that were begun, in order, a few times a second.

    Raises:
        ModelLoadError: llama.cpp refuses or crashes.
    """
    job = {"task": "quantize", "path": str(source), "target": str(target), "type": file_type, "threads": threads}
    _run(job | {"metadata": dict(metadata or {})}, watch)


def _run(job: dict[str, Any], watch: Callable[[list[str]], None] | None = None) -> Any:
    with tempfile.TemporaryDirectory(prefix="mlc-gguf-") as folder:
        answer, begun, said = (Path(folder) / name for name in ("result.json", "begun", "stderr"))
        where = {"answer": str(answer), "begun": str(begun), "parent": os.getpid()}
        with said.open("wb") as errors:
            code = _wait(_start(json.dumps(job | where).encode(), errors), job, begun, watch)
        if code != 0 or not answer.is_file():
            heard = said.read_bytes().decode(errors="replace").strip()[-SHOWN_CHARACTERS:]
            raise ModelLoadError(f"llama.cpp could not {job['task']} {job['path']!r} ({_end(code)}): {heard}")
        return json.loads(answer.read_text(encoding="utf-8"))


def _start(job: bytes, errors: BinaryIO) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=errors,
        stderr=errors,
        env=child_environment(),
    )
    assert child.stdin is not None
    # A child that is gone already tells why by its exit status.
    try:
        child.stdin.write(job)
        child.stdin.close()
    except BrokenPipeError:
        pass
    return child


def _wait(
    child: subprocess.Popen[bytes], job: dict[str, Any], begun: Path, watch: Callable[[list[str]], None] | None
) -> int:
    until = time.monotonic() + TIMEOUT_S
    try:
        while time.monotonic() < until:
            try:
                return child.wait(LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                if watch is not None and begun.is_file():
                    watch(begun.read_text(encoding="utf-8", errors="replace").splitlines())
        raise ModelLoadError(f"llama.cpp did not {job['task']} {job['path']!r} within {TIMEOUT_S:.0f} s")
    finally:
        # Whatever ends the waiting, an interruption too, ends the child.
        if child.poll() is None:
            child.kill()
            child.wait()


def _end(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _vocabulary(path: str) -> tuple[Any, Any]:
    import llama_cpp

    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    params.use_extra_bufts = False
    model = llama_cpp.llama_model_load_from_file(path.encode(), params)
    if not model:
        raise SystemExit("the file does not load")
    return model, llama_cpp.llama_model_get_vocab(model)


def _tokenize(path: str, texts: list[str]) -> list[list[int]]:
    import llama_cpp

    model, vocab = _vocabulary(path)
    found = []
    for text in texts:
        data = text.encode()
        # A token covers at least one byte, but a space may be put in front.
        room = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(vocab, data, len(data), room, len(room), False, True)
        found.append(list(room[:count]))
    llama_cpp.llama_model_free(model)
    return found


def _describe(path: str) -> dict[str, Any]:
    import llama_cpp

    model, vocab = _vocabulary(path)
    ids = range(llama_cpp.llama_vocab_n_tokens(vocab))
    found: dict[str, Any] = {
        "attributes": [llama_cpp.llama_vocab_get_attr(vocab, i) for i in ids],
        "ends": [i for i in ids if llama_cpp.llama_vocab_is_eog(vocab, i)],
        "add_bos": bool(llama_cpp.llama_vocab_get_add_bos(vocab)),
        "add_eos": bool(llama_cpp.llama_vocab_get_add_eos(vocab)),
    }
    found |= {name: getattr(llama_cpp, f"llama_vocab_{name}")(vocab) for name in ("bos", "eos", "eot", "pad")}
    llama_cpp.llama_model_free(model)
    return found


def _quantize(job: dict[str, Any]) -> None:
    import llama_cpp

    begun = Path(job["begun"]).open("a", encoding="utf-8")  # noqa: SIM115 - as long as this process lives

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def heard(level: int, text: bytes, _: Any) -> None:
        # "[   1/ 272] blk.0.attn_k.weight - [576, 192], type = q4_1, converting to q8_0 .."
        line = text.decode(errors="replace")
        if line.startswith("[") and "]" in line:
            begun.write(line.split("]", 1)[1].split(" - ")[0].strip() + "\n")
            begun.flush()
        elif level == LOG_LEVEL_ERROR:
            sys.stderr.write(line)

    llama_cpp.llama_log_set(heard, ctypes.c_void_p(0))
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.allow_requantize = job["type"], job["threads"], True
    overrides = _overrides(job["metadata"])
    params.kv_overrides = ctypes.cast(overrides, type(params.kv_overrides)) if job["metadata"] else None
    status = llama_cpp.llama_model_quantize(job["path"].encode(), job["target"].encode(), ctypes.byref(params))
    if status != 0:
        raise SystemExit(f"llama_model_quantize returned {status}")


def _overrides(metadata: dict[str, str]) -> Any:
    """Texts as llama.cpp takes them: an array that an empty key ends."""
    import llama_cpp

    overrides = (llama_cpp.llama_model_kv_override * (len(metadata) + 1))()
    for entry, (key, value) in zip(overrides, metadata.items(), strict=False):
        entry.tag, entry.key = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_STR, key.encode()
        entry.value.val_str = value.encode()
    return overrides


def main() -> None:
    job = json.load(sys.stdin)
    die_with_parent(job["parent"])
    result: Any = None
    match job["task"]:
        case "tokenize":
            result = _tokenize(job["path"], job["texts"])
        case "vocabulary":
            result = _describe(job["path"])
        case _:
            _quantize(job)
    Path(job["answer"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
