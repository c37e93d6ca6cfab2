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
from ..config import EngineConfig, Executors, engine_version
from ..models import catalog

ANSWER_S = 10.0
"""How long an engine may take to answer."""

MOST_EXECUTORS = 256

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


def add_executor_words(parser: argparse.ArgumentParser) -> None:
    """The options that say who evaluates the views of a job."""
    add = parser.add_argument
    count = "processes that evaluate views, each with a model of its own (default: one a GPU, else "
    count += "one; PANOLOOM_EXECUTORS); the pictures are the same"
    add("--executors", type=_count, metavar="N", help=count)
    cluster = "have N actors of a Ray cluster do it: its address, auto, or local"
    add("--cluster", default="", metavar="ADDRESS", help=cluster)


def executors_of(options: argparse.Namespace) -> Executors:
    """Who is to evaluate, with what the environment says where the command says nothing.

    Raises:
        InvalidJob: A cluster without a number, or PANOLOOM_EXECUTORS is none.
    """
    found = Executors.read(count=options.executors, cluster=options.cluster)
    if found.cluster and not found.count:
        raise InvalidJob(
            "--cluster takes --executors N too: how many actors evaluate views.", field="executors"
        )
    return found


def asked_executors(options: argparse.Namespace) -> Executors | None:
    """Likewise, for a command that only may bring an engine of its own; None: it says nothing."""
    says_nothing = options.executors is None and not options.cluster
    return None if says_nothing else executors_of(options)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_EXECUTORS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from 0 (one a GPU) to {MOST_EXECUTORS}"
        )
    return int(text)


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
def engine_or_own(
    library: Path, remote: RemoteEngine | None = None, executors: Executors | None = None
) -> Iterator[Engine]:
    """The engine that serves `library`; without one, a broker of our own for the block.

    Args:
        remote: An engine on another machine instead of both.
        executors: Who evaluates views in our own; None is the default.

    Raises:
        UserError: The library cannot be used.
        InvalidJob: `executors` are asked of an engine that runs already.
        EngineUnreachable: The engine on another machine does not answer.
    """
    connection = remote or find(library)
    if connection is not None:
        if executors is not None:
            raise InvalidJob(
                "An engine is there already, and how many evaluate in it was said when it was "
                "started. Leave --executors and --cluster out, or end that engine and start it "
                "with them: `panoloom serve --executors N`.",
                field="executors",
            )
        with connect(connection) as engine:
            yield engine
        return
    config = BrokerConfig(
        library=library,
        engine_version=engine_version(),
        starts_worker_early=True,
        worker_words=(executors or Executors.read()).words(),
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
