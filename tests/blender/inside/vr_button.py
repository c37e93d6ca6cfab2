"""The VR button where there is no viewport; the landmark of the bundled VR add-on comes and goes.

vr_button.py FOLDER
"""

from __future__ import annotations

import bpy
from stage import part, run, small_scene


def main(folder: str) -> dict[str, object]:
    scene = small_scene()
    vr = part("blender_addon.vr")
    facts: dict[str, object] = {
        "without_a_viewport": vr.why_not(bpy.context),
        "pressed": bpy.ops.panoloom.enter_vr.poll(),
    }
    bpy.ops.preferences.addon_enable(module="viewport_vr_preview")
    before = len(scene.vr_landmarks)
    visit = vr.Visit(scene.session_uid, 0, 0)
    vr._add_landmark(visit, scene, (1.0, 2.0, 3.0), 0.5)
    mark = scene.vr_landmarks[scene.vr_landmarks_active]
    facts["landmarks"] = [
        [mark.name, mark.type, *mark.base_pose_location],
        len(scene.vr_landmarks) - before,
    ]
    visit.put_back()
    vr._remove_landmark(scene)
    facts["landmarks"].append(len(scene.vr_landmarks) - before)
    return facts


run(main)
