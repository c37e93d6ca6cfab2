"""How a command reaches an engine: the one that serves the library, or one of its own."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from ...shared.connection import Connection, read_connection
from ...shared.errors import EngineUnreachable, InvalidJob
from ...shared.remote import RemoteEngine, Where, parse_address
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


def add_engine_words(parser: argparse.ArgumentParser) -> None:
    """The options that name an engine on another machine."""
    add = parser.add_argument
    add("--engine", metavar="HOST[:PORT]", help="an engine on another machine, with its --key")
    key = "copy of the key file that `panoloom serve --listen` made there"
    add("--key", type=Path, metavar="FILE", help=key)


def remote_of(options: argparse.Namespace) -> RemoteEngine | None:
    """The engine on another machine that a command names; None for this machine's own.

    Raises:
        InvalidJob: The address is none, or one of the two options is missing.
    """
    if options.engine is None and options.key is None:
        return None
    if options.engine is None or options.key is None:
        raise InvalidJob(
            "An engine on another machine takes both --engine HOST[:PORT] and --key FILE.",
            field="engine",
        )
    parse_address(options.engine)
    return RemoteEngine(options.engine, options.key.expanduser())


def library_of(options: argparse.Namespace) -> Path:
    """The library a command is about, absolute."""
    return EngineConfig.read(library=options.library).library


def make_broker(config: BrokerConfig) -> Broker:
    """A broker that knows our models."""
    models = [catalog.to_plain(card) for card in catalog.MODELS.values()]
    return Broker(config, catalog.plan, models)


def engine_there(options: argparse.Namespace) -> Engine:
    """The engine that serves the library, or the one on another machine.

    Raises:
        EngineUnreachable: There is none.
    """
    return Engine.connect(remote_of(options) or library_of(options))


@contextlib.contextmanager
def engine_or_own(library: Path, remote: RemoteEngine | None = None) -> Iterator[Engine]:
    """The engine that serves `library`; without one, a broker of our own for the block.

    Args:
        remote: An engine on another machine instead of both.

    Raises:
        UserError: The library cannot be used.
        EngineUnreachable: The engine on another machine does not answer.
    """
    connection = remote or find(library)
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


def connect(where: Where) -> Engine:
    """A client of that engine, once it has answered."""
    return Engine.connect(where, timeout_s=ANSWER_S, patience_s=PATIENCE_S)


def find(library: Path) -> Connection | None:
    """The connection of the engine that runs for `library`, or None."""
    try:
        return read_connection(library)
    except EngineUnreachable:
        return None
