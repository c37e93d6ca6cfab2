"""An engine for `inside/stories.py`: it is killed when LIBRARY/running appears, and starts again at
LIBRARY/lost.

    python tests/blender/window/engine.py LIBRARY          with the engine's Python, in the checkout

Its worker paints known colours instead of denoising. It ends with Ctrl-C, SIGTERM, or after LAST_S.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
LIBRARY = Path(sys.argv[1]).resolve()
LAST_S = 3600.0


def serve() -> None:
    from painting_worker import COMMAND

    from panoloom.engine_server.broker import Broker, BrokerConfig, background

    config = BrokerConfig(library=LIBRARY)
    background.serve(Broker(config, lambda spec: spec, [{"name": "preview"}], COMMAND))


def main() -> None:
    LIBRARY.mkdir(parents=True, exist_ok=True)
    for mark in ("running", "lost", "go"):
        (LIBRARY / mark).unlink(missing_ok=True)
    end = time.monotonic() + LAST_S

    def wait_for(mark: str) -> None:
        while not (LIBRARY / mark).exists() and time.monotonic() < end:
            time.sleep(0.05)

    engine = started()
    try:
        wait_for("running")
        engine.kill()
        engine.join(10)
        print("Engine killed", flush=True)
        wait_for("lost")
        engine = started()
        engine.join(max(0.0, end - time.monotonic()))
    finally:
        engine.terminate()
        engine.join(20)


def started() -> multiprocessing.process.BaseProcess:
    engine = multiprocessing.get_context("spawn").Process(target=serve)
    engine.start()
    print(f"Engine {engine.pid} serves {LIBRARY}", flush=True)
    return engine


def leave(*_: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    main()
