"""The API alone, without pages: ``llm-server``, or ``python -m multi_llm_comparator.server.app``.

    llm-server [--host 127.0.0.1] [--port 8000] [--allowed-host NAME] [--model NAME] [--context TOKENS]

Beyond 127.0.0.1 it answers whoever has the token: it is made at the start and printed, unless ``MLC_ACCESS_TOKEN`` or
the settings give one.
"""

from __future__ import annotations

import argparse
import socket
import sys
from typing import TYPE_CHECKING

from multi_llm_comparator import __version__

if TYPE_CHECKING:
    from multi_llm_comparator.server.access import Access

WRONG_USE, FAILED = 2, 1
PORT = 8000
# Connections that wait to be taken.
BACKLOG = 2048


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="llm-server", description="The models of this machine behind an OpenAI-compatible API"
    )
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    made.add_argument("--port", type=int, default=PORT, help=f"port to listen on (default: {PORT})")
    made.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer under this name too; may be repeated",
    )
    made.add_argument("--model", default="", metavar="NAME", help="answers requests that name no model")
    made.add_argument("--context", type=int, metavar="TOKENS", help="context of local models (default: 2048)")
    made.add_argument("--version", action="version", version=f"llm-server {__version__}")
    return made


def main() -> None:
    """Entry point: serves until it is interrupted; what is wrong is one message and an exit code."""
    arguments = parser().parse_args()
    # What serves takes a second to import, and --help needs none of it.
    from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError

    try:
        _serve(arguments)
    except (MultiLLMError, OSError) as exc:
        print(f"The server cannot start: {exc}", file=sys.stderr)
        sys.exit(WRONG_USE if isinstance(exc, ConfigurationError) else FAILED)


def _serve(arguments: argparse.Namespace) -> None:
    import uvicorn

    from multi_llm_comparator.core.config import ModelConfig
    from multi_llm_comparator.core.home import Announced, open_home
    from multi_llm_comparator.core.private_files import keep_files_private
    from multi_llm_comparator.core.settings import get_settings
    from multi_llm_comparator.core.telemetry import switch_off_telemetry
    from multi_llm_comparator.server.access import access_by_settings
    from multi_llm_comparator.server.alone import Alone
    from multi_llm_comparator.server.audit import keep_audit
    from multi_llm_comparator.server.guard import Guard
    from multi_llm_comparator.server.log import keep_log
    from multi_llm_comparator.server.oidc import provider_by_settings

    keep_files_private()
    switch_off_telemetry()
    settings = get_settings()
    access = access_by_settings(arguments.host, settings, arguments.allowed_host)
    n_ctx = ModelConfig.n_ctx if arguments.context is None else arguments.context
    ModelConfig(n_ctx=n_ctx).validate()
    open_home(settings.home)
    keep_log(settings.home / "logs" / "server.log")
    keep_audit(settings.home / "logs" / "audit.log")
    api = Alone(default_model=arguments.model, n_ctx=n_ctx, greeting=_greeting(arguments, access))
    # A port that is taken shows before anything is said or loaded.
    with _listening(arguments.host, arguments.port) as held:
        server = uvicorn.Server(
            uvicorn.Config(
                Guard(api, access, keys=api.keys, provider=provider_by_settings(settings)),
                log_level="warning",
                access_log=False,
            )
        )
        with Announced(settings.home, f"http://{_reachable(arguments.host)}:{arguments.port}"):
            server.run(sockets=[held])


def _listening(host: str, port: int) -> socket.socket:
    """Raises OSError: the port is taken, or the address is none of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _reachable(host: str) -> str:
    """How programs of this machine reach what listens at ``host``."""
    if host in ("", "0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _greeting(arguments: argparse.Namespace, access: Access) -> str:
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    said = f"The API is served at http://{host}:{arguments.port}/v1  (Ctrl+C ends it)"
    if access.token is None:
        return said
    return f"{said}\n  its key: {'the one you gave' if access.is_own_token else access.token}"


if __name__ == "__main__":
    main()
