"""One command for everything: `python3 packaging/run.py demo | test | setup`.

Needs Python 3.11 or newer with pip, and nothing else. This file stays readable for Python 3.8, so
that an old Python can say that it is too old; the work itself is in `tasks.py`.
"""

from __future__ import annotations

import sys

OLDEST = (3, 11)
CANNOT = 3


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; returns the exit status of the process."""
    if sys.version_info < OLDEST:
        have = ".".join(str(number) for number in sys.version_info[:3])
        print(
            f"Panoloom needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is Python {have} "
            f"({sys.executable}). Install a newer one and start this with it, for instance: "
            "python3.11 packaging/run.py demo",
            file=sys.stderr,
        )
        return CANNOT
    from tasks import run  # a neighbour of this file, too new for an old Python

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
