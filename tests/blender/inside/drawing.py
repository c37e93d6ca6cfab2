"""Draw both panels into a layout that only listens, in many states, and look what changed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import bpy
from scripted import NUM_FRAMES, Stage, new_scene
from stage import MODULE, part, run, small_scene


class Listener:
    """A layout; every button and field it is asked for has to exist."""

    def __init__(self, heard: list[str], *, has_textbox: bool) -> None:
        self.heard = heard
        self._has_textbox = has_textbox

    def __getattr__(self, name: str):
        if name == "textbox" and not self._has_textbox:
            raise AttributeError(name)
        return lambda *_, **__: self

    def panel(self, *_: object, **__: object):
        return self, self

    def label(self, *, text: str = "", **_: object) -> None:
        self.heard.append(text)

    def progress(self, *, text: str, **_: object) -> None:
        self.heard.append(text)

    def prop(self, data, name: str, **_: object) -> None:
        assert name in data.bl_rna.properties, name

    def operator(self, name: str, **_: object) -> SimpleNamespace:
        kind = getattr(bpy.ops.panoloom, name.removeprefix("panoloom."))
        kind.get_rna_type()
        kind.poll()
        return SimpleNamespace()


def draw(*, has_textbox: bool = False) -> list[str]:
    """What the labels of both panels say."""
    panels = part("blender_addon.panels")
    heard: list[str] = []
    context = SimpleNamespace(
        scene=bpy.context.scene,
        area=SimpleNamespace(type="VIEW_3D"),
        region=SimpleNamespace(width=300),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),  # 0 without a window
        window_manager=bpy.context.window_manager,
    )
    before = fingerprint()
    for panel in (panels.PANOLOOM_PT_main, panels.PANOLOOM_PT_world):
        panel.draw(SimpleNamespace(layout=Listener(heard, has_textbox=has_textbox)), context)
    assert fingerprint() == before, "drawing changed something"
    return heard


def fingerprint() -> str:
    """How much data there is, every setting of ours, and the queue."""
    kinds = [len(getattr(bpy.data, name)) for name in ("worlds", "images", "texts", "scenes")]
    groups = (bpy.context.scene.panoloom, bpy.context.window_manager.panoloom)
    values = [str(getattr(g, p.identifier)) for g in groups for p in g.bl_rna.properties]
    state = part("blender_addon.runtime").state()
    jobs = [(job.job_id, str(job.view.state), job.is_sent) for job in state.queue]
    return json.dumps([kinds, values, jobs, [str(p) for p in state.problems]])


def main(folder: str) -> dict[str, object]:
    small_scene()
    stage = Stage(Path(folder))
    scene = new_scene()
    facts = {"connected": draw(), "textbox": draw(has_textbox=True)}
    bpy.ops.panoloom.write_prompt()
    scene.panoloom.use_reference = True
    facts["lines"] = draw()
    scene.panoloom.use_reference = False
    bpy.ops.panoloom.load_sample()
    facts["sample"] = draw()
    scene.render.fps, scene.panoloom.look = 25, "MATCH"
    scene.display_settings.display_device = "Display P3"
    facts["look"] = draw()
    scene.panoloom.look = "LINEAR"
    stage.generate()
    bpy.ops.panoloom.generate()
    bpy.ops.panoloom.generate()
    facts["queue"] = draw()
    library = stage.folder / "library" / "sea-1"
    library.parent.mkdir()
    (stage.folder / "loop").rename(library)
    loop = {"width": 512, "height": 256, "num_frames": NUM_FRAMES, "fps": 24.0}
    manifest = {"format": "panoloom.artifact", "job": {"prompt": "sea"}, "loop": loop, "files": []}
    (library / "manifest.json").write_text(json.dumps(manifest))
    bpy.context.preferences.addons[MODULE].preferences.library = str(library.parent)
    stage.tick()
    bpy.context.window_manager.panoloom.selected = "sea-1"
    bpy.ops.panoloom.preview_loop()
    facts["history"] = draw()
    stage.state.report(part("shared.errors").InvalidJob("Too long.", field="seconds", nearest=30.0))
    facts["error"] = draw()
    stage.state.session.state = part("blender_addon.session").LinkState.OFF
    facts["no_engine"] = draw()
    bpy.context.preferences.addons[MODULE].preferences.engine_program = "no-such-program"
    facts["no_program"] = draw()
    scene.panoloom.use_reference = True
    stage.state.surroundings[scene.session_uid] = stage.folder / "preview.png"
    stage.tick()
    facts["surroundings"] = draw()
    return facts


if __name__ == "__main__":
    run(main)
