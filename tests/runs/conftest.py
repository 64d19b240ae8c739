from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from multi_llm_comparator.tracking.store import Store
from tests.runs.kinds import KINDS, Life
from tests.tracking.conftest import postgres_socket, shared_postgres_url, store, store_url

__all__ = ["postgres_socket", "shared_postgres_url", "store", "store_url"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def life(kind: str, store: Store) -> AsyncIterator[Life]:
    opened = KINDS[kind](store)
    yield opened
    await opened.runs.aclose()
