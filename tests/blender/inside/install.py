"""Install the zip into the fresh profile and say what came of it."""

from __future__ import annotations

import sys

import bpy
from stage import MODULE, run


def main(zip_path: str) -> dict[str, object]:
    bpy.ops.extensions.package_install_files(
        filepath=zip_path, repo="user_default", enable_on_install=True
    )
    import msgpack
    import zmq

    return {
        "enabled": MODULE in bpy.context.preferences.addons,
        "has_settings": hasattr(bpy.context.scene, "panoloom"),
        "pyzmq": zmq.__version__,
        "pyzmq_from": zmq.__file__,
        "msgpack_from": msgpack.__file__,
        "top_level": sorted(name for name in sys.modules if name.partition(".")[0] == "panoloom"),
    }


run(main)
