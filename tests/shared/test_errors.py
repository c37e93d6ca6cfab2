from __future__ import annotations

import pytest

from panoloom.shared import errors


@pytest.mark.parametrize("cls", errors.all_errors(), ids=lambda cls: cls.__name__)
def test_every_error_survives_the_wire(cls):
    back = errors.from_wire(*cls("why", field="seed", nearest=(1, 2)).to_wire())
    assert type(back) is cls
    assert (str(back), back.details) == ("why", {"field": "seed", "nearest": [1, 2]})


def test_codes_are_unique_and_lead_from_parent_to_child():
    codes = [cls.code for cls in errors.all_errors()]
    assert len(set(codes)) == len(codes) == 12
    for cls in errors.all_errors():
        for parent in cls.__mro__[1:]:
            if parent in errors.all_errors() and parent is not errors.PanoloomError:
                assert cls.code.startswith(parent.code + ".")


def test_code_from_a_newer_engine_becomes_its_nearest_known_parent():
    back = errors.from_wire("user.prompt_too_long", "Shorten the prompt.", {})
    assert type(back) is errors.UserError
    assert type(errors.from_wire("engine.gpu.lost", "x", {})) is errors.EngineError
    assert type(errors.from_wire("", "x", {})) is errors.PanoloomError


def test_details_become_plain_data():
    _, _, details = errors.UserError("x", path=errors, big=2**70, many={1: (2, None)}).to_wire()
    assert details["big"] == str(2**70)
    assert details["many"] == {"1": [2, None]}
    assert isinstance(details["path"], str)


def test_details_may_be_named_like_the_arguments_of_an_error():
    back = errors.from_wire("user", "x", {"message": "y", "self": "z"})
    assert back.details == {"message": "y", "self": "z"}
