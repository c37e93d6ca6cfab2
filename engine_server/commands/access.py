"""How a command reaches an engine: the one that serves the library, or one of its own."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from ...shared.connection import Connection, read_connection
from ...shared.errors import EngineUnreachable
from ..broker import Broker, BrokerConfig, running
from ..client import Engine
from ..config import EngineConfig, engine_version
from ..models import catalog

ANSWER_S = 10.0
"""How long an engine may take to answer."""

PATIENCE_S = 5.0
"""How long to look for an engine that has gone before bringing one of our own."""


def add_library_word(
    parser: argparse.ArgumentParser,
    *words: str,
    default: str = "PANOLOOM_LIBRARY, else the user's data folder",
) -> None:
    """The option that names the library; `words` are its spellings."""
    parser.add_argument(
        *(words or ("--library",)),
        dest="library",
        type=Path,
        metavar="LIBRARY",
        help=f"folder for results (default: {default})",
    )


def library_of(options: argparse.Namespace) -> Path:
    """The library a command is about, absolute."""
    return EngineConfig.read(library=options.library).library


def make_broker(config: BrokerConfig) -> Broker:
    """A broker that knows our models."""
    models = [card.to_plain() for card in catalog.MODELS.values()]
    return Broker(config, catalog.plan, models)


def engine_there(options: argparse.Namespace) -> Engine:
    """The engine that serves the library.

    Raises:
        EngineUnreachable: There is none.
    """
    return Engine.connect(library_of(options))


@contextlib.contextmanager
def engine_or_own(library: Path) -> Iterator[Engine]:
    """The engine that serves `library`; without one, a broker of our own for the block.

    Raises:
        UserError: The library cannot be used.
    """
    connection = find(library)
    if connection is not None:
        with connect(connection) as engine:
            yield engine
        return
    config = BrokerConfig(
        library=library,
        engine_version=engine_version(),
        starts_worker_early=True,
        handles_signals=False,
    )
    with running(make_broker(config)) as broker:
        assert broker.connection is not None
        with connect(broker.connection) as engine:
            yield engine


def connect(where: Connection) -> Engine:
    """A client of that engine, once it has answered."""
    return Engine.connect(where, timeout_s=ANSWER_S, patience_s=PATIENCE_S)


def find(library: Path) -> Connection | None:
    """The connection of the engine that runs for `library`, or None."""
    try:
        return read_connection(library)
    except EngineUnreachable:
        return None
