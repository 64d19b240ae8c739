"""What ``llm-config secret`` and ``settings`` do: what the Settings page does, but for keys of the API."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from multi_llm_comparator.cli.beside import tell
from multi_llm_comparator.cli.consoles import messages, output, print_json, say
from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.keys import KeyStore
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.settings import Settings, get_settings, save_settings, settings_path

MAX_KEY_CHARS = 4096
# Secrets, or addresses that may hold one.
HIDDEN = frozenset({"access_token", "jwt_secret", "oidc_client_secret", "database_url", "mlflow_uri"})


async def list_secrets(as_json: bool) -> None:
    """Names alone."""
    names = KeyStore().names()
    if as_json:
        print_json(names)
        return
    for name in names:
        output.print(name)


async def set_secret(name: str, given: str, as_json: bool) -> None:
    """Raises ConfigurationError: the key is empty, or the name cannot be."""
    keep_key(name, given)
    await tell(keys=[name])
    say(f"kept as store:{name}", as_json, {"name": name, "reference": f"store:{name}"})


def keep_key(name: str, given: str) -> None:
    """Keep a key; ``-`` reads it from a pipe. Raises ConfigurationError: it is empty, or the name cannot be."""
    key = sys.stdin.readline(MAX_KEY_CHARS).strip() if given == "-" else given.strip()
    if not key:
        raise ConfigurationError("the key is empty; write it into a pipe: llm-config secret set NAME < file")
    KeyStore().set(name, SecretStr(key))


async def delete_secret(name: str, as_json: bool) -> None:
    """Raises ConfigurationError: there is none of that name."""
    names = KeyStore().names()
    if name not in names:
        raise ConfigurationError(f"no key is kept as {name!r}{did_you_mean(name, names)}")
    KeyStore().delete(name)
    await tell(keys=[name])
    say(f"forgotten: store:{name}", as_json, {"deleted": name})


async def list_settings(is_changed_only: bool, as_json: bool) -> None:
    """Every setting; of secrets only whether there is one."""
    found = get_settings().model_dump(mode="json", exclude_defaults=is_changed_only)
    shown: dict[str, Any] = {name: _shown(name, value) for name, value in found.items()}
    if as_json:
        print_json(shown)
        return
    for name, value in shown.items():
        output.print(f"{name:20} {'' if value is None else value}")
    messages.print(f"from {settings_path()} and the environment; what each means: docs/settings.md")


def _shown(name: str, value: Any) -> Any:
    return ("(set)" if value else "") if name in HIDDEN else value


async def set_settings(values: Sequence[str], as_json: bool) -> None:
    """Raises ConfigurationError: a name or value that cannot be; nothing is written then."""
    changes = dict(map(_read, values))
    save_settings(changes)
    await _end(list(changes), as_json)


def _read(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigurationError(f"{text[:80]!r} is no setting; write NAME=VALUE, such as max_memory_gb=8")
    _check(name)
    try:
        return name, parse_yaml(value.encode())
    except ValueError as exc:
        raise ConfigurationError(f"the value of {name!r} is not readable as YAML: {exc}") from exc


def _check(name: str) -> None:
    if name not in Settings.model_fields:
        names = list(Settings.model_fields)
        raise ConfigurationError(f"there is no setting {name[:80]!r}{did_you_mean(name, names)}; see docs/settings.md")


async def unset(names: Sequence[str], as_json: bool) -> None:
    """Raises ConfigurationError: no such setting."""
    for name in names:
        _check(name)
    save_settings({}, forgotten=names)
    await _end(names, as_json)


async def _end(names: Sequence[str], as_json: bool) -> None:
    now = get_settings().model_dump(mode="json")
    is_told = await tell(settings=True)
    outranked = [name for name in names if f"MLC_{name.upper()}" in os.environ]
    for name in outranked:
        messages.print(f"{name} is set in the environment, which outranks the file", style="yellow")
    told = {"settings": {name: _shown(name, now[name]) for name in names}, "file": str(settings_path())}
    when = "a workbench that runs has taken it over" if is_told else "holds from the next start"
    say(f"written to {settings_path()}: {when}", as_json, {**told, "taken_over": is_told, "outranked": outranked})
