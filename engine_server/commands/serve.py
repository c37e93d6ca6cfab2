"""`panoloom serve`: an engine for one library, until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from pathlib import Path
from typing import Any

from ...shared.connection import STATE_FOLDER
from ...shared.errors import InvalidJob, UserError
from ...shared.remote import DEFAULT_PORT, REMOTE_KEY_NAME, parse_address
from ..broker import Broker, BrokerConfig
from ..broker.background import serve
from ..config import engine_version
from .access import add_executor_words, add_library_word, executors_of, library_of, make_broker
from .exits import DONE, WRONG_WORDS


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser("serve", help="run an engine")
    add_library_word(parser)
    add = parser.add_argument
    listen = "also let other machines in, at this address: 0.0.0.0 for every one of this machine, "
    listen += f"with a port or the port {DEFAULT_PORT} (default: this machine alone)"
    add("--listen", type=_address, metavar="ADDRESS[:PORT]", help=listen)
    key = "their key file, made where there is none (default: .panoloom/remote.key in the library)"
    add("--key-file", type=Path, metavar="FILE", help=key)
    idle = "seconds without work after which memory is given back, 0 never (%(default)g)"
    add("--idle", type=float, default=900.0, metavar="S", help=idle)
    add("--warm", action="store_true", help="start the worker now, not with the first job")
    add_executor_words(parser)
    add("--verbose", action="store_true", help="log what happens on standard error")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal or a request to shut down."""
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    library = library_of(options)
    host, port = options.listen or ("127.0.0.1", 0)
    key_file = options.key_file or library / STATE_FOLDER / REMOTE_KEY_NAME
    config = BrokerConfig(
        library=library,
        engine_version=engine_version(),
        host=host,
        control_port=port,
        blob_port=port + 1 if port else 0,
        remote_key=key_file.expanduser().absolute() if options.listen else None,
        starts_worker_early=options.warm,
        idle_worker_s=options.idle if options.idle > 0 else None,
        worker_words=executors_of(options).words(),
    )
    try:
        config.check_host()
    except UserError as why:
        print(f"panoloom: {why}", file=sys.stderr)
        return WRONG_WORDS
    broker = make_broker(config)
    threading.Thread(target=_announce, args=(broker, config), daemon=True).start()
    serve(broker)
    return DONE


def _announce(broker: Broker, config: BrokerConfig) -> None:
    broker.started.wait()
    found = broker.connection
    if found is None:
        return
    print(f"Serving {found.library} at {found.control}; Ctrl-C ends it.", flush=True)
    if config.remote_key is not None:
        where = f"port {config.control_port} and {config.blob_port} of this machine"
        print(f"Other machines reach it at {where}, with {config.remote_key}.", flush=True)
        print("Whoever has that file can use the engine: carry it like a password.", flush=True)


def _address(text: str) -> tuple[str, int]:
    try:
        return parse_address(text)
    except InvalidJob as why:
        raise argparse.ArgumentTypeError(str(why)) from why
