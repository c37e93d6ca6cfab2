"""The program `panoloom`: words to one of the commands, errors to a sentence and an exit status.

Nothing here or in `commands/` loads torch, so `--help` and every wrong word answer at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from ..shared.errors import (
    ArtifactWriteFailed,
    InvalidJob,
    PanoloomError,
    TransportError,
    UserError,
)
from .commands import (
    bench,
    doctor,
    evaluate,
    export,
    generate,
    jobs,
    models,
    refine,
    repaint,
    serve,
    view,
)
from .commands.directions import spelled
from .commands.exits import CANNOT, INTERRUPTED, JOB_FAILED, WRONG_WORDS
from .config import engine_version

DESCRIPTION = "Looping 360-degree video worlds, from a prompt."
EXITS = (
    "Exit status: 0 done, 2 wrong words, 3 this machine cannot, 4 the job failed, 130 interrupted."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status of the process."""
    options = parser().parse_args(spelled(sys.argv[1:] if argv is None else argv))
    try:
        return options.run(options)
    except PanoloomError as error:
        return _report(error, as_json=getattr(options, "json", False))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read standard output has gone: `panoloom jobs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = argparse.ArgumentParser(prog="panoloom", description=DESCRIPTION, epilog=EXITS)
    whole.add_argument("--version", action="version", version=f"panoloom {engine_version()}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (
        generate,
        refine,
        repaint,
        evaluate,
        export,
        view,
        serve,
        jobs,
        models,
        bench,
        doctor,
    ):
        module.add_to(commands)
    return whole


def exit_status(error: PanoloomError) -> int:
    """What the process ends with, for an error from before a job began.

    An ArtifactWriteFailed at that time is a full disk or a folder that cannot be written to.
    """
    match error:
        case InvalidJob():
            return WRONG_WORDS
        case UserError() | TransportError() | ArtifactWriteFailed():
            return CANNOT
    return JOB_FAILED


def _report(error: PanoloomError, *, as_json: bool) -> int:
    """The error as a sentence, and as the one JSON document where that was asked for."""
    if as_json:
        code, message, details = error.to_wire()
        print(json.dumps({"error": {"code": code, "message": message, "details": details}}))
    print(f"panoloom: {error}", file=sys.stderr)
    return exit_status(error)
