"""`panoloom generate --dry-run`: what a job will need and how it would be done here."""

from __future__ import annotations

import argparse
import json

from ..models import catalog, planner
from .access import executors_of, library_of
from .exits import CANNOT, DONE
from .request import spec_from


def foretell(options: argparse.Namespace) -> int:
    """Print the forecast; the status is 0 where the job fits this machine, 3 where it does not.

    The model need not be installed.

    Raises:
        InvalidJob: No machine could make it with this model.
    """
    spec, _ = spec_from(options)
    room, num_gpus = planner.room_here(catalog.find(spec.model)), planner.gpus_here()
    asked = executors_of(options)
    default = 1 if room.shares else max(1, num_gpus)
    found = planner.forecast(
        spec,
        room,
        library=library_of(options),
        executors=1 if asked.cluster else asked.count or default,
        num_gpus=num_gpus,
    )
    if options.json:
        print(json.dumps(found.to_plain()))
    else:
        print("\n".join(found.lines()))
    return DONE if found.refusal is None else CANNOT
