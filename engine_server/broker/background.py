"""A broker in a thread of its own, for a command that brings its own engine."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

from .broker import Broker


def serve(broker: Broker) -> None:
    """Run a broker until it ends.

    Raises:
        UserError: It cannot be started; says what to do.
    """
    _run(broker.run())


@contextlib.contextmanager
def running(broker: Broker) -> Iterator[Broker]:
    """The broker, running in a thread; it has ended, worker and all, when the block is left.

        with running(Broker(config, plan, models)) as broker, Engine(broker.connection) as engine:
            ...

    Raises:
        UserError: It cannot be started; says what to do.
    """
    failure: list[BaseException] = []

    def work() -> None:
        try:
            _run(broker.run())
        except BaseException as why:
            failure.append(why)
        finally:
            broker.started.set()

    thread = threading.Thread(target=work, name="panoloom-broker", daemon=True)
    thread.start()
    broker.started.wait()
    try:
        if failure:
            raise failure[0]
        yield broker
    finally:
        broker.stop()
        thread.join()
    if failure:
        raise failure[0]


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Like asyncio.run, on the one kind of loop that ZeroMQ works with on every system."""
    if sys.platform == "win32":
        factory = asyncio.SelectorEventLoop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main)
    else:
        asyncio.run(main)
