"""Shared links: ``/shared/TOKEN`` shows one run as a page, to whoever has the link, and nothing else."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.sharing.links import PATH, SharedLinks

router = APIRouter(include_in_schema=False)
_GONE = (
    "<!doctype html><meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>404</title>"
    "<p>This link shows nothing: it has expired, was taken back, or was never made here.</p>"
    "<p lang='zh'>此链接没有内容：已过期、已撤回，或并非由此处生成。</p>"
)
# The page loads nothing and runs nothing; it is nobody's to keep, index or frame.
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}


@router.get(PATH + "{token}")
async def show_shared(token: str, request: Request, lang: Language = "en") -> Response:
    """The run as its export as HTML. Whatever is wrong looks the same, so that nothing is told of what there is."""
    served: Served = request.app.state.served()
    run_id = SharedLinks(get_settings().home).run_of(token)
    if served.runs is None or run_id is None:
        return HTMLResponse(_GONE, 404, headers=_HEADERS)
    try:
        file = await served.there(RunFiles(served.runs).export(run_id, "html", lang))
    except MultiLLMError:
        return HTMLResponse(_GONE, 404, headers=_HEADERS)
    return HTMLResponse(file.data, headers=_HEADERS)
