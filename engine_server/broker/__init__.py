"""The broker: sockets, keys, jobs, blobs and the care of the worker. It never loads torch."""

from __future__ import annotations

from .background import running, serve
from .broker import Broker
from .config import BrokerConfig

__all__ = ["Broker", "BrokerConfig", "running", "serve"]
