from __future__ import annotations

import pytest

from tests.runs.kinds import KINDS
from tests.tracking.conftest import postgres_socket, shared_postgres_url, store, store_url

__all__ = ["postgres_socket", "shared_postgres_url", "store", "store_url"]


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
async def life(kind, store):
    opened = KINDS[kind](store)
    yield opened
    await opened.runs.aclose()
