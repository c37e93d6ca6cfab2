"""Several jobs and scenes, the library's loops, and files loaded without an engine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

import bpy
from scripted import NUM_FRAMES, Stage, environment, new_scene
from stage import MODULE, part, run, small_scene


def press(name: str, **words: object) -> str:
    """Press a button; what its error says, or nothing."""
    with contextlib.suppress(RuntimeError):
        getattr(bpy.ops.panoloom, name)(**words)
    state = part("blender_addon.runtime").state()
    said = " ".join(str(problem) for problem in state.shown_problems())
    state.dismiss()
    return said


def story_of_a_queue(stage: Stage) -> dict[str, object]:
    """Three loops asked for at once are made one by one, each in the World of the one before."""
    scene = new_scene()
    stage.generate()
    first = stage.state.job
    for prompt in ("second", "third"):
        scene.panoloom.prompt = prompt
        bpy.ops.panoloom.generate()
    second, third = stage.state.queue.open[1:]
    asked = len(stage.state.session.asked)
    bpy.ops.panoloom.move_job(job_id=third.job_id, by=-1)
    model = part("blender_addon.panel_model").panel_model(part("blender_addon.gather").facts(scene))
    stage.preview(1, first)
    stage.finish(first)
    sent = third.is_sent and not second.is_sent
    stage.seq = 0
    stage.preview(1, third)
    shown = scene.world["panoloom_job"] == third.job_id
    bpy.ops.panoloom.cancel(job_id=second.job_id)
    stage.finish(third)
    facts = {
        "one_at_a_time": asked == len(stage.state.session.asked) - 1,
        "titles": [row.title for row in model.queue][1:],
        "sent_in_the_new_order": sent,
        "took_over": shown,
        "cancelled": str(second.view.state),
        "left": [third.left_why, len(stage.state.queue.open)],
    }
    bpy.ops.panoloom.restore_world()
    return facts | {"restored": scene.world.name}


def story_of_instead(stage: Stage) -> dict[str, object]:
    """Instead cancels what is made and what waits."""
    new_scene()
    stage.state.session.cancelled.clear()
    stage.generate()
    first = stage.state.job
    bpy.ops.panoloom.generate()
    bpy.ops.panoloom.generate_at(place="replace")
    states = [str(job.view.state) for job in stage.state.queue]
    return {
        "told_the_engine": stage.state.session.cancelled == [first.job_id],
        "states": states,
        "waits_for_the_first": not stage.state.job.is_sent,
    }


def story_of_two_scenes(stage: Stage) -> dict[str, object]:
    """Each scene's job shows in its own scene, whichever is open."""
    one = new_scene()
    stage.generate()
    first = stage.state.job
    two = bpy.data.scenes.new("Two")
    two.world = bpy.data.worlds.new("Of Two")
    bpy.context.window.scene = two
    bpy.ops.panoloom.generate()
    second = stage.state.job
    stage.preview(1, first)
    others = two.world.name
    stage.finish(first)
    stage.seq = 0
    stage.preview(1, second)
    stage.finish(second)
    facts = {
        "first": one.world["panoloom_job"] == first.job_id,
        "kept_until_its_turn": others,
        "second": two.world["panoloom_job"] == second.job_id,
        "sources": [environment(scene).image.source for scene in (one, two)],
    }
    for scene in (one, two):
        part("blender_addon.world").restore(scene)
    return facts | {"restored": [one.world.name, two.world.name]}


def story_of_many_at_once(stage: Stage) -> dict[str, object]:
    """Five scenes have a new preview each: a tick changes no more than a few of them."""
    new_scene()
    stage.generate()
    jobs, scenes = [stage.state.job], [bpy.context.scene]
    for number in range(4):
        other = bpy.data.scenes.new(f"Scene {number}")
        bpy.context.window.scene = other
        bpy.ops.panoloom.generate()
        jobs.append(stage.state.job)
        scenes.append(other)
    for job in jobs:
        told = stage.messages.JobPreviewed(job_id=job.job_id, seq=1, step=1, width=16, height=8)
        assert job.view.apply(told, (stage.png,))
    shown = []
    for _ in range(4):
        stage.tick()
        shown.append(sum(stage.world.job_of(scene.world) is not None for scene in scenes))
    for scene in scenes:
        stage.world.restore(scene)
    return {"shown": shown, "most": part("blender_addon.runtime").MAX_EDITS}


def make_library(stage: Stage, *names: str) -> None:
    """Loops in the library in use, as the engine leaves them."""
    library = stage.folder / "library"
    bpy.context.preferences.addons[MODULE].preferences.library = str(library)
    spec = part("shared.jobs").JobSpec(prompt="a red sea", seed=5, num_frames=48, fps=24.0, steps=8)
    for name in names:
        folder = library / name
        (folder / "frames").mkdir(parents=True)
        for frame in (stage.folder / "loop" / "frames").iterdir():
            (folder / "frames" / frame.name).write_bytes(frame.read_bytes())
        loop = {"width": 512, "height": 256, "num_frames": NUM_FRAMES, "fps": 24.0}
        manifest = {"format": "panoloom.artifact", "job": spec.to_plain(), "loop": loop}
        manifest |= {"files": [{"path": "loop.mp4", "bytes": 10}], "notes": []}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (folder / "poster.png").write_bytes(stage.png)
    stage.state._looked_at = 0.0
    stage.tick()


def story_of_the_history(stage: Stage) -> dict[str, object]:
    """Look at a loop, go back, apply it, reuse its words, star it, delete it."""
    scene = new_scene()
    make_library(stage, "sea-1", "sea-2")
    status = bpy.context.window_manager.panoloom
    facts: dict[str, object] = {"off_without_a_choice": not bpy.ops.panoloom.apply_loop.poll()}
    facts["listed"] = sorted(entry.name for entry in stage.state.history.entries)
    bpy.ops.panoloom.select_loop(loop="sea-1")
    bpy.ops.panoloom.preview_loop()
    facts["looked_at"] = [scene.world["panoloom_job"], environment(scene).image.source]
    bpy.ops.panoloom.end_preview()
    facts["back"] = [scene.world.name, len(bpy.data.worlds)]
    bpy.ops.panoloom.preview_loop()
    bpy.ops.panoloom.apply_loop()
    facts["applied"] = [scene.world["panoloom_job"], len(bpy.data.worlds)]
    facts["in_use"] = [bpy.ops.panoloom.delete_loop.poll(), bpy.ops.panoloom.end_preview.poll()]
    bpy.ops.panoloom.reuse_loop()
    words = scene.panoloom
    facts["reused"] = [words.prompt, words.seed, words.seconds, words.quality]
    bpy.ops.panoloom.star_loop()
    facts["starred"] = stage.state.history.is_starred("sea-1")
    bpy.ops.panoloom.restore_world()
    bpy.ops.panoloom.delete_loop()
    facts["deleted"] = [entry.name for entry in stage.state.history.entries]
    facts["chosen"] = status.selected
    facts["restored"] = scene.world.name
    return facts


def story_of_a_model(stage: Stage) -> dict[str, object]:
    """Choose a model that is installed, then one that is not, and take the way out."""
    scene = new_scene()
    words, session = scene.panoloom, stage.state.session
    told = (
        {"name": "preview", "installed": True, "steps": 16, "guidance_scale": 4.0},
        {"name": "large", "installed": True, "steps": 30, "guidance_scale": 5.0},
        {"name": "larger", "installed": False},
    )
    session.welcome = stage.messages.Welcomed(
        engine_version="1", protocol=(1, 2), session="quiet", models=told
    )
    stage.state.queue.jobs.clear()
    bpy.ops.panoloom.choose_model(model="large")
    facts: dict[str, object] = {"chosen": [words.model, words.steps, words.guidance_scale]}
    bpy.ops.panoloom.generate()
    facts["asked"] = session.asked[-1].model
    bpy.ops.panoloom.choose_model(model="larger")
    asked = len(session.asked)
    with contextlib.suppress(RuntimeError):  # how an operator's report reaches a script
        bpy.ops.panoloom.generate()
    facts["refused"] = [str(problem) for problem in stage.state.shown_problems()]
    facts["asked_more"] = len(session.asked) - asked
    bpy.ops.panoloom.mend(action="model", value="preview")
    facts["mended"] = [words.model, words.steps, words.guidance_scale]
    session.welcome = None
    return facts


def story_of_a_trial_in_mid_job(stage: Stage) -> dict[str, object]:
    """While a loop is looked at, a job leaves the World alone; afterwards it goes on."""
    scene = new_scene()
    make_library(stage, "sea-3")
    stage.generate()
    stage.preview(1)
    bpy.ops.panoloom.select_loop(loop="sea-3")
    bpy.ops.panoloom.preview_loop()
    stage.preview(2)
    during = scene.world["panoloom_job"]
    bpy.ops.panoloom.end_preview()
    stage.preview(3)
    stage.finish()
    after = scene.world["panoloom_job"] == stage.state.job.job_id
    bpy.ops.panoloom.restore_world()
    return {"during": during, "after": after, "restored": scene.world.name}


def story_of_a_loaded_sequence(stage: Stage) -> dict[str, object]:
    """Any EXR sequence becomes a World that loops; what is none ends in a sentence."""
    scene = new_scene()
    folder = stage.folder / "mine"
    folder.mkdir()
    for index, frame in enumerate(sorted((stage.folder / "loop" / "frames").iterdir())):
        (folder / f"sky.{index + 10:03d}.exr").write_bytes(frame.read_bytes())
    bpy.ops.panoloom.load_loop(filepath=str(folder / "sky.012.exr"))
    node = environment(scene)
    user = node.image_user
    facts = {
        "source": node.image.source,
        "frames": [user.frame_duration, user.frame_offset, user.use_cyclic],
        "colour": node.image.colorspace_settings.name,
        "missing": press("load_loop", filepath=str(folder / "none.exr")),
    }
    bpy.ops.panoloom.restore_world()
    return facts | {"restored": scene.world.name}


def story_of_a_strange_colour_configuration(stage: Stage) -> dict[str, object]:
    """Without a colour space of the needed names the loop is shown, with a sentence."""
    world = part("blender_addon.world")
    scene = new_scene()
    kept, world.LINEAR = world.LINEAR, ("No Such Space",)
    said = press("load_loop", filepath=str(stage.folder / "loop" / "frames" / "loop_0001.exr"))
    world.LINEAR = kept
    shown = environment(scene).image is not None
    bpy.ops.panoloom.restore_world()
    return {"said": said, "shown": shown}


def story_of_an_earlier_run(stage: Stage) -> dict[str, object]:
    """Blender was closed in mid-job: the next run picks the job up and finds its World."""
    scene = new_scene()
    queue, library = stage.state.queue, stage.folder / "left"
    stage.generate()
    stage.preview(1)
    left = stage.state.job
    blend = str(stage.folder / "left.blend")
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    kept = library / ".panoloom"
    kept.mkdir(parents=True)
    queue.save(kept)
    (mine,) = kept.iterdir()
    mine.rename(mine.with_name("blender-4194305.queue.json"))  # no such process
    queue.jobs.clear()
    stage.state.care.place = library
    stage.state._adopt()
    (found,) = queue.open
    again = found is not left and found.job_id == left.job_id
    bpy.ops.wm.open_mainfile(filepath=blend)
    stage.seq = 0
    stage.preview(2, found)
    stage.finish(found)
    scene = bpy.context.scene
    facts = {"again": again, "shown": environment(scene).image.source, "left": found.left_why}
    stage.state.care.place = None
    bpy.ops.panoloom.restore_world()
    return facts


def story_of_a_waiting_picture(stage: Stage) -> dict[str, object]:
    """Blender was closed while a job waited with a copy of its scene: the next run renders it."""
    scene = new_scene()
    scene.panoloom.prompt = "around my scene"
    state, kept = stage.state, stage.folder / "waiting" / ".panoloom"
    kept.mkdir(parents=True)
    state.care.place = kept.parent
    stage.generate()
    scene.panoloom.use_reference = True
    bpy.ops.panoloom.generate()
    waiting = state.job
    state._reference[1].stop()
    state._reference = None
    for path in list(kept.iterdir()):  # as a run of Blender that is gone left it
        path.rename(path.with_name(path.name.replace(str(os.getpid()), "4194305")))
    state.queue.jobs.clear()
    state._adopt()
    first, found = state.queue.open
    again = found is not waiting and found.job_id == waiting.job_id
    end = time.monotonic() + 200
    while not found.is_prepared and found.is_active and time.monotonic() < end:
        stage.tick()
        time.sleep(0.05)
    first.cancel_here()
    stage.tick()
    (blob,), spec = state.session.blobs[-1], state.session.asked[-1]
    facts = {
        "again": again,
        "is_sent": found.is_sent,
        "is_its_picture": hashlib.sha256(blob).hexdigest() == spec.reference.sha256,
        "left": [path.name for path in kept.rglob("*.blend")],
    }
    found.cancel_here()
    scene.panoloom.use_reference = False
    state.care.place = None
    return facts


def story_of_another_computer(stage: Stage) -> dict[str, object]:
    """An engine elsewhere is not reached while Blender forbids online access."""
    stored = part("blender_addon.preferences")._stored()
    link = part("blender_addon.session").LinkState
    stored.remote_address = "192.0.2.1:5555"
    stage.state.session.state = link.OFF
    why = part("blender_addon.panel_model").why_not_start(facts_now())
    with contextlib.suppress(RuntimeError):
        bpy.ops.panoloom.connect()
    (shown,) = stage.state.problems
    remedy = part("blender_addon.remedies").remedy_for(shown)
    stage.state.dismiss()
    stored.remote_address = "not an address"
    wrong = press("connect")
    stored.remote_address = ""
    stage.state.session.state = link.CONNECTED
    stage.state.care.place = None
    return {
        "allowed": bpy.app.online_access,
        "said": str(shown),
        "mended_by": remedy.action,
        "start_is_off": why,
        "wrong": wrong,
    }


def facts_now():
    return part("blender_addon.gather").facts(bpy.context.scene)


def story_of_lines(stage: Stage) -> dict[str, object]:
    """A prompt in a text block takes the place of the line, and comes back into it."""
    scene = new_scene()
    scene.panoloom.prompt = "a sea"
    bpy.ops.panoloom.write_prompt()
    scene.panoloom.prompt_text.from_string("a sea\nunder stars\n")
    stage.generate()
    spec = stage.state.session.asked[-1]
    bpy.ops.panoloom.single_line()
    return {"asked": spec.prompt, "line": scene.panoloom.prompt}


def main(folder: str) -> dict[str, object]:
    small_scene()
    stage = Stage(Path(folder))
    stories = [value for name, value in globals().items() if name.startswith("story_of")]
    return {story.__name__: story(stage) for story in stories}


run(main)
