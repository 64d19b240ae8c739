"""What only llama.cpp can tell or do about a GGUF file, in a process of its own: a crash there is an error here.

Run as a module it reads one JSON job from standard input and writes its result to the file named in the job; everything
that llama.cpp prints goes to standard error.
"""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ModelLoadError

TIMEOUT_S = 4 * 3600.0
SHOWN_CHARACTERS = 400


def tokenize_with_llama_cpp(path: Path, texts: list[str]) -> list[list[int]]:
    """Token ids of each text by the vocabulary in a GGUF file, special tokens recognised, none added around.

    Raises:
        ModelLoadError: llama.cpp refuses the file or crashes on it.
    """
    result: list[list[int]] = _run({"task": "tokenize", "path": str(path), "texts": texts})
    return result


def quantize_with_llama_cpp(source: Path, target: Path, file_type: int, threads: int) -> None:
    """Write ``source`` quantised as llama.cpp's ``file_type`` to ``target``.

    Raises:
        ModelLoadError: llama.cpp refuses or crashes.
    """
    _run({"task": "quantize", "path": str(source), "target": str(target), "type": file_type, "threads": threads})


def _run(job: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory(prefix="mlc-gguf-") as folder:
        answer = Path(folder) / "result.json"
        command = [sys.executable, "-m", __name__]
        data = json.dumps(job | {"answer": str(answer)}).encode()
        try:
            done = subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as exc:
            raise ModelLoadError(f"llama.cpp did not {job['task']} {job['path']!r} within {TIMEOUT_S:.0f} s") from exc
        if done.returncode != 0 or not answer.is_file():
            said = done.stderr.decode(errors="replace").strip()[-SHOWN_CHARACTERS:]
            raise ModelLoadError(f"llama.cpp could not {job['task']} {job['path']!r} ({_end(done.returncode)}): {said}")
        return json.loads(answer.read_text(encoding="utf-8"))


def _end(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _tokenize(path: str, texts: list[str]) -> list[list[int]]:
    import llama_cpp

    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    params.use_extra_bufts = False
    model = llama_cpp.llama_model_load_from_file(path.encode(), params)
    if not model:
        raise SystemExit("the file does not load")
    vocab = llama_cpp.llama_model_get_vocab(model)
    found = []
    for text in texts:
        data = text.encode()
        # A token covers at least one byte, but a space may be put in front.
        room = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(vocab, data, len(data), room, len(room), False, True)
        found.append(list(room[:count]))
    llama_cpp.llama_model_free(model)
    return found


def _quantize(source: str, target: str, file_type: int, threads: int) -> None:
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = file_type, threads
    status = llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params))
    if status != 0:
        raise SystemExit(f"llama_model_quantize returned {status}")


def main() -> None:
    job = json.load(sys.stdin)
    result: Any = None
    if job["task"] == "tokenize":
        result = _tokenize(job["path"], job["texts"])
    else:
        _quantize(job["path"], job["target"], job["type"], job["threads"])
    Path(job["answer"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
