from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from multi_llm_comparator.tracking.store import Store
from tests.cooperation.making import Cooperating
from tests.support.gateways import ActingSource


@pytest.fixture
def source() -> ActingSource:
    return ActingSource()


@pytest.fixture
async def work(store: Store, source: ActingSource) -> AsyncIterator[Cooperating]:
    opened = Cooperating(store, source)
    yield opened
    await opened.runs.aclose()
    assert not source.running.total()
