"""Makes the preview model: `python -m panoloom.engine_server.models.preview.train COMMAND`.

Commands, in order: ae (render frames, train the autoencoder), cache (render clips and keep their
latents; may run beside the training), denoiser, decoder (a second training of the decoder
alone; may run beside the denoiser's), samples, export. Each resumes where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def main(argv: list[str] | None = None) -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="preview-train", description=__doc__)
    parser.add_argument(
        "command", choices=("ae", "decoder", "cache", "denoiser", "samples", "export")
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of this training run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--count", type=int, default=3000, help="frames (ae) or clips (cache) to render"
    )
    parser.add_argument("--frames", type=int, default=8, help="frames of a clip (cache, samples)")
    parser.add_argument("--bf16", action="store_true", help="train where bfloat16 is fast")
    parser.add_argument("--workers", type=int, default=1, help="processes that train")
    parser.add_argument("--rank", type=int, default=0, help="which of the workers this is")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1500, help="length of the run in steps")
    parser.add_argument("--stop-at", type=int, default=None, help="stop after this step for now")
    parser.add_argument("--start-from", type=Path, default=None, help="weights to begin with")
    parser.add_argument("--rate", type=float, default=1.0, help="factor of the learning rates")
    parser.add_argument("--single-part", type=float, default=0.27, help="share on single frames")
    parser.add_argument("--untold", type=float, default=0.12, help="share of views told in words")
    parser.add_argument("--clip-shift", type=float, default=3.0, help="of clips' noise levels")
    parser.add_argument("--motion", type=float, default=0.5, help="weight of change over time")
    parser.add_argument("--more", default="", help="families that half of the clips are of: a,b,…")
    parser.add_argument("--batch", type=int, default=6, help="clips a step; single frames: 5 1/3 x")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cache, denoiser)")
    parser.add_argument("--refresh", action="store_true", help="take up clips as they are cached")
    parser.add_argument("--out", type=Path, default=None, help="where samples or weights go")
    args = parser.parse_args(argv)
    args.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    _run(args)


def _run(args: argparse.Namespace) -> None:
    """The chosen command; each loads only what it needs."""
    if args.command == "ae":
        from .train_autoencoder import train_autoencoder

        train_autoencoder(args.run, args.steps, args.seed, args.count)
    elif args.command == "decoder":
        from .train_decoder import train_decoder

        train_decoder(args.run, args.steps, args.seed, args.count, bf16=args.bf16)
    elif args.command == "cache":
        from .latent_cache import cache_clips

        cache_clips(args.run, args.count, args.frames, args.seed, args.device)
    elif args.command == "denoiser":
        from .train_denoiser import Course, train_denoiser

        course = Course(
            steps=args.steps,
            stop_at=args.stop_at,
            seed=args.seed,
            start_from=args.start_from,
            singles=args.batch * 16 // 3,
            clips=args.batch,
            rate=args.rate,
            single_part=args.single_part,
            untold=args.untold,
            clip_shift=args.clip_shift,
            motion=args.motion,
            more=tuple(name for name in args.more.split(",") if name),
            bf16=args.bf16,
            device=args.device,
            refresh=args.refresh,
            rank=args.rank,
            workers=args.workers,
        )
        train_denoiser(args.run, course)
    elif args.command == "samples":
        from .checkpoint import load_autoencoder, load_average
        from .sampling import contact_sheet

        autoencoder = load_autoencoder(args.run / "autoencoder.safetensors")
        model = load_average(args.run / "denoiser.safetensors")
        path = args.out or args.run / "samples.png"
        contact_sheet(model, autoencoder, path, args.frames, args.seed)
    else:
        from .checkpoint import export

        export(args.run, args.out or Path(__file__).parent / "weights")


if __name__ == "__main__":
    main()
