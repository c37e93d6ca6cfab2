"""Documents keep what stands around the marks."""

from __future__ import annotations

import pytest

from panoloom.engine_server.marked_text import put_between

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def test_text_is_put_between_the_marks_again_and_again():
    once = put_between(f"top\n{BEGIN}\nold\n{END}\nbottom\n", "new", begin=BEGIN, end=END)
    assert once == f"top\n{BEGIN}\nnew\n{END}\nbottom\n"
    assert put_between(once, "new", begin=BEGIN, end=END) == once


@pytest.mark.parametrize(
    "document",
    ["", END, f"{END}\n{BEGIN}", f"{BEGIN}\nnever closed", f"{BEGIN}\n<!-- hers -->\n{END}"],
)
def test_a_document_without_a_place_is_refused(document):
    with pytest.raises(ValueError, match="no <!-- figures --> …"):
        put_between(document, "new", begin=BEGIN, end=END)
