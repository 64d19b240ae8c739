"""``APIConfigManager``: models and endpoints told in code, written to a file, read from one, or kept for the app."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.keys import KeyStore
from multi_llm_comparator.core.plain_errors import said_of
from multi_llm_comparator.groups.config_edit import ConfigFile
from multi_llm_comparator.programs.system_config import MAX_MODELS, ModelSettings, SystemConfig

FORMAT, VERSION = "llm-cooperation models", 1
MAX_BYTES = 4 << 20


class _Model(ClosedModel):
    model_path: str = Field(min_length=1, max_length=1000)
    api_base_url: str | None = None
    supported_tasks: tuple[str, ...] = ()
    max_tokens: int | None = Field(default=None, gt=0)
    temperature: float | None = Field(default=None, ge=0, le=2)


class _Document(ClosedModel):
    format: str
    version: int
    base_url: str | None = None
    models: dict[str, _Model] = Field(max_length=MAX_MODELS)


class APIConfigManager:
    """Changes a configuration in code.

    Args:
        config: what is changed; one of its own by default.
    """

    def __init__(self, config: SystemConfig | None = None) -> None:
        self.config = config or SystemConfig()

    def add_model_config(
        self,
        model_name: str,
        model_path: str,
        api_base_url: str | None = None,
        api_key: str | None = None,
        supported_tasks: Sequence[str] = (),
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> None:
        """See :meth:`SystemConfig.add_custom_model`."""
        self.config.add_custom_model(
            model_name,
            model_path,
            supported_tasks,
            api_base_url=api_base_url,
            api_key=api_key,
            max_tokens=max_tokens,
            temperature=temperature,
        )

    def remove_model_config(self, model_name: str) -> None:
        """See :meth:`SystemConfig.remove_model`."""
        self.config.remove_model(model_name)

    def list_models(self) -> dict[str, ModelSettings]:
        """Settings by name."""
        return dict(self.config.MODELS)

    def export_config(self, path: str | Path | None = None) -> dict[str, Any]:
        """The models and the usual endpoint as plain data, without any key; written to ``path`` as JSON if given."""
        models = {
            name: {
                "model_path": one.model_path,
                "api_base_url": one.api_base_url,
                "supported_tasks": list(one.supported_tasks),
                "max_tokens": one.max_tokens,
                "temperature": one.temperature,
            }
            for name, one in self.config.MODELS.items()
        }
        data = {"format": FORMAT, "version": VERSION, "base_url": self.config.API.base_url, "models": models}
        if path is not None:
            write_atomically(Path(path), json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return data

    def import_config(self, path: str | Path) -> list[str]:
        """Add the models of an exported file, in the place of those of the same name; their names. Keys are given
        afterwards.

        Raises:
            DocumentError: it is no such file.
            ConfigurationError: a model of it cannot be declared.
        """
        try:
            document = _Document.model_validate(load_json(Path(path), MAX_BYTES))
        except ValidationError as exc:
            raise DocumentError(f"{str(path)!r}: {said_of(exc, whole='file')}") from exc
        except (OSError, ValueError) as exc:
            raise DocumentError(f"{str(path)!r} cannot be read: {exc}") from exc
        if (document.format, document.version) != (FORMAT, VERSION):
            raise DocumentError(f"{str(path)!r} is of the format {document.format!r}, not {FORMAT!r}")
        if document.base_url is not None:
            self.config.update_api_config(base_url=document.base_url)
        for name, one in document.models.items():
            self.add_model_config(name, **one.model_dump())
        return list(document.models)

    def save(self) -> list[str]:
        """Put the models that were told in code into the configuration's file, and their keys into the key store, so
        that the app, the API and the commands have them too; their names.

        Raises:
            ConfigurationError: the file has such a name already, or cannot be changed.
        """
        file, added = ConfigFile(), []
        for name, one in self.config.MODELS.items():
            if one.declared is not None:
                continue
            base_url = one.api_base_url or self.config.API.base_url
            if base_url is None and one.model_path == name:
                continue
            file.add_model(name, self._declared(name, one, base_url))
            added.append(name)
        return added

    def _declared(self, name: str, one: ModelSettings, base_url: str | None) -> dict[str, Any]:
        tasks = {"supported_tasks": list(one.supported_tasks)} if one.supported_tasks else {}
        if base_url is None:
            return {"local": one.model_path, **tasks}
        declared = {"provider": "own", "base_url": base_url, "model": one.model_path, **tasks}
        key = one.api_key or (None if one.api_base_url else self.config.API.api_key)
        if key is None:
            return declared
        KeyStore().set(name, key)
        return {**declared, "key": f"store:{name}"}
