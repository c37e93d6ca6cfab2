"""What `packaging/run.py` does: set up, build, test, demonstrate. Standard library alone."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from bench_addon import measure
from environments import (
    LOGS,
    ROOT,
    NoBlenderPython,
    SetupFailed,
    blender_environment,
    blender_environment_of,
    clean_environ,
    engine_environment,
    ensure,
    say,
)

DEFAULT_PROMPT = "northern lights over a calm sea"
SIZES = (
    "512x256",
    "1024x512",
    "2048x1024",
    "4096x2048",
)  # what the model makes, known before it is installed
SHORTEST_S, LONGEST_S = 1.0, 30.0
CANNOT, FAILED, INTERRUPTED = 3, 4, 130


class DemoFailed(Exception):
    """A sentence that says what went wrong after the set-up."""


def run(argv: list[str] | None = None) -> int:
    """Run one subcommand; returns the exit status of the process."""
    options, rest = parse(argv)
    try:
        if options.command == "setup":
            return setup()
        if options.command == "test":
            return test(rest, options.blender)
        if options.command == "bench-addon":
            return bench_addon(options.blender)
        return demo(options)
    except SetupFailed as error:
        print(f"\n{error}", file=sys.stderr)
        return CANNOT
    except DemoFailed as error:
        print(f"\n{error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED


def parse(argv: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the words that go on to pytest."""
    parser = argparse.ArgumentParser(
        prog="python3 packaging/run.py", description="Set up, demonstrate and test Panoloom."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="make both environments")
    tests = commands.add_parser("test", help="run the test suite; further words go to pytest")
    tests.add_argument(
        "--blender",
        metavar="VERSIONS",
        default="",
        help="only Blender's tests, in these versions, such as 4.2,5.0,5.2; each gets an "
        "environment of its own",
    )
    bench = commands.add_parser("bench-addon", help="what the add-on costs Blender")
    bench.add_argument("--blender", metavar="VERSION", default="", help="in this version, as 5.0")
    show = commands.add_parser("demo", help="from a prompt to a lit Blender scene")
    show.add_argument("prompt", nargs="?", default=DEFAULT_PROMPT)
    show.add_argument("--size", default=SIZES[0], choices=SIZES, help="pixels of the panorama")
    show.add_argument("--seconds", type=seconds, default=2.0, help="length of the loop")
    show.add_argument("--out", type=Path, default=ROOT / "demo", help="folder for the results")
    options, rest = parser.parse_known_args(argv)
    if rest and options.command != "test":
        parser.error(f"unknown words: {' '.join(rest)}")
    return options, rest


def seconds(text: str) -> float:
    """A length that the model can make, so that a wrong one is refused before any set-up.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not SHORTEST_S <= found <= LONGEST_S:
        limits = f"{SHORTEST_S:g} to {LONGEST_S:g} seconds"
        raise argparse.ArgumentTypeError(f"'{text}' is not a length from {limits}")
    return found


def setup() -> int:
    """Both environments; a machine without a Python for Blender still gets the engine."""
    ensure(engine_environment())
    blender_or_none()
    say("Set up. Try: python3 packaging/run.py demo")
    return 0


def blender_or_none() -> Path | None:
    """The Blender environment's interpreter, or None, said aloud, where no Python fits."""
    try:
        return ensure(blender_environment())
    except NoBlenderPython as error:
        say(f"Without Blender: {error}")
        return None


def test(words: list[str], blenders: str) -> int:
    """The whole suite, or what `words` select; the exit status is pytest's.

    Args:
        blenders: Versions of Blender with commas between; then only its tests run, in each.
    """
    engine = ensure(engine_environment())
    if blenders:
        return test_blenders(engine, [name.strip() for name in blenders.split(",")], words)
    if blender_or_none():
        build_extension(engine)
    else:
        say("The tests marked blender are skipped.")
    say("Running the tests.")
    command = [str(engine), "-m", "pytest", *words]
    environ = clean_environ() | {"OPENBLAS_NUM_THREADS": "1"}  # what it does here is small
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode


def test_blenders(engine: Path, versions: list[str], words: list[str]) -> int:
    """Blender's tests in each of these versions; the worst of pytest's exit statuses."""
    homes = {version: ensure(blender_environment_of(version)) for version in versions}
    build_extension(engine)
    worst = 0
    for version, python in homes.items():
        say(f"Blender {version}:")
        environ = clean_environ() | {"PANOLOOM_TEST_BLENDER": str(python)}
        command = [str(engine), "-m", "pytest", "-m", "blender", "tests/blender", *words]
        worst = max(worst, subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode)
    return worst


def bench_addon(version: str) -> int:
    """The add-on's bench, in the usual Blender or in this version."""
    home = ensure(blender_environment_of(version) if version else blender_environment())
    return measure(home, build_extension(ensure(engine_environment())))


def build_extension(engine: Path) -> Path:
    """The extension's zip for this machine, in dist/.

    Raises:
        SetupFailed: It could not be built; says why.
    """
    command = [str(engine), str(ROOT / "packaging" / "build_extension.py")]
    command += ["--out", str(ROOT / "dist"), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True)
    if done.returncode:
        raise SetupFailed(f"The Blender extension could not be built. {done.stderr.strip()}")
    target = Path(json.loads(done.stdout)["built"][0]["path"])
    say(f"Built {target.relative_to(ROOT)} ({target.stat().st_size / 1e6:.1f} MB).")
    return target


def demo(options: argparse.Namespace) -> int:
    """From a prompt to a lit Blender scene in `options.out`."""
    engine = ensure(engine_environment())
    blender = blender_or_none()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if blender is None:
        say("Making the loop alone.")
        return generate_alone(engine, options, out)
    zip_path = build_extension(engine)
    LOGS.mkdir(parents=True, exist_ok=True)
    engine_log = LOGS / "demo-engine.log"
    say(f"Starting the engine for {out}; log: {engine_log.relative_to(ROOT)}")
    with engine_log.open("w", encoding="utf-8") as log:
        process = start_engine(engine, out, log)
        try:
            connection = wait_for_engine(process, out, engine_log)
            return run_scene(blender, zip_path, connection, options, out)
        finally:
            stop(process)


def start_engine(engine: Path, out: Path, log: IO[str]) -> subprocess.Popen[bytes]:
    """`panoloom serve` for the library `out`, writing to `log`."""
    command = [str(engine), "-m", "panoloom.engine_server", "serve", "--library", str(out)]
    return subprocess.Popen(
        command, cwd=out, env=clean_environ(), stdout=log, stderr=subprocess.STDOUT
    )


def wait_for_engine(
    process: subprocess.Popen[bytes], out: Path, log: Path, patience_s: float = 60.0
) -> Path:
    """The connection file, once the engine that was started has written it.

    Raises:
        SetupFailed: The engine ended or said nothing in `patience_s` seconds.
    """
    connection = out / ".panoloom" / "engine.json"
    left_over = engine_pid(connection)
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if process.poll() is not None:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            said = lines[-1] if lines else "it said nothing"
            raise SetupFailed(f"The engine ended at once: {said} (read {log}).")
        pid = engine_pid(connection)
        # On Windows a virtual environment's python starts another one, whose id this is.
        if pid == process.pid or (os.name == "nt" and pid not in (None, left_over)):
            return connection
        time.sleep(0.1)
    raise SetupFailed(f"The engine did not answer within {patience_s:.0f} s; read {log}.")


def engine_pid(connection: Path) -> int | None:
    """The process that wrote the connection file, or None while there is none."""
    try:
        return json.loads(connection.read_text(encoding="utf-8")).get("pid")
    except (OSError, ValueError, AttributeError):
        return None


def run_scene(
    blender: Path, zip_path: Path, connection: Path, options: argparse.Namespace, out: Path
) -> int:
    """The scene in Blender, driven by the installed extension; its own output is shown."""
    say(f'Blender asks the engine for "{options.prompt}".')
    command = [str(blender), str(ROOT / "packaging" / "demo_scene.py"), "--zip", str(zip_path)]
    command += ["--connection", str(connection), "--prompt", options.prompt, "--out", str(out)]
    command += ["--size", options.size, "--seconds", f"{options.seconds:g}"]
    done = subprocess.run(
        command, cwd=out, env=clean_environ(), stdout=subprocess.PIPE, text=True, check=False
    )
    made = last_document(done.stdout)
    if done.returncode or made is None:
        raise DemoFailed("The demo did not come to its end; its last words are above.")
    for line in summary(made):
        say(line)
    return 0


def last_document(output: str) -> dict[str, Any] | None:
    """The JSON document on the last line; Blender writes other things before it."""
    lines = output.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def summary(made: dict[str, Any]) -> list[str]:
    """What the demo made and where, a line each."""
    loop = Path(made["loop"])
    things = {
        "loop": loop,
        "video": loop / "loop.mp4",
        "frames": loop / "frames",
        "poster": loop / "poster.png",
        "contact sheet": loop / "contact-sheet.png",
        "scene": Path(made["blend"]),
    }
    renders = {f"render {number}": Path(path) for number, path in enumerate(made["renders"], 1)}
    found = {name: path for name, path in (things | renders).items() if path.exists()}
    lines = ["", f"{made['num_frames']} frames, and a lit Blender scene:"]
    lines += [f"  {name:<14} {path}" for name, path in found.items()]
    return lines + [f"Note: {note}" for note in made.get("notes", [])]


def generate_alone(engine: Path, options: argparse.Namespace, out: Path) -> int:
    """The loop without Blender, by the command line program."""
    command = [str(engine), "-m", "panoloom.engine_server", "generate", options.prompt]
    command += ["--out", str(out), "--size", options.size, "--seconds", f"{options.seconds:g}"]
    return subprocess.run(command, cwd=out, env=clean_environ(), check=False).returncode


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the engine to end, and insist after a while."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
