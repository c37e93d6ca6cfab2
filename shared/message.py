"""What every message is."""

from __future__ import annotations

from typing import ClassVar


class Message:
    """Base of all messages."""

    __slots__ = ()
    num_parts: ClassVar[int] = 0
