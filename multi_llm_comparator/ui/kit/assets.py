"""What is served beside the pages: Plotly's library, from the installed package, and the first page's other address;
and what the page itself holds of scripts."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

_PLOTLY = Path(str(files("plotly"))) / "package_data" / "plotly.min.js"
_PLOTLY_PATH = "/assets/plotly.min.js"
# The address changes with the version, so a browser may keep the file.
PLOTLY_URL = f"{_PLOTLY_PATH}?v={version('plotly')}"
_PAGE = Path(str(files("streamlit"))) / "static" / "index.html"
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


async def _plotly(_: Request) -> Response:
    return FileResponse(_PLOTLY, media_type="text/javascript", headers=_FOREVER)


async def _first_page(request: Request) -> Response:
    """Streamlit knows its first page by the address without a name alone."""
    query = request.url.query
    return RedirectResponse(f"/{'?' if query else ''}{query}", 307)


def asset_routes() -> list[Route]:
    return [Route(_PLOTLY_PATH, _plotly), Route("/compare", _first_page)]


def page_script_hashes() -> list[str]:
    """Of the scripts that Streamlit's page holds, as a Content-Security-Policy names them."""
    scripts = _SCRIPT.findall(_PAGE.read_text(encoding="utf-8"))
    return [f"sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}" for one in scripts]
