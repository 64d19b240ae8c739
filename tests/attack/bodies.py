"""Attacks on the API from outside: bodies that are nearly right, and the costliest that there are within the bounds."""

from __future__ import annotations

import asyncio
import json
import random
from functools import cache
from typing import Any

import httpx2

from tests.attack.mutations import mutated_bytes, mutated_json
from tests.attack.outcome import Outcome

AT_ONCE = 8
PATIENCE_S = 120.0
CHAT: dict[str, Any] = {
    "model": "nobody",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "logit_bias": {"1": 2},
    "stop": ["x"],
}
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": {"model": "nobody", "max_tokens": 5, "messages": CHAT["messages"]},
    "/v1/messages/count_tokens": {"model": "nobody", "messages": CHAT["messages"]},
    "/v1/responses": {"model": "nobody", "input": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"model": "nobody", "prompt": [[1, 2], "hi"]},
    "/v1/embeddings": {"model": "nobody", "input": ["hi", [1, 2]]},
    "/tokenize": {"model": "nobody", "prompt": "hi"},
    "/detokenize": {"model": "nobody", "tokens": [1, 2]},
    "/api/chat": {"model": "nobody", "messages": [{"role": "user", "content": "hi"}], "options": {"top_k": 3}},
    "/query": {"query": "hi", "preferences": {"model": "nobody"}},
    "/query/decision": {"query": "hi"},
    "/service": {"service_type": "document_analysis", "content": "hi", "parameters": {"model": "nobody", "x": [1]}},
    "/cooperation/task": {"query": "hi", "models": ["nobody", "nobody else"]},
}


@cache
def costly() -> tuple[tuple[str, bytes], ...]:
    """Some megabytes each: wrong numbers, empty objects, unknown fields, levels, brackets within a text."""
    return (
        ("/v1/embeddings", b'{"input": [' + b",".join([b"[" + b"-1," * 250_000 + b"-1]"] * 8) + b"]}"),
        ("/detokenize", b'{"tokens": [' + b"-1," * 2_000_000 + b"1]}"),
        ("/v1/chat/completions", b'{"messages": [' + b"{}," * 2_000_000 + b"{}]}"),
        ("/v1/chat/completions", b"{" + b",".join(b'"f%d":0' % n for n in range(500_000)) + b"}"),
        ("/v1/chat/completions", b'{"messages": ' + b"[" * 4_000_000),
        ("/v1/responses", b'{"input": "' + b"[{" * 3_000_000 + b'"}'),
        ("/service", b'{"service_type": "x", "content": "x", "parameters": {"x": [' + b'"a",' * 1_500_000 + b'"a"]}}'),
        ("/query/decision", b'{"query": "' + b"A) 1? " * 1_000_000 + b'"}'),
    )


def send_bodies(address: str, seed: int, count: int) -> Outcome:
    """Send so many, some at a time. Whatever is wrong with them is not the server's fault."""
    outcome = Outcome("bodies sent to the API", count)
    asyncio.run(_sent(address, random.Random(seed), outcome))
    return outcome


async def _sent(address: str, rng: random.Random, outcome: Outcome) -> None:
    bodies = [_body(rng, number) for number in range(outcome.count)]
    async with httpx2.AsyncClient(base_url=address, timeout=PATIENCE_S, trust_env=False) as http:

        async def some(first: int) -> None:
            for path, body in bodies[first::AT_ONCE]:
                answer = await http.post(path, content=body, headers={"content-type": "application/json"})
                outcome.refused += answer.status_code >= 400
                # 503: nobody is there who could answer, as it is.
                if answer.status_code >= 500 and answer.status_code != 503:
                    outcome.findings.append(f"{path}: {answer.status_code} {answer.text[:300]} after {body[:300]!r}")

        await asyncio.gather(*map(some, range(AT_ONCE)))


def _body(rng: random.Random, number: int) -> tuple[str, bytes]:
    if number % 50 == 0:
        return costly()[number // 50 % len(costly())]
    path = rng.choice(sorted(GOOD))
    if rng.random() < 0.8:
        return path, mutated_json(rng, GOOD[path])
    return path, mutated_bytes(rng, json.dumps(GOOD[path]).encode())
