"""An engine on another machine: its address, and the key file that opens it.

`panoloom serve --listen ADDRESS` makes the key file. Its owner carries a copy to the client's
machine; whoever has it can use the engine. Control is at the port of the address and blobs at the
next one; both speak CURVE and nothing else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from .connection import ELSEWHERE, Connection, read_connection, write_private
from .errors import EngineUnreachable, InvalidJob, MalformedMessage
from .messages import PROTOCOL_VERSION
from .plain import from_plain, to_plain

DEFAULT_PORT = 47600
REMOTE_KEY_NAME = "remote.key"
"""The key file in the engine's own state folder, where no other name is given."""
MAX_KEY_FILE_BYTES = 4096
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_HOST = re.compile(r"[0-9A-Za-z]([0-9A-Za-z.\-]*[0-9A-Za-z])?|[0-9A-Fa-f:.]+(%[\w.\-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteKey:
    """What is in a key file: CURVE keys, each 40 characters of Z85."""

    server_public_key: str
    client_public_key: str
    client_secret_key: str


@dataclass(frozen=True, slots=True)
class RemoteEngine:
    """Where an engine on another machine is, and the file with its key.

    Attributes:
        address: "host" or "host:port"; an IPv6 host in brackets.
    """

    address: str
    key_file: Path

    @property
    def is_loopback(self) -> bool:
        """Whether it is reached without a network: this machine, or a tunnel that begins here."""
        return parse_address(self.address)[0] in LOOPBACK

    def connection(self) -> Connection:
        """How to reach it.

        Raises:
            InvalidJob: The address is none.
            EngineUnreachable: The key file is not there, or is none.
        """
        host, port = parse_address(self.address)
        key = read_key(self.key_file)
        name = f"[{host}]" if ":" in host else host
        return Connection(
            protocol=PROTOCOL_VERSION,
            pid=ELSEWHERE,
            session="",
            control=f"tcp://{name}:{port}",
            blobs=f"tcp://{name}:{port + 1}",
            server_public_key=key.server_public_key,
            client_public_key=key.client_public_key,
            client_secret_key=key.client_secret_key,
            library="",
        )


Where = Connection | RemoteEngine | Path | str
"""Every way to name an engine: a library folder or connection file of this machine, or farther."""


def connection_of(where: Where) -> Connection:
    """How to reach the engine that is named so, now.

    Raises:
        EngineUnreachable: There is none, or its file is no good.
        InvalidJob: The address is none.
    """
    match where:
        case Connection():
            return where
        case RemoteEngine():
            return where.connection()
        case _:
            return read_connection(where)


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of the control socket; the port is DEFAULT_PORT where none is given.

    Raises:
        InvalidJob: It is no address.
    """
    text = text.strip()
    match = re.fullmatch(r"\[(?P<six>[^\]]+)\](:(?P<p6>\d+))?|(?P<host>[^:]+)(:(?P<p>\d+))?", text)
    host = (match["six"] or match["host"]) if match else ""
    port = int((match["p6"] or match["p"] or DEFAULT_PORT) if match else 0)
    if not _HOST.fullmatch(host) or not 0 < port < 65535:
        raise InvalidJob(
            f"{text!r} is not an address: give HOST or HOST:PORT with a port from 1 to 65534, "
            "such as 192.168.1.20:47600.",
            field="address",
        )
    return host, port


def write_key(path: Path, key: RemoteKey) -> None:
    """Write the file for its owner's eyes only."""
    write_private(path, json.dumps(to_plain(key), indent=1).encode() + b"\n")


def read_key(path: Path) -> RemoteKey:
    """The key in a file.

    Raises:
        EngineUnreachable: There is none.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_KEY_FILE_BYTES)
        key = from_plain(RemoteKey, json.loads(raw), error=MalformedMessage, where="key file")
        for value in (key.server_public_key, key.client_public_key, key.client_secret_key):
            if not _Z85.fullmatch(value):
                raise ValueError("a key has 40 characters of Z85")
    except OSError as why:
        raise EngineUnreachable(
            f"The key file {path} cannot be read: {why.strerror or why}. Copy it from the engine's "
            "machine, where `panoloom serve --listen` made it.",
            file=str(path),
            field="key",
        ) from why
    except (ValueError, MalformedMessage) as why:
        raise EngineUnreachable(
            f"{path} is not the key file of an engine: {why}. Copy it from the engine's machine, "
            "where `panoloom serve --listen` made it.",
            file=str(path),
            field="key",
        ) from why
    return key
