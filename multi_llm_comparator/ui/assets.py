"""Files that the pages' own components fetch: Plotly's library, from the installed package."""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

_PLOTLY = Path(str(files("plotly"))) / "package_data" / "plotly.min.js"
_PLOTLY_PATH = "/assets/plotly.min.js"
# The address changes with the version, so a browser may keep the file.
PLOTLY_URL = f"{_PLOTLY_PATH}?v={version('plotly')}"
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


async def _plotly(_: Request) -> Response:
    return FileResponse(_PLOTLY, media_type="text/javascript", headers=_FOREVER)


def asset_routes() -> list[Route]:
    return [Route(_PLOTLY_PATH, _plotly)]
