"""llama.cpp's server from its client's side: started, asked over HTTP, ended."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.child import Child
from benchmarks.peer_environment import ROOT, peer_python

TIMEOUT_S = 600.0


class LlamaServer(Child):
    """llama.cpp's server with one model and so many slots. Use as a context manager.

    Args:
        n_ctx: the context of one slot, in tokens.
    """

    def __init__(self, model: Path, *, slots: int, threads: int, n_ctx: int = 1024) -> None:
        script = ROOT / "benchmarks" / "llama_server.py"
        command = [str(peer_python()), str(script), str(model), str(slots), str(threads), str(n_ctx)]
        super().__init__(command, stderr=subprocess.DEVNULL)
        assert self._child.stdout is not None
        self.address = self._child.stdout.readline().strip()
        if not self.address:
            raise SystemExit("llama.cpp's server did not start")

    async def answer(self, prompts: list[str], tokens: int) -> None:
        """Ask all prompts at once and read every answer to its end: exactly ``tokens`` tokens each, greedily."""
        async with httpx2.AsyncClient(timeout=TIMEOUT_S) as client:
            await asyncio.gather(*(self._one(client, prompt, tokens) for prompt in prompts))

    async def _one(self, client: httpx2.AsyncClient, prompt: str, tokens: int) -> None:
        body = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "ignore_eos": True, "stream": True}
        last: dict[str, Any] = {}
        async with client.stream("POST", f"{self.address}/completion", json=body) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: "):
                    last = json.loads(line.removeprefix("data: "))
        if last.get("tokens_predicted") != tokens:
            raise SystemExit(f"llama.cpp's server gave {last.get('tokens_predicted')} tokens, not {tokens}")
