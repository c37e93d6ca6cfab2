"""A sample of every message, made from the types of its fields."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from typing import Any

from hypothesis import strategies as st

from panoloom.shared.messages import REGISTRY

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.dictionaries(
    TEXT, st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | NUMBERS | TEXT, max_size=3
)


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(strategy(option) for option in typing.get_args(hint)))
    if origin is tuple:
        return st.lists(strategy(typing.get_args(hint)[0]), max_size=2).map(tuple)
    if origin is dict:
        return PLAIN
    if dataclasses.is_dataclass(hint):
        return instances(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    simple = {
        str: TEXT,
        int: st.integers(-(2**63), 2**63 - 1),
        float: NUMBERS,
        bool: st.booleans(),
        type(None): st.none(),
    }
    return simple[hint]


def instances(cls: type) -> st.SearchStrategy[Any]:
    """Instances of a dataclass with arbitrary values of the right types."""
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{f.name: strategy(hints[f.name]) for f in dataclasses.fields(cls)})


ALL_MESSAGES = st.one_of(*(instances(cls) for cls in REGISTRY.values()))
