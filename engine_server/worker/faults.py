"""Foreign errors as ours: the one seam, for the worker and for who evaluates views for it."""

from __future__ import annotations

import traceback

from ...shared.errors import GenerationFailed, OutOfMemory, PanoloomError


def out_of_memory(why: BaseException) -> OutOfMemory:
    """Where there is no further level of the memory ladder to go down to."""
    return OutOfMemory(
        "The machine has too little memory for this job. Ask for a smaller size or a shorter loop, "
        "or close other programs.",
        cause=repr(why),
    )


def unexpected(why: Exception, log: str) -> PanoloomError:
    """An error that nobody foresaw; its traceback goes to standard error, which is the log."""
    traceback.print_exception(why)
    text = str(why)
    if "out of memory" in text.lower() or "can't allocate memory" in text.lower():
        return out_of_memory(why)
    return GenerationFailed(
        f"The pictures could not be made: {type(why).__name__}: {text or 'no message'}. Try again, "
        f"or ask for another size or length; if it stays, report it with the end of {log}.",
        log=log,
    )
