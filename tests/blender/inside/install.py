"""Install the zip into the fresh profile and say what came of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy
from stage import MODULE, run


def main(zip_path: str) -> dict[str, object]:
    bpy.ops.extensions.package_install_files(
        filepath=zip_path, repo="user_default", enable_on_install=True
    )
    import msgpack
    import zmq

    user = Path(os.environ["BLENDER_USER_RESOURCES"])
    wheels = next(user.glob("extensions/.local/lib/python*/site-packages"))
    return {
        "enabled": MODULE in bpy.context.preferences.addons,
        "has_settings": hasattr(bpy.context.scene, "panoloom"),
        "pyzmq": zmq.__version__,
        "msgpack": ".".join(map(str, msgpack.version)),
        "wheels": sorted(path.parent.name for path in wheels.glob("*/__init__.py")),
        "top_level": sorted(name for name in sys.modules if name.partition(".")[0] == "panoloom"),
    }


run(main)
