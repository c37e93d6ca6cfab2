"""What a model is shown of pictures: every window what its view sees, and each place once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import oracles
import pytest
import torch

from panoloom.engine_server.models.adapter import Cond, LatentSpec, ViewGeometry, WindowPictures
from panoloom.engine_server.panorama import erp
from panoloom.engine_server.worker.shown import NO_PICTURES, Pictures, ShownViews, shown_views
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobs import JobSpec

SPEC = JobSpec(prompt="a sea", model="vace")
PLACES = {"yaw_deg": (0.0, 90.0, 0.0), "pitch_deg": (0.0, 45.0, 0.0)}


class Looker(oracles.OracleAdapter):
    """Gives back the middle of the picture that it is shown."""

    needs_picture = False

    def __init__(self) -> None:
        super().__init__(num_frames=4, spec=LatentSpec(channels=3, ratio_s=8, ratio_t=1))
        self.shown: list[WindowPictures] = []

    def view_control(self, shown: WindowPictures) -> Mapping[str, torch.Tensor]:
        self.shown.append(shown)
        assert shown.picture is not None
        return {"middle": shown.picture[:, 64, 64][None]}

    def denoised(self, x, sigma, cond: Cond, views: ViewGeometry):
        return views.control["middle"]


class Needy(Looker):
    needs_picture = True


def panorama() -> torch.Tensor:
    return torch.from_numpy(np.moveaxis(erp.cell_directions(128, 256), -1, 0).astype(np.float32))


def test_every_window_is_shown_what_its_view_sees_and_a_place_is_made_once() -> None:
    looker = Looker()
    model = ShownViews(adapter=looker, pictures=Pictures(picture=panorama()))
    views = ViewGeometry(elevation_rad=torch.zeros(3, 16, 16), fov_deg=90.0, **PLACES)
    made = model.denoised(torch.zeros(3, 3, 4, 16, 16), 0.5, Cond(), views)
    for row, (yaw, pitch) in zip(made, zip(*PLACES.values(), strict=True), strict=True):
        direction = erp.view_directions(
            yaw_deg=yaw, pitch_deg=pitch, fov_deg=90.0, height=129, width=129
        )[64, 64]
        assert torch.allclose(row, torch.from_numpy(direction).float(), atol=0.02)
    assert len(looker.shown) == 2
    assert looker.shown[0].follow is None


def test_the_open_part_is_seen_as_zero_or_one() -> None:
    open_above = torch.zeros(128, 256)
    open_above[:64] = 1
    shown = Pictures(picture=panorama(), is_open=open_above).seen(
        yaw_deg=20.0, pitch_deg=0.0, fov_deg=90.0, size=(32, 32)
    )
    assert shown.is_open is not None
    assert set(shown.is_open.unique().tolist()) == {0.0, 1.0}
    assert shown.is_open[:15].min() == 1
    assert shown.is_open[17:].max() == 0


def test_a_model_that_takes_no_pictures_or_is_given_none_stays_itself() -> None:
    blind, looker = oracles.OracleAdapter(num_frames=4), Looker()
    assert shown_views(SPEC, blind, Pictures(picture=panorama())) is blind
    assert shown_views(SPEC, looker, NO_PICTURES) is looker


def test_a_model_that_needs_a_picture_and_windows_that_are_no_views_are_refused() -> None:
    with pytest.raises(InvalidJob, match="reference panorama"):
        shown_views(SPEC, Needy(), NO_PICTURES)
    whole = JobSpec(prompt="a sea", model="vace", method="whole")
    with pytest.raises(InvalidJob, match="Take the method fused"):
        shown_views(whole, Needy(), Pictures(picture=panorama()))
    with pytest.raises(InvalidJob, match="Take the method fused"):
        shown_views(whole, Looker(), Pictures(follow=panorama()))
