"""`panoloom doctor`: every check with what to do about it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import Any

from .. import doctor
from .access import add_library_word, library_of
from .exits import CANNOT, DONE

WIDTH = 15


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor", help="what this machine lacks, and what to do about it"
    )
    add_library_word(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the findings as they come; status 3 when one of them is a failure."""
    findings = []
    for finding in doctor.examine(library_of(options)):
        findings.append(finding)
        if not options.json:
            print(line(finding), flush=True)
    failures = [finding.name for finding in findings if finding.level == doctor.FAIL]
    if options.json:
        checks = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"healthy": not failures, "checks": checks}))
    elif failures:
        print(f"Not ready: {', '.join(failures)}.", file=sys.stderr)
    else:
        print("Ready.")
    return CANNOT if failures else DONE


def line(finding: doctor.Finding) -> str:
    """One finding in words, its remedy on a line of its own."""
    text = f"{finding.level:<5} {finding.name:<{WIDTH}} {finding.text}"
    return f"{text}\n{'':<{WIDTH + 7}}-> {finding.remedy}" if finding.remedy else text
