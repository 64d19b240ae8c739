"""The headers in which the gate tells the pages for whom they are drawn. Values are percent-encoded."""

from __future__ import annotations

CALLER_HEADER = "X-Mlc-Caller"
NAME_HEADER = "X-Mlc-Caller-Name"
SCOPES_HEADER = "X-Mlc-Caller-Scopes"
