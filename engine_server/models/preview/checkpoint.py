"""Training states and weights in files that hold tensors and plain facts, nothing executable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from .autoencoder import Autoencoder
from .denoiser import Denoiser

AUTOENCODER, DENOISER = "autoencoder.safetensors", "denoiser.safetensors"


def _flatten(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The same structure with every tensor replaced by {"tensor": name}."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().contiguous().clone()
        return {"tensor": path}
    if isinstance(value, dict):
        return {"items": [[k, _flatten(v, f"{path}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_flatten(v, f"{path}/{i}", tensors) for i, v in enumerate(value)]}
    return {"plain": value}


def _restore(node: Any, tensors: dict[str, Tensor]) -> Any:
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "items" in node:
        return {k: _restore(v, tensors) for k, v in node["items"]}
    if "list" in node:
        return [_restore(v, tensors) for v in node["list"]]
    return node["plain"]


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors and plain values, in one move."""
    tensors: dict[str, Tensor] = {}
    tree = _flatten(state, "", tensors)
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata={"tree": json.dumps(tree)})
    part.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote; tuples come back as lists."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        tree = json.loads(file.metadata()["tree"])
    return _restore(tree, tensors)


def note(path: Path, line: str) -> None:
    """Add a line to a log."""
    with path.open("a") as log:
        log.write(line + "\n")


def load_autoencoder(path: Path) -> Autoencoder:
    """The autoencoder of a training run, ready to use."""
    model = Autoencoder()
    model.load_state_dict(load_state(path)["model"])
    return model.eval().requires_grad_(False)


def load_average(path: Path) -> Denoiser:
    """The moving average of a training run's denoiser, ready to use."""
    model = Denoiser()
    model.load_state_dict(load_state(path)["average"])
    return model.eval().requires_grad_(False)


def export(run: Path, folder: Path) -> None:
    """Write the weights of a run, in half precision, as the two files the adapter reads."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"format": "pt", "licence": "GPL-3.0-or-later"}
    refined = run / "decoder.safetensors"
    models = {
        AUTOENCODER: load_autoencoder(
            refined if refined.exists() else run / "autoencoder.safetensors"
        ),
        DENOISER: load_average(run / "denoiser.safetensors"),
    }
    for name, model in models.items():
        tensors = {key: value.half().contiguous() for key, value in model.state_dict().items()}
        save_file(tensors, folder / name, metadata=facts)
        (folder / name).chmod(0o644)


def load_weights(folder: Path) -> tuple[Autoencoder, Denoiser]:
    """The two networks of an exported folder, in float32, ready to use."""
    autoencoder, denoiser = Autoencoder(), Denoiser()
    for name, model in ((AUTOENCODER, autoencoder), (DENOISER, denoiser)):
        state = load_file(folder / name)
        model.load_state_dict({key: value.float() for key, value in state.items()})
        model.eval().requires_grad_(False)
    return autoencoder, denoiser
