"""An engine for `stories.py`: it is killed when LIBRARY/running appears, and starts again at
LIBRARY/lost.

    python tests/blender/window/engine.py LIBRARY          with the engine's Python, in the checkout

Its worker paints known colours instead of denoising. It ends with Ctrl-C.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
LIBRARY = Path(sys.argv[1]).resolve()


def serve() -> None:
    from painting_worker import COMMAND

    from panoloom.engine_server.broker import Broker, BrokerConfig, background

    config = BrokerConfig(library=LIBRARY)
    background.serve(Broker(config, lambda spec: spec, [{"name": "preview"}], COMMAND))


def main() -> None:
    LIBRARY.mkdir(parents=True, exist_ok=True)
    for mark in ("running", "lost"):
        (LIBRARY / mark).unlink(missing_ok=True)
    for ends_at in ("running", None):
        engine = multiprocessing.get_context("spawn").Process(target=serve)
        engine.start()
        print(f"Engine {engine.pid} serves {LIBRARY}", flush=True)
        if ends_at is None:
            engine.join()
            return
        while not (LIBRARY / ends_at).exists():
            time.sleep(0.1)
        engine.kill()
        engine.join()
        print("Engine killed", flush=True)
        while not (LIBRARY / "lost").exists():
            time.sleep(0.1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
