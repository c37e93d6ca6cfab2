"""Statistics of clips against pictures whose figures are known."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from panoloom.engine_server.models.preview.evaluate import statistics


def seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def cloudy(exponent: float, size: int = 128) -> torch.Tensor:
    """A grey clip of one frame whose power falls with frequency to the power -2 exponent."""
    rows, columns = torch.fft.fftfreq(size) * size, torch.fft.fftfreq(size) * size
    radius = torch.hypot(rows[:, None], columns[None, :]).clamp(min=1.0)
    phases = torch.fft.fft2(torch.randn(size, size, generator=seeded(1)))
    grey = torch.fft.ifft2(phases * radius ** (-exponent)).real
    grey = 0.5 + 0.1 * (grey - grey.mean()) / grey.std()
    return grey.expand(1, 3, size, size)


def textured(size: int = 160) -> torch.Tensor:
    """A smooth random grey picture [size, size] in 0..1."""
    grain = torch.randn(1, 1, size, size, generator=seeded(2))
    smooth = F.avg_pool2d(F.avg_pool2d(grain, 5, 1, 2), 5, 1, 2)[0, 0]
    return (0.5 + 0.2 * smooth / smooth.std()).clamp(0.0, 1.0)


def test_means_of_a_plain_colour_are_that_colour():
    clip = torch.tensor([0.1, 0.5, 0.9])[None, :, None, None].expand(2, 3, 16, 16)
    torch.testing.assert_close(statistics.channel_means(clip), torch.tensor([0.1, 0.5, 0.9]))
    assert statistics.channel_spreads(clip).max() < 1e-6


def test_half_black_half_white_has_a_contrast_of_one_half():
    clip = torch.zeros(1, 3, 16, 16)
    clip[..., 8:] = 1.0
    assert statistics.contrast(clip) == pytest.approx(0.5, abs=1e-6)


def test_grey_has_no_chroma_and_red_has_that_of_the_textbook():
    assert statistics.chroma(torch.full((1, 3, 8, 8), 0.4)) == pytest.approx(0.0, abs=0.1)
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 8, 8)
    assert statistics.chroma(red) == pytest.approx(104.55, abs=0.3)  # a* 80.1, b* 67.2


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
def test_slope_of_a_spectrum_is_the_one_it_was_made_with(exponent):
    assert statistics.spectrum_slope(cloudy(exponent)) == pytest.approx(-2.0 * exponent, abs=0.25)


def test_radial_power_of_white_noise_is_flat_and_its_variance():
    grain = 0.1 * torch.randn(8, 1, 128, 128, generator=seeded(3)).expand(8, 3, 128, 128)
    power = statistics.radial_power(grain)[4:]
    torch.testing.assert_close(power, torch.full_like(power, 0.01), rtol=0.35, atol=0.0)
    assert power.mean() == pytest.approx(0.01, rel=0.05)


def test_fine_energy_sees_stripes_of_four_pixels_and_not_of_sixty_four():
    columns = torch.arange(128.0)
    fine, broad = (
        (0.5 + 0.2 * (2.0 * torch.pi * columns / period).sin()).expand(1, 3, 128, 128)
        for period in (4.0, 64.0)
    )
    assert statistics.fine_energy(fine) == pytest.approx(0.2 / 2**0.5, rel=0.1)
    assert statistics.fine_energy(broad) < 0.001


def test_motion_of_a_picture_that_moves_two_pixels_a_frame_is_two():
    picture = textured()
    frames = [picture[16:144, 16 + 2 * k : 144 + 2 * k].expand(3, 128, 128) for k in range(4)]
    assert statistics.motion(torch.stack(frames)) == pytest.approx(2.0, abs=0.2)


def test_still_clip_has_no_motion_and_no_change():
    clip = textured()[:128, :128].expand(3, 3, 128, 128)
    assert statistics.motion(clip) == pytest.approx(0.0, abs=0.01)
    assert statistics.change(clip) == 0.0


def test_one_frame_has_no_motion():
    assert statistics.motion(torch.rand(1, 3, 32, 32, generator=seeded(4))) == 0.0


def test_noise_of_a_hundredth_is_forty_decibels():
    picture = torch.full((2, 3, 128, 128), 0.5)
    noisy = picture + 0.01 * torch.randn(picture.shape, generator=seeded(5))
    assert statistics.psnr_db(noisy, picture) == pytest.approx(40.0, abs=0.1)


def test_colour_drift_has_the_sign_and_size_of_what_was_added():
    picture = torch.full((1, 3, 8, 8), 0.5)
    shift = torch.tensor([0.02, 0.0, -0.01])
    drift = statistics.colour_drift(picture + shift[:, None, None], picture)
    torch.testing.assert_close(drift, shift)


def test_distance_of_plain_greys_is_their_difference():
    light, dark = torch.full((2, 3, 32, 32), 0.7), torch.full((2, 3, 32, 32), 0.4)
    assert statistics.distance(light, dark) == pytest.approx(0.3, abs=1e-5)
    assert statistics.distance(light, light) == 0.0
