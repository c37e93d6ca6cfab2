"""Errors that a button can mend."""

from __future__ import annotations

from panoloom.blender_addon.remedies import Remedy, remedy_for
from panoloom.shared.errors import (
    ArtifactWriteFailed,
    EngineUnreachable,
    InvalidJob,
    ModelNotInstalled,
    OutOfMemory,
    PanoloomError,
    ProtocolMismatch,
)


def test_wrong_length_is_set_to_the_nearest():
    error = InvalidJob("Too long.", field="seconds", nearest=30.0)
    assert remedy_for(error) == Remedy("Make it 30 s", "seconds", 30.0)


def test_wrong_size_is_set_to_the_nearest_one_the_panel_has():
    for nearest in ([1024, 512], (1024, 512), "1024x512"):
        found = remedy_for(InvalidJob("No such size.", field="size", nearest=nearest))
        assert found == Remedy("Make it 1024x512", "size", "1024x512")
    assert remedy_for(InvalidJob("No such size.", field="size", nearest=[640, 320])) is None


def test_full_memory_is_mended_by_a_smaller_loop():
    found = remedy_for(OutOfMemory("Too big.", largest_that_fits=[1024, 512]))
    assert found == Remedy("Make it 1024x512", "size", "1024x512")
    assert remedy_for(OutOfMemory("Too big.")).value == "512x256"


def test_model_without_weights_gives_way_to_the_one_that_ships():
    found = remedy_for(ModelNotInstalled("Not here.", model="wan-1.3b"))
    assert found == Remedy("Take the preview model", "model", "preview")
    assert remedy_for(ModelNotInstalled("Not even this.", model="preview")) is None


def test_missing_engine_is_started_where_one_can_be():
    gone = EngineUnreachable("Gone.")
    assert remedy_for(gone, can_start=True).action == "start"
    assert remedy_for(gone) is None
    assert remedy_for(EngineUnreachable("It ended.", log="engine.log")).action == "log"


def test_engine_elsewhere_is_mended_in_the_preferences():
    for error, action in (
        (EngineUnreachable("Online access is off.", online_access=False), "network"),
        (EngineUnreachable("No such key file.", field="key"), "preferences"),
        (InvalidJob("That is no address.", field="address"), "preferences"),
    ):
        assert remedy_for(error, can_start=True).action == action


def test_full_disk_leads_to_the_library_folder():
    assert remedy_for(ArtifactWriteFailed("Full.")).action == "preferences"


def test_what_no_button_mends_has_none():
    for error in (PanoloomError("Odd."), ProtocolMismatch("Old."), InvalidJob("No.", field="seed")):
        assert remedy_for(error) is None
