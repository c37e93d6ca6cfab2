"""Drive the running state with a session of ours: previews, result, restore, undo, file load."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import bpy
from scripted import Stage, environment, new_scene
from stage import part, render, run, small_scene


def story_of_a_job(stage: Stage) -> dict[str, object]:
    """Generate, previews, loop, restore."""
    scene = new_scene()
    stage.generate()
    facts: dict[str, object] = {"before_preview": scene.world.name}
    stage.event("JobStarted")
    stage.preview(1)
    facts["tagged"] = scene.world["panoloom_job"] == stage.state.job.job_id
    cycles = scene.world.cycles
    facts["importance_map"] = [cycles.sampling_method, cycles.sample_map_resolution]
    facts["mine_kept"] = [bpy.data.worlds["Mine"].use_fake_user, bpy.data.worlds["Mine"]["note"]]
    counts = []
    for step in range(2, 52):
        stage.preview(step)
        counts.append(len(bpy.data.images))
    facts["images_over_50_swaps"] = [min(counts), max(counts)]
    facts["preview_files"] = len(list(stage.state._temporary().glob("*.png")))
    stage.finish()
    node = environment(scene)
    user = node.image_user
    facts["loop"] = {
        "source": node.image.source,
        "duration": user.frame_duration,
        "cyclic": user.use_cyclic,
        "refresh": user.use_auto_refresh,
        "colour": node.image.colorspace_settings.name,
        "images": len(bpy.data.images),
    }
    facts["can_restore"] = bpy.ops.panoloom.restore_world.poll()
    bpy.ops.panoloom.restore_world()
    facts["restored"] = scene.world.name
    facts["left_behind"] = [len(bpy.data.worlds), len(bpy.data.images)]
    facts["restore_is_off"] = not bpy.ops.panoloom.restore_world.poll()
    bpy.ops.panoloom.apply()
    facts["applied_again"] = environment(scene).image.source
    return facts


def story_of_another_world(stage: Stage) -> dict[str, object]:
    """The artist chooses another World while the job runs."""
    scene = new_scene()
    stage.generate()
    stage.preview(1)
    scene.world = bpy.data.worlds.new("Other")
    stage.preview(2)
    kept = scene.world.name
    stage.finish()
    facts = {"kept": [kept, scene.world.name], "why": stage.state.job.left_why}
    bpy.ops.panoloom.apply()
    facts["applied"] = stage.world.job_of(scene.world) == stage.state.job.job_id
    bpy.ops.panoloom.restore_world()
    return facts | {"restored": scene.world.name}


def story_of_no_world(stage: Stage) -> dict[str, object]:
    """A scene without a World gets none back."""
    scene = small_scene()
    scene.world = None
    stage.generate()
    stage.preview(1)
    applied = stage.world.job_of(scene.world) is not None
    bpy.ops.panoloom.restore_world()
    stage.preview(2)
    stage.finish()
    return {"applied": applied, "restored": scene.world is None}


def story_of_a_second_job(stage: Stage) -> dict[str, object]:
    """The second job's World takes the place of the first one's; the user's is still the user's."""
    scene = new_scene()
    for _ in range(2):
        stage.generate()
        stage.preview(1)
        stage.finish()
    worlds = sorted(w.name for w in bpy.data.worlds)
    bpy.ops.panoloom.restore_world()
    return {"worlds": len(worlds), "restored": scene.world.name}


def story_of_sculpting(stage: Stage) -> dict[str, object]:
    """The World waits for the end of Sculpt Mode, through undo; Restore and Apply work there."""
    gather, model = part("blender_addon.gather"), part("blender_addon.panel_model")
    new_scene()
    _into("SCULPT")
    stage.generate()
    facts: dict[str, object] = {}
    stage.preview(1)
    bpy.ops.paint.mask_flood_fill(*BY_HAND, mode="VALUE", value=1.0)
    stage.preview(2)
    facts["meanwhile"] = bpy.context.scene.world.name
    facts["notes"] = list(model.panel_model(gather.facts(bpy.context.scene)).notes)
    bpy.ops.ed.undo()
    facts["undone"] = [bpy.context.mode, bpy.context.scene.world.name]
    stage.finish()
    facts["finished"] = bpy.context.scene.world.name
    bpy.ops.panoloom.apply(*BY_HAND)
    facts["applied"] = environment(bpy.context.scene).image.source
    bpy.ops.paint.mask_flood_fill(*BY_HAND, mode="VALUE", value=0.0)
    for _ in range(2):
        bpy.ops.ed.undo()  # the mask, and the World that was applied
    facts["worlds"] = bpy.context.scene.world in list(bpy.data.worlds)
    while bpy.context.mode == "SCULPT" and bpy.ops.ed.undo.poll():
        bpy.ops.ed.undo()
    facts["out"] = [bpy.context.mode, bpy.context.scene.world.name]
    stage.generate()
    bpy.ops.object.mode_set(*BY_HAND, mode="SCULPT")
    stage.preview(1)
    bpy.ops.object.mode_set(*BY_HAND, mode="OBJECT")
    stage.tick()
    facts["after"] = stage.world.job_of(bpy.context.scene.world) == stage.state.job.job_id
    stage.tick()  # the step that is due
    return facts


BY_HAND = ("EXEC_DEFAULT", True)  # an operator that pushes its undo step, as a click does


def _into(mode: str) -> None:
    """A mesh in this mode, each act an undo step."""
    bpy.ops.ed.undo_push(message="scene")
    bpy.ops.mesh.primitive_cube_add(*BY_HAND)
    bpy.ops.object.mode_set(*BY_HAND, mode=mode.removesuffix("_MESH"))
    assert bpy.context.mode == mode


def story_of_undo_steps(stage: Stage) -> dict[str, object]:
    """What the World shows when an undo step is made of it, and after how many ticks."""
    runtime = part("blender_addon.showing")
    scene = new_scene()
    steps: list[tuple[str, str]] = []
    kept, runtime.push_undo = (
        runtime.push_undo,
        lambda message: steps.append((message, environment(scene).image.source)),
    )
    stage.generate()
    steps.clear()  # of the story before
    counts = []
    for act in (lambda: stage.preview(1), stage.tick, stage.finish, stage.tick, stage.tick):
        act()
        counts.append(len(steps))
    runtime.push_undo = kept
    return {"steps": steps, "counts": counts}


def story_of_a_saved_preview(stage: Stage) -> dict[str, object]:
    """The job is cancelled after a preview; the file is saved, and opened when the rest is gone."""
    new_scene()
    stage.generate()
    stage.preview(1)
    busy = stage.tick()
    bpy.ops.panoloom.cancel()
    stage.event("JobCancelled")
    calm = stage.tick()
    path = str(stage.folder / "cancelled.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    shutil.rmtree(stage.state._temporary())
    bpy.ops.wm.open_mainfile(filepath=path)
    image = environment(bpy.context.scene).image
    return {"size": list(image.size), "file": Path(image.filepath).exists(), "calm": calm > busy}


def story_of_a_gone_scene(stage: Stage) -> dict[str, object]:
    """Another file was opened: nothing is put into it unasked."""
    new_scene()
    stage.generate()
    scene = new_scene()
    stage.preview(1)
    stage.finish()
    return {"kept": scene.world.name, "why": stage.state.job.left_why}


def story_of_missing_files(stage: Stage) -> dict[str, object]:
    """A loop on another computer ends in a sentence."""
    new_scene()
    stage.folder, kept = stage.folder / "elsewhere", stage.folder
    stage.generate()
    stage.finish()
    stage.folder = kept
    problems = [str(p) for p in stage.state.shown_problems()]
    bpy.ops.panoloom.copy_error()
    bpy.ops.panoloom.dismiss_error()
    return {"problems": problems, "dismissed": not stage.state.shown_problems()}


def story_of_a_render(stage: Stage) -> dict[str, object]:
    """While Blender renders nothing is changed; what waited is shown afterwards."""
    runtime = part("blender_addon.runtime")
    scene = new_scene()
    stage.generate()
    kept, runtime.is_rendering = runtime.is_rendering, lambda: True
    stage.preview(1)
    stage.finish()
    meanwhile = scene.world.name
    offered = bpy.ops.panoloom.apply.poll()
    runtime.is_rendering = kept
    stage.tick()
    return {
        "meanwhile": meanwhile,
        "offered": offered,
        "afterwards": environment(scene).image.source,
    }


def story_of_two_strengths(stage: Stage) -> dict[str, object]:
    """What a render sees of the sky, and of a white floor that it lights, at each pair."""
    scene = new_scene()
    stage.generate()
    stage.finish()
    scene.frame_set(3)  # a grey of 0.5
    sliders = dict((text, socket) for socket, text in strengths(scene.world))
    bpy.ops.mesh.primitive_plane_add(size=100.0, location=(0.0, 0.0, -5.0))
    floor = bpy.context.object
    found = {}
    for seen, lights in ((1.0, 1.0), (3.0, 1.0), (1.0, 3.0)):
        sliders["Seen by the camera"].default_value = seen
        sliders["Lights the scene"].default_value = lights
        pair = []
        for is_hidden in (True, False):
            floor.hide_render = is_hidden
            pair.append(float(render(scene, stage.folder / "shot.exr")[..., 0].mean()))
        found[f"{seen:g} {lights:g}"] = pair
    bpy.data.objects.remove(floor)
    bpy.ops.panoloom.restore_world()
    return found


def strengths(world):
    return part("blender_addon.world_nodes").strengths(world)


class RenderedAlready:
    """A reference without an open part."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def poll(self):
        kind = part("blender_addon.reference").Surroundings
        return kind(picture=self.path, is_opaque=True, depth=None)


def story_of_a_closed_room(stage: Stage) -> dict[str, object]:
    """The reference has no open part: less of it may change, and the panel says so."""
    runtime = part("blender_addon.runtime")
    scene = new_scene()
    scene.panoloom.use_reference = True
    kept, runtime.reference.start = (
        runtime.reference.start,
        lambda *_, **__: RenderedAlready(stage.folder / "preview.png"),
    )
    stage.generate()
    runtime.reference.start = kept
    stage.tick()
    seen = stage.state.surroundings[scene.session_uid]
    model = part("blender_addon.panel_model").panel_model(part("blender_addon.gather").facts(scene))
    return {
        "strength": stage.state.session.asked[-1].reference.strength,
        "notes": list(model.notes),
        "thumbnail": seen.read_bytes() == stage.png and seen != stage.folder / "preview.png",
    }


def story_of_a_long_loop(stage: Stage) -> dict[str, object]:
    """A length that the model cannot make is refused before anything is rendered or sent."""
    session = stage.state.session
    model = {"name": "preview", "min_seconds": 1.0, "max_seconds": 30.0}
    session.welcome = part("shared.messages").Welcomed(
        engine_version="1", protocol=(1, 0), session="quiet", models=(model,)
    )
    scene = new_scene()
    scene.panoloom.seconds, scene.panoloom.use_reference = 45.0, True
    stage.state.queue.jobs.clear()
    asked = len(session.asked)
    with contextlib.suppress(RuntimeError):  # how an operator's report reaches a script
        bpy.ops.panoloom.generate()
    session.welcome = None
    problems = [str(p) for p in stage.state.shown_problems()]
    stage.state.dismiss()
    return {
        "problems": problems,
        "asked": len(session.asked) - asked,
        "rendering": stage.state._reference is not None,
    }


def story_of_an_inner_error(stage: Stage) -> dict[str, object]:
    """An error of our own ends in the panel, and the timer goes on."""
    session = stage.state.session

    def trip() -> int:
        raise RuntimeError("tripped")

    session.poll = trip
    again = stage.tick()
    del session.poll
    problems = [str(p) for p in stage.state.shown_problems()]
    stage.state.dismiss()
    return {"again": again, "problems": problems}


def main(folder: str) -> dict[str, object]:
    small_scene()
    stage = Stage(Path(folder))
    stories = [value for name, value in globals().items() if name.startswith("story_of")]
    return {story.__name__: story(stage) for story in stories}


run(main)
