"""Make the sample loop that lies in the extension's zip, anew with the weights of today.

    .venv-engine/bin/python packaging/make_sample.py [--steps N] [--out packaging/sample]

`panoloom generate` makes it, in a library that is thrown away; only the movie and a few words about
it are kept. A sample that is larger than the zip's share for it is refused.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROMPT = "green northern lights over snow and mountains"
SIZE, SECONDS, FPS, SEED, STEPS = "1024x512", 4, 24, 1, 16
MAX_BYTES = 2_000_000


def main(argv: list[str] | None = None) -> int:
    """Make it; returns the exit status of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "packaging" / "sample")
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--size", default=SIZE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=STEPS)
    words = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as library:
        command = [sys.executable, "-m", "panoloom.engine_server", "generate", words.prompt]
        command += ["--size", words.size, "--seconds", f"{words.seconds:g}", "--fps", str(FPS)]
        command += ["--seed", str(words.seed), "--steps", str(words.steps), "--out", library]
        done = subprocess.run(command, cwd=library, check=False)
        if done.returncode:
            return done.returncode
        made = next(Path(library).glob("*/manifest.json"))
        loop = json.loads(made.read_text(encoding="utf-8"))["loop"]
        size = (made.parent / "loop.mp4").stat().st_size
        if size > MAX_BYTES:
            print(
                f"make_sample: {size} bytes; {MAX_BYTES} are the most. Take fewer --seconds.",
                file=sys.stderr,
            )
            return 1
        words.out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made.parent / "loop.mp4", words.out / "sample.mp4")
    facts = {"prompt": words.prompt} | {
        name: loop[name] for name in ("width", "height", "num_frames", "fps")
    }
    (words.out / "sample.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"{words.out / 'sample.mp4'}  {size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
