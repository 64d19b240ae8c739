"""LiteLLM's Router with an instant responder in process: run by gateway.py with a Python that has litellm.

Two deployments of one name, as our group has two models; prints latency and requests per second as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

import litellm
from litellm import CustomLLM, Router


class Instant(CustomLLM):
    async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
        response = litellm.ModelResponse()
        response.choices[0].message.content = "hello"  # type: ignore[union-attr]
        response.usage = litellm.Usage(prompt_tokens=3, completion_tokens=1, total_tokens=4)  # type: ignore[attr-defined]
        return response


async def measure(router: Router, callers: int, requests: int) -> dict[str, float]:
    messages = [{"role": "user", "content": "hello"}]
    for _ in range(50):
        await router.acompletion(model="g", messages=messages)
    latencies: list[float] = []
    left = iter(range(requests))

    async def caller() -> None:
        for _ in left:
            began = time.perf_counter()
            await router.acompletion(model="g", messages=messages)
            latencies.append(time.perf_counter() - began)
            await asyncio.sleep(0)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds = time.perf_counter() - began
    latencies.sort()
    return {
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
        "requests_per_s": requests / seconds,
    }


async def main(requests: int) -> None:
    logging.disable(logging.CRITICAL)
    litellm.custom_provider_map = [{"provider": "instant", "custom_handler": Instant()}]
    deployments = [
        {"model_name": "g", "litellm_params": {"model": f"instant/{name}", "rpm": 100_000_000, "tpm": 900_000_000}}
        for name in ("a", "b")
    ]
    router = Router(model_list=deployments)
    figures = {str(callers): await measure(router, callers, requests) for callers in (1, 100)}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
