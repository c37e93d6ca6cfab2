"""The running state of the extension with an engine that says what a script says."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from stage import part, small_scene, write_exr

NUM_FRAMES = 4
PREVIEW_SIZE = (512, 256)


class QuietSession:
    """A session whose engine says what the script says."""

    disconnected = False

    def __init__(self, state) -> None:
        self.state = state
        self.status = self.welcome = self.trouble = None
        self.cancelled: list[str] = []
        self.asked: list[object] = []
        self.blobs: list[list[bytes]] = []

    def submit(self, spec, job_id, blobs=()):
        self.asked.append(spec)
        self.blobs.append(list(blobs))
        return part("shared.jobview").JobView(job_id=job_id)

    def poll(self) -> int:
        return 0

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def forget(self, job_id: str) -> None: ...

    def free_weights(self) -> None: ...

    def is_accepted(self, job_id: str) -> bool:
        return True

    def disconnect(self) -> None: ...


class Stage:
    """The pieces of the extension that a story needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.messages = part("shared.messages")
        self.jobs = part("shared.jobs")
        self.tick = part("blender_addon.timer").tick
        self.world = part("blender_addon.world")
        self.state = part("blender_addon.runtime").state()
        self.state.session = QuietSession(part("blender_addon.session").LinkState.CONNECTED)
        self.seq = 0
        picture = bpy.data.images.new("preview", 16, 8)
        picture.filepath_raw, picture.file_format = str(folder / "preview.png"), "PNG"
        picture.save()
        bpy.data.images.remove(picture)
        self.png = (folder / "preview.png").read_bytes()
        for index in range(NUM_FRAMES):
            shade = np.full((8, 16, 3), 0.25 * index, np.float32)
            write_exr(folder / "loop" / "frames" / f"loop_{index + 1:04d}.exr", shade)

    def generate(self) -> None:
        """Press Generate, with nothing left over of the story before."""
        self.state.queue.jobs.clear()
        assert bpy.ops.panoloom.generate() == {"FINISHED"}
        self.seq = 0

    def event(self, kind: str, *parts: bytes, job=None, **fields: object) -> None:
        self.seq += 1
        view = (job or self.state.job).view
        message = getattr(self.messages, kind)(job_id=view.job_id, seq=self.seq, **fields)
        assert view.apply(message, parts)
        self.tick()

    def preview(self, step: int, job=None) -> None:
        self.event("JobPreviewed", self.png, job=job, step=step, width=16, height=8)

    def finish(self, job=None) -> None:
        artifact = self.jobs.ArtifactRef(
            job_id=(job or self.state.job).job_id,
            folder=str(self.folder / "loop"),
            manifest_sha256="0" * 64,
            width=16,
            height=8,
            num_frames=NUM_FRAMES,
            fps=24.0,
            loop=True,
        )
        self.event("JobFinished", job=job, artifact=artifact)


def preview_jpeg(folder: Path) -> bytes:
    """A JPEG of 512x256 with some structure, as a preview is."""
    path = folder / "preview.jpg"
    if not path.exists():
        width, height = PREVIEW_SIZE
        rows, columns = np.mgrid[0:height, 0:width]
        pixels = np.ones((height, width, 4), np.float32)
        for channel, wave in enumerate((7, 13, 29)):
            pixels[..., channel] = 0.5 + 0.5 * np.sin(rows / wave) * np.cos(columns / wave)
        image = bpy.data.images.new("bench", width, height)
        image.pixels.foreach_set(pixels.ravel())
        image.filepath_raw, image.file_format = str(path), "JPEG"
        image.save()
        bpy.data.images.remove(image)
    return path.read_bytes()


def environment(scene):
    return scene.world.node_tree.nodes["Panoloom Environment"]


def new_scene():
    scene = small_scene()
    mine = bpy.data.worlds.new("Mine")
    mine["note"] = "untouched"
    scene.world = mine
    return scene
