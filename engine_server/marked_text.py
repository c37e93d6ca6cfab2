"""Texts that a program writes into a document, between two marks that stay there."""

from __future__ import annotations


def put_between(document: str, text: str, *, begin: str, end: str) -> str:
    """`document` with `text` on lines of its own between the marks `begin` and `end`.

    Raises:
        ValueError: They are not there, or another mark stands between them.
    """
    head, found, rest = document.partition(begin)
    inside, closed, tail = rest.partition(end)
    if not (found and closed) or "<!--" in inside:
        raise ValueError(f"The document has no {begin} … {end} to write between.")
    return f"{head}{begin}\n{text}\n{end}{tail}"
