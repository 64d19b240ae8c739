from __future__ import annotations

from starlette.datastructures import Headers

from multi_llm_comparator.server.callers import Callers
from multi_llm_comparator.server.sign_in import MAX_GUESSES, MAX_VISITORS, WINDOW_S, Guesses, SignIn

TOKEN = "the-token-of-this-test"


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


async def status(sign_in: SignIn, token: str, visitor: str = "192.0.2.1") -> int:
    scope = {
        "type": "http",
        "path": "/",
        "query_string": f"token={token}".encode(),
        "client": (visitor, 1),
        "scheme": "http",
    }
    answer = await sign_in.answer(scope, Headers({"host": "lab:8501"}))
    assert answer is not None
    return answer.status_code


async def test_wrong_tokens_are_limited_in_rate_by_visitor() -> None:
    clock = Clock()
    sign_in = SignIn(Callers(TOKEN), clock)
    assert [await status(sign_in, "wrong") for _ in range(MAX_GUESSES + 2)] == [401] * MAX_GUESSES + [429] * 2
    # Also the right one: otherwise the limit would tell it.
    assert await status(sign_in, TOKEN) == 429
    assert await status(sign_in, TOKEN, "192.0.2.2") == 303
    clock.at += WINDOW_S + 1
    assert await status(sign_in, TOKEN) == 303


def test_a_network_of_ipv6_is_one_visitor_and_an_address_of_ipv4_is_one_in_either_form() -> None:
    guesses = Guesses(Clock())
    for number in range(MAX_GUESSES):
        guesses.add(f"2001:db8::{number:x}")
        guesses.add(f"::ffff:192.0.2.{number}")
    assert guesses.are_too_many("2001:db8::abcd")
    assert not guesses.are_too_many("2001:db8:0:1::1")
    assert not guesses.are_too_many("192.0.2.1")


def test_what_is_remembered_of_visitors_is_bounded() -> None:
    guesses = Guesses(Clock())
    for number in range(MAX_VISITORS + 50):
        guesses.add(f"10.0.{number // 250}.{number % 250}")
    assert len(guesses._by_visitor) == MAX_VISITORS
