"""`panoloom serve`: an engine for one library, until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from typing import Any

from ...shared.errors import UserError
from ..broker import Broker, BrokerConfig
from ..broker.background import serve
from ..config import engine_version
from .access import add_library_word, library_of, make_broker
from .exits import DONE, WRONG_WORDS


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser("serve", help="run an engine")
    add_library_word(parser)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=0, help="port of the control socket (default: any free)")
    add("--blob-port", type=_port, default=0, help="port of the blob socket (default: any free)")
    remote = "let other machines reach the engine: jobs, previews and references cross the wire, "
    remote += "results stay in the library here (shared/PROTOCOL.md, Another machine)"
    add("--allow-remote", action="store_true", help=remote)
    idle = "seconds without work after which memory is given back, 0 never (%(default)g)"
    add("--idle", type=float, default=900.0, metavar="S", help=idle)
    add("--warm", action="store_true", help="start the worker now, not with the first job")
    add("--verbose", action="store_true", help="log what happens on standard error")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal or a request to shut down."""
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    config = BrokerConfig(
        library=library_of(options),
        engine_version=engine_version(),
        host=options.host,
        control_port=options.port,
        blob_port=options.blob_port,
        allow_remote=options.allow_remote,
        starts_worker_early=options.warm,
        idle_worker_s=options.idle if options.idle > 0 else None,
    )
    try:
        config.check_host()
    except UserError as why:
        print(f"panoloom: {why}", file=sys.stderr)
        return WRONG_WORDS
    broker = make_broker(config)
    threading.Thread(target=_announce, args=(broker,), daemon=True).start()
    serve(broker)
    return DONE


def _announce(broker: Broker) -> None:
    broker.started.wait()
    found = broker.connection
    if found is not None:
        print(f"Serving {found.library} at {found.control}; Ctrl-C ends it.", flush=True)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)
