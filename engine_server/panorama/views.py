"""Which views each step of a stage uses: two layouts in turn, turned and tipped anew every step.

A layout is turned by a whole number of columns and tipped by a small angle, so that no border stays
where it was.

Density: with views of ``tan(fov / 2) = 4 n / W`` (n cells across a view, W columns around the
sphere) the ERP is 4/pi = 1.27 times as dense as the centre of a view: 90 degrees for 16 cells and
64 columns, 53 degrees at 128 columns. A denser ERP (90 degrees at 96 columns: 1.9) loses less of
what the views show. Wider views see more around them and sample the sphere more coarsely;
`plan_views` refuses what is denser than 2 or sparser than 1.

Measured with the exact denoiser of a Gaussian field (16 steps, 90-degree views): a whole cell of
margin instead of half gains 2 % of variance, two cells no more, for a fifth more views; a feather
gains nothing: neighbours across a border differ 1.02 times as much as neighbours inside a view.
Views of 110 degrees need 6 to 8 a step and keep the variance, but a fifth less of the fine detail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from ...shared.errors import InvalidJob
from .layouts import Layout, find_layout, find_layouts
from .tables import LookupTable, View, build_table

PITCH_OFFSETS_DEG = (0.0, 2.5, -2.5)
"""Of views down to `FULL_TILT_FOV_DEG`; narrower ones are tipped less, in proportion."""
FULL_TILT_FOV_DEG = 40.0
NOMINAL_DENSITY = 4 / math.pi
DENSITY_RANGE = (0.99, 2.0)
MARGIN_CELLS = 0.5
FIXED_MARGIN_CELLS = 1.0
"""Margin of views that stand still: their borders are not healed by the next step's."""


def fov_for(*, latent_width: int, window: int, density: float = NOMINAL_DENSITY) -> float:
    """Field of view in degrees at which the ERP is `density` times as dense as a view's centre."""
    return 2 * math.degrees(math.atan(density * math.pi * window / latent_width))


def density_of(*, latent_width: int, window: int, fov_deg: float) -> float:
    """How many times denser the ERP grid is at the horizon than a view at its centre."""
    return math.tan(math.radians(fov_deg) / 2) * latent_width / (math.pi * window)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPlan:
    """The view sets of one stage. `table(step)` is what a step needs; tables are cached.

    `layouts` are those that move, `fixed` is the one that stands still in the last steps.
    """

    latent_width: int
    latent_height: int
    window_hw: tuple[int, int]
    fov_deg: float
    layouts: tuple[Layout, ...]
    fixed: Layout
    stride: int
    feather: float
    pitch_offsets_deg: tuple[float, ...]

    @property
    def view_counts(self) -> tuple[int, ...]:
        """Views a step, one number for each layout."""
        return tuple(layout.count for layout in self.layouts)

    def offset(self, step: int) -> tuple[int, float, int]:
        """(layout index, pitch offset in degrees, yaw offset in columns) of a step."""
        layout = step % len(self.layouts)
        pitch = self.pitch_offsets_deg[(step // len(self.layouts)) % len(self.pitch_offsets_deg)]
        return layout, pitch, step * self.stride % self.latent_width

    def table(self, step: int) -> LookupTable:
        """The lookup table of a step, on the CPU."""
        layout, pitch_deg, columns = self.offset(step)
        return _base_table(self, self.layouts[layout], pitch_deg).turned(columns)

    def fixed_table(self) -> LookupTable:
        """The lookup table of the views that stand still, on the CPU."""
        return _base_table(self, self.fixed, 0.0)


@lru_cache(maxsize=32)
def _base_table(plan: ViewPlan, layout: Layout, pitch_offset_deg: float) -> LookupTable:
    height, width = plan.window_hw
    views = tuple(
        View(yaw_deg=yaw, pitch_deg=pitch, fov_deg=plan.fov_deg, height=height, width=width)
        for yaw, pitch in layout.angles(pitch_offset_deg)
    )
    return build_table(
        views, height=plan.latent_height, width=plan.latent_width, feather=plan.feather
    )


def forget_tables() -> None:
    """Give back the memory of the tables kept so far; they are built again at need."""
    _base_table.cache_clear()


def coprime_stride(length: int, spacing: float) -> int:
    """A stride near the golden share of `spacing`, coprime with `length`: visits every offset."""
    wanted = max(1.0, 0.381966 * spacing)
    candidates = [n for n in range(1, length + 1) if math.gcd(n, length) == 1]
    return min(candidates, key=lambda n: (abs(n - wanted), n))


@lru_cache(maxsize=32)
def plan_views(
    *,
    latent_width: int,
    latent_height: int,
    window_hw: tuple[int, int] = (16, 16),
    fov_deg: float | None = None,
    margin_cells: float = MARGIN_CELLS,
    feather: float = 0.0,
    pitch_offsets_deg: tuple[float, ...] | None = None,
) -> ViewPlan:
    """Choose the views of a stage.

    Args:
        latent_width: ERP columns, even, twice the rows.
        latent_height: ERP rows.
        window_hw: Cells of a view (height, width); square.
        fov_deg: Field of view; None chooses it by the density rule.
        margin_cells: Cells from its border that a view may not own; at least half a cell.
        feather: See `build_table`.
        pitch_offsets_deg: The tilts that steps take in turn; None: see `PITCH_OFFSETS_DEG`.

    Raises:
        InvalidJob: The grid is not 2:1, the window not square, or the views would sample the sphere
            askew; `details["nearest"]` is the field of view that fits.
    """
    height, width = window_hw
    if latent_width != 2 * latent_height or latent_width % 2 or latent_height < 1:
        raise InvalidJob(
            f"A panorama is twice as wide as high; got {latent_width}x{latent_height} cells.",
            field="width",
        )
    if height != width:
        raise InvalidJob(f"Views must be square; got {height}x{width} cells.", field="model")
    fitting = fov_for(latent_width=latent_width, window=width)
    fov_deg = fitting if fov_deg is None else fov_deg
    density = density_of(latent_width=latent_width, window=width, fov_deg=fov_deg)
    if not DENSITY_RANGE[0] <= density <= DENSITY_RANGE[1]:
        raise InvalidJob(
            f"Views of {fov_deg:.1f} degrees do not fit a panorama of {latent_width} columns: "
            f"its grid would be {density:.2f} times as dense as theirs. "
            f"Use {fitting:.1f} degrees.",
            field="stages",
            nearest=fitting,
        )
    if pitch_offsets_deg is None:
        tilt = min(1.0, fov_deg / FULL_TILT_FOV_DEG)
        pitch_offsets_deg = tuple(tilt * offset for offset in PITCH_OFFSETS_DEG)
    half = math.tan(math.radians(fov_deg) / 2)
    margin = max(margin_cells, 0.5) * 2 / width
    layouts = find_layouts(half * (1 - margin), tuple(pitch_offsets_deg))
    margin = max(margin_cells, FIXED_MARGIN_CELLS) * 2 / width
    fixed = find_layout(half * (1 - margin), (0.0,), poles=True)
    if not layouts or fixed is None:
        raise InvalidJob(
            f"No set of {fov_deg:.1f}-degree views covers the sphere with a margin of "
            f"{margin_cells:.2f} cells.",
            field="stages",
            nearest=fitting,
        )
    spacing = latent_width / max(row.count for row in layouts[0].rows)
    return ViewPlan(
        latent_width=latent_width,
        latent_height=latent_height,
        window_hw=window_hw,
        fov_deg=fov_deg,
        layouts=layouts,
        fixed=fixed,
        stride=coprime_stride(latent_width, spacing),
        feather=feather,
        pitch_offsets_deg=tuple(pitch_offsets_deg),
    )
