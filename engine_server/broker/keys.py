"""CURVE keys: made at the first start, kept for their owner's eyes only."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import zmq

from ...shared.connection import write_private
from ...shared.errors import EngineUnreachable, MalformedMessage, UserError
from ...shared.plain import from_plain, to_plain
from ...shared.remote import RemoteKey, read_key, write_key


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A CURVE key pair as two times 40 characters of Z85."""

    public: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Who may talk on the engine's sockets: it, its clients, and its worker."""

    server: KeyPair
    client: KeyPair
    worker: KeyPair


def load_or_make_keys(folder: Path) -> Keys:
    """The keys in `folder`, made if there are none.

    Raises:
        UserError: The file is there and is not one of ours.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "keys.json"
    if not path.exists():
        keys = Keys(server=_new_pair(), client=_new_pair(), worker=_new_pair())
        write_private(path, json.dumps(to_plain(keys)).encode())
        return keys
    if os.name == "posix":
        folder.chmod(0o700)
        path.chmod(0o600)
    try:
        keys = from_plain(
            Keys, json.loads(path.read_bytes()), error=MalformedMessage, where="key file"
        )
        for pair in (keys.server, keys.client, keys.worker):
            if zmq.curve_public(pair.secret.encode()) != pair.public.encode():
                raise ValueError("a public and a secret key do not belong together")
    except (OSError, ValueError, zmq.ZMQError, MalformedMessage) as why:
        raise UserError(
            f"The key file {path} is damaged: {why}. Delete it, and new keys are made."
        ) from why
    return keys


def load_or_make_remote_key(path: Path, server: KeyPair) -> RemoteKey:
    """What clients on other machines come with, from the key file; made if there is none.

    Raises:
        UserError: The file is no key file, is that of another engine, or cannot be written.
    """
    try:
        if not path.exists():
            pair = _new_pair()
            path.parent.mkdir(parents=True, exist_ok=True)
            write_key(
                path,
                RemoteKey(
                    server_public_key=server.public,
                    client_public_key=pair.public,
                    client_secret_key=pair.secret,
                ),
            )
        key = read_key(path)
    except (OSError, EngineUnreachable) as why:
        raise UserError(
            f"The key file {path} is no good: {why} Name another with --key-file.", field="key_file"
        ) from why
    if key.server_public_key != server.public:
        raise UserError(
            f"The key file {path} belongs to another engine. Name another with --key-file.",
            field="key_file",
        )
    return key


def _new_pair() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public=public.decode(), secret=secret.decode())
