"""LiteLLM's Router with the same responder in process: run by gateway.py with a Python that has litellm.

Two deployments of one name, as our group has two models; prints latency and requests per second as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

import litellm
from litellm import CustomLLM, Router

from benchmarks.callers import measure_all, work


class Responder(CustomLLM):  # type: ignore[misc]
    async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
        await work()
        response = litellm.ModelResponse()
        response.choices[0].message.content = "hello"
        response.usage = litellm.Usage(prompt_tokens=3, completion_tokens=1, total_tokens=4)
        return response


async def main(requests: int) -> None:
    logging.disable(logging.CRITICAL)
    litellm.custom_provider_map = [{"provider": "instant", "custom_handler": Responder()}]
    deployments = [
        {"model_name": "g", "litellm_params": {"model": f"instant/{name}", "rpm": 100_000_000, "tpm": 900_000_000}}
        for name in ("a", "b")
    ]
    router = Router(model_list=deployments)
    messages = [{"role": "user", "content": "hello"}]

    async def call() -> None:
        await router.acompletion(model="g", messages=messages)

    figures = await measure_all(call, requests)
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
