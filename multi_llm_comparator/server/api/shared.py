"""Shared links: ``/shared/TOKEN`` shows one run as a page, to whoever has the link, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.sharing.links import PATH, SharedLinks

router = APIRouter(include_in_schema=False)
# Whoever has a link needs no key: so many pages are made at once, so many more wait; one is shown again for a moment.
MAX_MADE_AT_ONCE, MAX_WAITING, SHOWN_AGAIN_S = 2, 16, 5.0
MAX_KEPT, MAX_KEPT_BYTES = 8, 4 * 2**20
_GONE = (
    "<!doctype html><meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>404</title>"
    "<p>This link shows nothing: it has expired, was taken back, or was never made here.</p>"
    "<p lang='zh'>此链接没有内容：已过期、已撤回，或并非由此处生成。</p>"
)
_BUSY = (
    "<!doctype html><meta charset='utf-8'><title>503</title>"
    "<p>Many look at shared runs just now; try again in a moment.</p>"
    "<p lang='zh'>当前查看共享运行的人较多，请稍后再试。</p>"
)
# The page loads nothing and runs nothing, and is not of the app's origin; it is nobody's to keep, index or frame.
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "sandbox allow-popups allow-popups-to-escape-sandbox",
}


class TooManyLookError(Exception):
    """More want to see shared runs than are shown at a time."""


class SharedPages:
    """Makes pages of shared runs, few at a time.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places = asyncio.Semaphore(MAX_MADE_AT_ONCE)
        self._here = 0
        self._kept: OrderedDict[tuple[str, str], tuple[float, bytes]] = OrderedDict()

    async def page(self, run_id: str, language: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The page of a run, as ``make`` makes it or made it a moment ago.

        Raises:
            TooManyLookError: no place is free, and none is likely to be soon.
        """
        if self._here >= MAX_MADE_AT_ONCE + MAX_WAITING:
            raise TooManyLookError
        self._here += 1
        try:
            async with self._places:
                made_at, page = self._kept.get((run_id, language), (0.0, b""))
                if not page or self._clock() - made_at >= SHOWN_AGAIN_S:
                    page = await make()
                    self._keep((run_id, language), page)
                return page
        finally:
            self._here -= 1

    def _keep(self, name: tuple[str, str], page: bytes) -> None:
        self._kept.pop(name, None)
        if len(page) <= MAX_KEPT_BYTES:
            self._kept[name] = (self._clock(), page)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)


@router.get(PATH + "{token}")
async def show_shared(token: str, request: Request, lang: Language = "en") -> Response:
    """The run as its export as HTML. Whatever is wrong looks the same, so that nothing is told of what there is."""
    served: Served = request.app.state.served()
    run_id = SharedLinks(get_settings().home).run_of(token)
    runs = served.runs
    if runs is None or run_id is None:
        return HTMLResponse(_GONE, 404, headers=_HEADERS)

    async def make() -> bytes:
        return (await served.there(RunFiles(runs).export(run_id, "html", lang))).data

    try:
        pages: SharedPages = request.app.state.shared_pages
        return HTMLResponse(await pages.page(run_id, lang, make), headers=_HEADERS)
    except TooManyLookError:
        return HTMLResponse(_BUSY, 503, headers={**_HEADERS, "Retry-After": "2"})
    except MultiLLMError:
        return HTMLResponse(_GONE, 404, headers=_HEADERS)
