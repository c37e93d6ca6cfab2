"""The error tree, sorted by who can put it right, and its names on the wire.

    PanoloomError
      UserError       change the request or the machine
                      InvalidJob, ModelNotInstalled, OutOfMemory
      EngineError     this job is lost, the engine lives on
                      GenerationFailed, ArtifactWriteFailed
      TransportError  the two sides do not reach or understand each other
                      EngineUnreachable, ProtocolMismatch, MalformedMessage

Cancelling is a state of a job, not an error.
"""

from __future__ import annotations

from typing import Any, ClassVar


class PanoloomError(Exception):
    """Base class; `str(error)` is a sentence fit for the panel.

    Attributes:
        code: Stable name on the wire; never reused, never renamed. Dots lead from the general to
            the special.
        details: Plain data for logs and for the panel: `field` names the culprit, remedies are data
            too (`nearest`, `known`, `largest_that_fits`).
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details: dict[str, Any] = details

    def to_wire(self) -> tuple[str, str, dict[str, Any]]:
        """Code, sentence and plain details, as `from_wire` takes them."""
        plain = {str(key): _plain(value) for key, value in self.details.items()}
        return self.code, str(self), plain


class UserError(PanoloomError):
    """Asking for something else, or changing the machine, helps."""

    code = "user"


class InvalidJob(UserError):
    """The request makes no sense; `details["field"]` names the part of it."""

    code = "user.invalid_job"


class ModelNotInstalled(UserError):
    """The model is known, but its weights are not on this machine."""

    code = "user.model_not_installed"


class OutOfMemory(UserError):
    """No rung of the memory ladder fits into this device."""

    code = "user.out_of_memory"


class EngineError(PanoloomError):
    """This job is lost; the engine lives on."""

    code = "engine"


class GenerationFailed(EngineError):
    """The pictures could not be made."""

    code = "engine.generation_failed"


class ArtifactWriteFailed(EngineError):
    """The pictures were made and could not be written."""

    code = "engine.artifact_write_failed"


class TransportError(PanoloomError):
    """The two sides do not reach or do not understand each other."""

    code = "transport"


class EngineUnreachable(TransportError):
    """Nobody answers at the other end."""

    code = "transport.engine_unreachable"


class ProtocolMismatch(TransportError):
    """The two sides speak different major versions of the protocol."""

    code = "transport.protocol_mismatch"


class MalformedMessage(TransportError):
    """What arrived is not a message of ours."""

    code = "transport.malformed_message"


def from_wire(code: str, message: str, details: dict[str, Any]) -> PanoloomError:
    """Rebuild the error the other side reported.

    An unknown code (a newer engine) becomes its nearest known parent, so an old add-on still tells
    a UserError from an EngineError.
    """
    known = {cls.code: cls for cls in all_errors()}
    while code not in known and "." in code:
        code = code.rpartition(".")[0]
    error = known.get(code, PanoloomError)(message)
    error.details = {str(key): value for key, value in details.items()}
    return error


def all_errors() -> list[type[PanoloomError]]:
    """Every class of the tree, parents first."""
    found: list[type[PanoloomError]] = [PanoloomError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return found


def _plain(value: Any) -> Any:
    """`value` as something msgpack and JSON both carry; anything exotic becomes its text."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)
