"""The models in memory: loaded at first use, kept, and given back on request."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from ..models import catalog
from ..models.adapter import Adapter
from ..models.preview.adapter import PreviewAdapter

DEVICE = "cpu"
PRECISION = "float32"

_FAMILIES: dict[str, Callable[[], Adapter]] = {"preview": lambda: PreviewAdapter(device=DEVICE)}


class LoadedModels:
    """Adapters by model name; at most one is in memory."""

    def __init__(self) -> None:
        self._name = ""
        self._adapter: Adapter | None = None

    def load(self, name: str) -> Adapter:
        """The adapter of model `name`, ready to work.

        Raises:
            InvalidJob: There is no such model.
            ModelNotInstalled: Its weights are missing.
        """
        catalog.revision(catalog.find(name))
        if self._adapter is None or self._name != name:
            self.free()
            self._adapter = _FAMILIES[name]()
            self._name = name
        return self._adapter

    def free(self) -> None:
        """Forget the weights."""
        self._adapter, self._name = None, ""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
