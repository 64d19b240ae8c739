"""``llm-config``: what its commands do to the task groups' file, the key store and the settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from multi_llm_comparator.cli.consoles import messages, output, print_json, print_table, say
from multi_llm_comparator.cli.settings_work import keep_key
from multi_llm_comparator.core.bounded_json import load_json, read_json
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.keys import KeyStore
from multi_llm_comparator.core.plain_errors import said_of
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.settings import Settings, get_settings, save_settings
from multi_llm_comparator.groups.config import ModelDeclaration
from multi_llm_comparator.groups.config_edit import ConfigFile

MAX_BYTES = 1 << 20
FORMAT, VERSION = "multi-llm-comparator configuration", 1
# What an export leaves out: secrets, and what is true of one machine only.
LEFT_OUT = frozenset({"access_token", "jwt_secret", "database_url", "home", "models_dir", "configs_dir"})


async def preset(name: str | None, api_key: str | None, base_url: str | None, as_json: bool) -> None:
    """Choose an endpoint.

    Raises:
        ConfigurationError: a name that is not known and comes without an address, or an address that is none.
    """
    known = known_endpoints()
    if name is None:
        chosen = current_preset()
        if as_json:
            print_json({"presets": known, "current": chosen})
        for one, address in known.items() if not as_json else ():
            output.print(f"{'*' if chosen and chosen['name'] == one else ' '} {one:14} {address}")
        return
    url = base_url or known.get(name)
    if url is None:
        raise ConfigurationError(f"no endpoint is known as {name!r}; there are {', '.join(known)}; or give --base-url")
    _checked_model({"base_url": url})
    if api_key is not None:
        keep_key(name, api_key)
    write_atomically(_preset_path(), json.dumps({"name": name, "base_url": url}) + "\n", mode=0o600)
    say(f"add-model now means {name} at {url}", as_json, {"name": name, "base_url": url})


async def add_model(
    name: str,
    path: str,
    tags: Sequence[str],
    base_url: str | None,
    api_key: str | None,
    context_length: int | None,
    as_json: bool,
) -> None:
    """Declare a model.

    Raises:
        ConfigurationError: no endpoint, or a declaration that cannot be.
    """
    chosen = current_preset()
    if base_url is None and chosen is None:
        raise ConfigurationError("which endpoint? give --base-url, or choose one: llm-config preset --name NAME")
    provider = "own" if chosen is None or base_url is not None else chosen["name"]
    declared: dict[str, Any] = {
        "provider": provider,
        "base_url": base_url or (chosen or {})["base_url"],
        "model": path,
    }
    if api_key is not None:
        keep_key(name, api_key)
    key = name if api_key else provider
    if key in KeyStore().names():
        declared["key"] = f"store:{key}"
    declared |= {"tags": list(dict.fromkeys(tags))} if tags else {}
    declared |= {"context_length": context_length} if context_length else {}
    _checked_model(declared)
    file = ConfigFile()
    file.add_model(name, declared)
    say(f"{name} is declared in {file.path}", as_json, {"name": name, **declared})


async def remove_model(name: str, as_json: bool) -> None:
    """Take a declaration out of the file."""
    file = ConfigFile()
    file.remove_model(name)
    say(f"{name} is taken out of {file.path}", as_json, {"removed": name})


async def list_all(as_json: bool) -> None:
    """Show what is configured."""
    file, chosen = ConfigFile(), current_preset()
    data = file.read()
    models, groups = data.get("models") or {}, data.get("task_groups") or {}
    if as_json:
        said = {"file": str(file.path), "models": models, "task_groups": groups, "preset": chosen}
        print_json({**said, "keys": KeyStore().names()})
        return
    rows = []
    for name, entry in models.items():
        declared = entry or {}
        at = f"{declared['base_url']}  {declared.get('model', '')}" if declared.get("base_url") else "this machine"
        rows.append((str(name), at, str(declared.get("key", "")), " ".join(declared.get("tags", ()))))
    print_table(("model", "at", "key", "tags"), rows)
    output.print(f"groups: {', '.join(groups) or 'none'}")
    output.print(f"preset: {chosen['name']} at {chosen['base_url']}" if chosen else "preset: none")
    messages.print(f"from {file.path}")


async def export(to: str, as_json: bool) -> None:
    """Write all of it as JSON, which is one JSON value where it is printed. Keys are named in it and never there."""
    settings = get_settings().model_dump(mode="json", exclude=set(LEFT_OUT), exclude_defaults=True)
    data = {
        "format": FORMAT,
        "version": VERSION,
        "task_groups": ConfigFile().read(),
        "settings": settings,
        "preset": current_preset(),
    }
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    if to == "-":
        sys.stdout.write(text)
        return
    write_atomically(Path(to).expanduser(), text)
    messages.print(f"written: {to}")
    if as_json:
        print_json({"written": to})


async def import_file(path: Path, as_json: bool) -> None:
    """Take over what an export wrote.

    Raises:
        DocumentError: it is no such file.
        ConfigurationError: what it says is wrong; the old configuration stays.
    """
    data = read_json(read_bytes(path, MAX_BYTES), str(path), MAX_BYTES)
    if not isinstance(data, dict) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
        raise DocumentError(f"{str(path)!r} is not what llm-config export writes")
    settings, groups = data.get("settings") or {}, data.get("task_groups") or {}
    if not isinstance(settings, dict) or not isinstance(groups, dict):
        raise DocumentError(f"{str(path)!r}: 'settings' and 'task_groups' hold names and values")
    if taken := sorted(LEFT_OUT & settings.keys()):
        raise DocumentError(f"{str(path)!r} sets {', '.join(taken)}, which no file brings in; take it out")
    try:
        Settings(**{**get_settings().model_dump(), **settings})
    except ValidationError as exc:
        raise ConfigurationError(f"settings.{said_of(exc)}") from exc
    kept = ConfigFile().replace(groups)
    if settings:
        save_settings(settings)
    if (chosen := data.get("preset")) is not None:
        await preset(str(chosen.get("name")), None, str(chosen.get("base_url")), as_json=False)
    said = f"; what was there before is in {kept}" if kept else ""
    say(f"taken over from {path}{said}", as_json, {"imported": str(path), "before": str(kept) if kept else None})


def known_endpoints() -> dict[str, str]:
    """Addresses by name."""
    text = files("multi_llm_comparator.cli").joinpath("endpoint_presets.yaml").read_text(encoding="utf-8")
    found: dict[str, str] = yaml.safe_load(text)
    return found


def current_preset() -> dict[str, str] | None:
    """The endpoint that was chosen last; None before that."""
    try:
        data = load_json(_preset_path(), MAX_BYTES)
        return {"name": str(data["name"]), "base_url": str(data["base_url"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigurationError(f"{str(_preset_path())!r} cannot be read ({exc}); choose the preset again") from exc


def _preset_path() -> Path:
    return get_settings().home / "endpoint.json"


def _checked_model(declared: Mapping[str, Any]) -> None:
    try:
        ModelDeclaration(**declared)
    except ValidationError as exc:
        raise ConfigurationError(said_of(exc)) from exc
