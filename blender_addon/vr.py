"""Into the loop with a headset, and back: Blender's VR session, set up and put back by one button.

Everything that `enter` changes it notes first, and `leave` puts it back: also when the session does
not start, when the headset ends it, and when the file is saved or another one opened.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import bpy

from ..shared.errors import PanoloomError
from . import runtime, vr_dome, vr_runtime, world, world_nodes, world_time

LANDMARK = "Panoloom"
WAIT_S, EVERY_S = 10.0, 0.5
XR_OFF = ("show_floor", "show_annotation", "show_selection", "show_object_extras")
Find = Callable[[], Any]


@dataclass(slots=True)
class Visit:
    """One stay in VR: what to put back afterwards.

    Attributes:
        before: (how to find the owner, name, value) of every setting that was changed, in order.
        scene_uid: The scene.
        window, area: Numbers of the window and the 3D viewport it was started from.
        plays: Whether it started the playback.
        has_landmark: Whether it made a landmark of the bundled VR add-on.
        waited_s: How long the session has been starting.
        was_running: Whether it has begun.
    """

    scene_uid: int
    window: int
    area: int
    before: list[tuple[Find, str, Any]] = field(default_factory=list)
    plays: bool = False
    has_landmark: bool = False
    waited_s: float = 0.0
    was_running: bool = False

    def set(self, find: Find, name: str, value: Any) -> None:
        """Change a setting and remember what it was; one this Blender does not have is left out."""
        owner = find()
        if owner is None or not hasattr(owner, name):
            return
        old = getattr(owner, name)
        is_vector = hasattr(old, "__len__") and not isinstance(old, str)
        self.before.append((find, name, tuple(old) if is_vector else old))
        setattr(owner, name, value)

    def put_back(self) -> None:
        """Give every setting its old value, the last one first; what is gone stays gone."""
        for find, name, old in reversed(self.before):
            owner = find()
            if owner is not None:
                setattr(owner, name, old)
        self.before.clear()


_visit: Visit | None = None


def is_inside() -> bool:
    """Whether a session of ours runs or starts."""
    return _visit is not None


def why_not(context: bpy.types.Context) -> str:
    """Why VR cannot be entered here, empty when it can be tried."""
    if is_inside():
        return ""
    if context.area is None or context.area.type != "VIEW_3D":
        return "Press it in a 3D viewport"
    scene = context.scene
    shown = world_nodes.node(scene.world, world_nodes.ENVIRONMENT)
    if world.job_of(scene.world) is None or shown is None or shown.image is None:
        return "Show a loop in the World first"
    if bpy.types.XrSessionState.is_running(bpy.context):
        return "A VR session runs already; end it first"
    return vr_runtime.missing_in_blender(
        has_openxr=bpy.app.build_options.xr_openxr, version=bpy.app.version, backend=_backend()
    )


def _backend() -> str:
    import gpu

    try:
        return gpu.platform.backend_type_get()
    except SystemError:  # without a window there is no graphics backend yet
        return ""


def enter(context: bpy.types.Context, *, dome: bool) -> None:
    """Set everything for VR and start the session.

    Args:
        context: Of a 3D viewport.
        dome: Let a dome play the loop, and hold the World still.

    Raises:
        PanoloomError: There is no runtime, or it gave no session; all is as it was.
    """
    global _visit
    path = vr_runtime.find_runtime()
    if path is None:
        raise PanoloomError(f"{vr_runtime.NO_RUNTIME}.")
    window, area = context.window, context.area
    visit = Visit(context.scene.session_uid, window.as_pointer(), area.as_pointer())
    _visit = visit
    try:
        _set_up(visit, context, dome=dome)
        begins, why = _toggle(visit), ""
    except RuntimeError as error:
        begins, why = False, str(error)
    if not begins:
        leave()
        raise PanoloomError(_no_session(path, why), runtime=path)
    for moment in _moments():
        moment.append(_before_file)
    bpy.app.timers.register(_watch, first_interval=EVERY_S)


def _no_session(path: str, why: str) -> str:
    return (
        f"The headset software ({path}) gave no VR session{f': {why.strip()}' if why else ''}. "
        "See that it runs and the headset is on and connected, then press again. "
        "Nothing was changed."
    )


def _moments() -> tuple[list[Any], ...]:
    return (bpy.app.handlers.load_pre, bpy.app.handlers.save_pre)


def leave() -> None:
    """End the session and put everything back; nothing to do when there is none."""
    global _visit
    visit, _visit = _visit, None
    if visit is None:
        return
    for moment in _moments():
        if _before_file in moment:
            moment.remove(_before_file)
    if bpy.app.timers.is_registered(_watch):
        bpy.app.timers.unregister(_watch)
    if _is_running():
        with contextlib.suppress(RuntimeError):
            _toggle(visit)
    if visit.plays and _screen(visit) is not None and _screen(visit).is_animation_playing:
        with bpy.context.temp_override(window=_window(visit)):
            bpy.ops.screen.animation_cancel(restore_frame=False)
    vr_dome.lower_dome()
    visit.put_back()
    if visit.has_landmark:
        _remove_landmark(world.scene_of(visit.scene_uid))


def _set_up(visit: Visit, context: bpy.types.Context, *, dome: bool) -> None:
    scene = context.scene
    user = world_nodes.node(scene.world, world_nodes.ENVIRONMENT).image_user
    place, angle = _stand(scene)
    visit.set(_xr, "base_pose_type", "CUSTOM")
    visit.set(_xr, "base_pose_location", place)
    visit.set(_xr, "base_pose_angle", angle)
    visit.set(_xr, "use_positional_tracking", False)
    visit.set(_xr, "clip_end", max(_xr().clip_end, 2 * vr_dome.RADIUS_M))
    for name in XR_OFF:
        visit.set(_xr, name, False)
    _add_landmark(visit, scene, place, angle)
    shading = partial(_shading, visit)
    visit.set(shading, "type", "MATERIAL")
    visit.set(shading, "use_scene_world", True)
    visit.set(shading, "use_scene_lights", True)
    here = partial(world.scene_of, visit.scene_uid)
    visit.set(here, "use_preview_range", True)
    visit.set(here, "frame_preview_start", 1)  # before its end: they hold each other
    visit.set(here, "frame_preview_end", world_time.length(scene.world, scene))
    visit.set(here, "sync_mode", "FRAME_DROP")
    visit.set(here, "frame_current", 1)
    if dome and user.use_auto_refresh:
        vr_dome.raise_dome(scene, place)
        visit.set(partial(_image_user, visit.scene_uid), "use_auto_refresh", False)
    if not context.screen.is_animation_playing:
        with context.temp_override(window=context.window):
            bpy.ops.screen.animation_play()
        visit.plays = True


def _stand(scene: bpy.types.Scene) -> tuple[tuple[float, float, float], float]:
    """Where to stand and which way to look: at the camera, with a level horizon.

    Without a camera: at the origin, towards the middle of the loop.
    """
    camera = scene.camera
    if camera is None:
        place, heading = (0.0, 0.0, 0.0), float(scene.world[world.HEADING_TAG])
    else:
        place = tuple(camera.matrix_world.translation)
        heading = world.camera_heading(scene)
    turn = heading - math.pi / 2  # a base pose of 0 looks along +y
    return place, math.remainder(turn, 2 * math.pi)


def _add_landmark(
    visit: Visit, scene: bpy.types.Scene, place: tuple[float, float, float], angle: float
) -> None:
    """The bundled VR add-on, where it is on, takes its pose from its active landmark."""
    landmarks = getattr(scene, "vr_landmarks", None)
    if landmarks is None:
        return
    mark = landmarks.add()
    mark.name, mark.type = LANDMARK, "CUSTOM"
    mark.base_pose_location, mark.base_pose_angle = place, angle
    visit.has_landmark = True
    here = partial(world.scene_of, visit.scene_uid)
    visit.set(here, "vr_landmarks_active", len(landmarks) - 1)


def _remove_landmark(scene: bpy.types.Scene | None) -> None:
    landmarks = getattr(scene, "vr_landmarks", None)
    if landmarks is None:
        return
    for index in reversed(range(len(landmarks))):
        if landmarks[index].name == LANDMARK:
            landmarks.remove(index)
            return


def _watch() -> float | None:
    """Wait for a session that starts late; put everything back when the headset ends it."""
    visit = _visit
    if visit is None:
        return None
    if _is_running():
        visit.was_running = True
        return EVERY_S
    visit.waited_s += EVERY_S
    if not visit.was_running and visit.waited_s < WAIT_S:
        return EVERY_S
    if not visit.was_running:
        error = PanoloomError(_no_session(vr_runtime.find_runtime() or "none", ""))
        runtime.state().report(error)
    leave()
    return None


@bpy.app.handlers.persistent
def _before_file(*_args: object) -> None:
    leave()


def _toggle(visit: Visit) -> bool:
    """Start or end the session; False where Blender would not. It says why in its console."""
    window, area = _window(visit), _area(visit)
    if window is None or area is None:
        return False
    region = next(each for each in area.regions if each.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        return "FINISHED" in bpy.ops.wm.xr_session_toggle()


def _xr() -> bpy.types.XrSessionSettings:
    return bpy.context.window_manager.xr_session_settings


def _is_running() -> bool:
    return bool(bpy.types.XrSessionState.is_running(bpy.context))


def _window(visit: Visit) -> bpy.types.Window | None:
    windows = bpy.context.window_manager.windows
    return next((each for each in windows if each.as_pointer() == visit.window), None)


def _screen(visit: Visit) -> bpy.types.Screen | None:
    window = _window(visit)
    return None if window is None else window.screen


def _area(visit: Visit) -> bpy.types.Area | None:
    screen = _screen(visit)
    if screen is None:
        return None
    return next((each for each in screen.areas if each.as_pointer() == visit.area), None)


def _shading(visit: Visit) -> bpy.types.View3DShading | None:
    area = _area(visit)
    space = None if area is None else area.spaces.active
    return getattr(space, "shading", None)


def _image_user(scene_uid: int) -> bpy.types.ImageUser | None:
    scene = world.scene_of(scene_uid)
    shown = None if scene is None else world_nodes.node(scene.world, world_nodes.ENVIRONMENT)
    return None if shown is None else shown.image_user
