"""Frozen dataclasses to plain data and back, checked field by field.

Plain data is what msgpack and JSON both carry: dicts with text keys, lists, text, numbers, booleans
and None. Coming back, unknown fields are ignored, missing ones take their defaults and a wrong type
is an error that names the field. Jobs and messages share this one path.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from enum import Enum
from typing import Any, TypeVar, cast

from .errors import PanoloomError

T = TypeVar("T")
Wrong = type[PanoloomError]
_PLAIN_KINDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
}
MAX_DEPTH = 8


def to_plain(value: Any) -> Any:
    """Dataclasses, enums and tuples as dicts, text and lists; `float` fields hold floats."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            name: _float_if_declared(hint, to_plain(getattr(value, name)))
            for name, (hint, _) in _fields(type(value)).items()
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return value


def from_plain(cls: type[T], plain: Any, *, error: Wrong, where: str) -> T:
    """An instance of the dataclass `cls` from plain data.

    Args:
        error: Class raised for a wrong type or a missing field; gets `field=` with the dotted name.
        where: What to call the whole in the sentence.
    """
    return _build(cls, plain, error, where, "", 0)


def _build(cls: type[T], plain: Any, error: Wrong, where: str, path: str, depth: int) -> T:
    is_table = isinstance(plain, dict) and all(type(key) is str for key in plain)
    if not is_table or depth > MAX_DEPTH:
        raise error(f"The {where} should be a table of fields{_at(path)}.", field=path)
    values: dict[str, Any] = {}
    for name, (hint, is_required) in _fields(cls).items():
        inner = f"{path}.{name}" if path else name
        if name in plain:
            values[name] = _convert(hint, plain[name], error, where, inner, depth + 1)
        elif is_required:
            raise error(f"The {where} lacks the field {inner}.", field=inner)
    return cls(**values)


def _convert(hint: Any, value: Any, error: Wrong, where: str, path: str, depth: int) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        if value is None and len(options) < len(typing.get_args(hint)):
            return None
        return _convert(options[0], value, error, where, path, depth)
    if origin is tuple:
        return tuple(_items(typing.get_args(hint)[0], value, error, where, path, depth))
    if origin is dict:
        hint = dict
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, value, error, where, path, depth)
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError as why:
            known = ", ".join(str(member.value) for member in hint)
            raise error(
                f"The {where} has an unknown {path}; known are {known}.", field=path
            ) from why
    return _scalar(cast(type, hint), value, error, where, path)


def _items(hint: Any, value: Any, error: Wrong, where: str, path: str, depth: int) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise error(f"The {where} should have a list in {path}.", field=path)
    return [
        _convert(hint, item, error, where, f"{path}[{index}]", depth + 1)
        for index, item in enumerate(value)
    ]


def _scalar(hint: type, value: Any, error: Wrong, where: str, path: str) -> Any:
    kind = type(value)
    if hint is float and kind is int and abs(value) < 2**63:
        return float(value)
    if hint is float and kind is float and not math.isfinite(value):
        raise error(f"The {where} should have a finite number in {path}, not {value}.", field=path)
    if kind is hint or (hint is str and isinstance(value, Enum) and isinstance(value, str)):
        if hint is dict and not all(type(key) is str for key in value):
            raise error(f"The {where} should have text keys in {path}.", field=path)
        return value
    wanted = _PLAIN_KINDS.get(hint, hint.__name__)
    raise error(f"The {where} should have {wanted} in {path}, not {kind.__name__}.", field=path)


def _float_if_declared(hint: Any, value: Any) -> Any:
    is_float = hint is float or float in typing.get_args(hint)
    return float(value) + 0.0 if is_float and type(value) in (int, float) else value


def _at(path: str) -> str:
    return f" at {path}" if path else ""


@functools.cache
def _fields(cls: type) -> dict[str, tuple[Any, bool]]:
    """Name to (type, is required) of a dataclass, in order."""
    hints = typing.get_type_hints(cls)
    return {
        f.name: (
            hints[f.name],
            f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING,
        )
        for f in dataclasses.fields(cls)
    }
