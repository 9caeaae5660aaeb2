"""Antialiased drawing: shapes are drawn enlarged, and the picture is scaled down."""

from collections.abc import Iterable, Sequence
from math import ceil, floor
from typing import Final, NamedTuple, Self, TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Point: TypeAlias = tuple[float, float]
Points: TypeAlias = Sequence[Point]
Box: TypeAlias = tuple[int, int, int, int]
"""A rectangle in pixels: left, top, right, bottom."""

Colour: TypeAlias = tuple[int, int, int] | tuple[int, int, int, int]
"""A colour: red, green, blue and, optionally, opacity, each 0 to 255."""

_OPAQUE: Final = 255

_OVERSAMPLING: Final = 3
_STEPS: Final = 12
"""The number of straight segments between two points of a curve."""


class Canvas:
    """A transparent picture of the area `box`; shapes have the coordinates of the whole picture."""

    def __init__(self, box: Box) -> None:
        left, top, right, bottom = box
        self._origin = left, top
        size = (right - left) * _OVERSAMPLING, (bottom - top) * _OVERSAMPLING
        self._large = Image.new("RGBA", size)

    @property
    def picture(self) -> Image.Image:
        """The picture as drawn so far, at its final size."""
        # Premultiplied for scaling, so that transparent black does not darken the edges.
        small = self._large.convert("RGBa").reduce(_OVERSAMPLING)
        return small.convert("RGBA")

    def polygon(self, points: Iterable[Point], fill: Colour) -> None:
        """Fill a polygon."""
        self._composite(self._mask(list(points)), fill)

    def disc(self, centre: Point, radii: Point, fill: Colour) -> None:
        """Fill an ellipse."""
        self.polygon(ellipse(centre, radii), fill)

    def stroke(self, points: Points, width: float, fill: Colour, taper: float = 1.0) -> None:
        """Draw the smooth open curve through `points`; its ends have `taper` times its width."""
        self.polygon(brush(points, width, taper), fill)

    def shade(self, shape: Points, over: Points, fill: Colour, blur: float) -> None:
        """Fill `shape` with edges blurred by `blur` pixels, clipped to the polygon `over`."""
        within = self._mask(over)
        if within is None:
            return
        left, top, right, bottom = within.box
        # A blur has no fine edges: it is made at the final size, and only inside `over`.
        small = (right - left) // _OVERSAMPLING, (bottom - top) // _OVERSAMPLING
        x = self._origin[0] + left / _OVERSAMPLING
        y = self._origin[1] + top / _OVERSAMPLING
        patch = Image.new("L", small)
        ImageDraw.Draw(patch).polygon([(px - x, py - y) for px, py in shape], fill=255)
        blurred = patch.filter(ImageFilter.GaussianBlur(blur))
        soft = blurred.resize(within.picture.size, Image.Resampling.BILINEAR)
        self._composite(_Mask(within.box, ImageChops.multiply(soft, within.picture)), fill)

    def clip(self, shape: Points) -> None:
        """Erase everything outside `shape`."""
        within = Image.new("L", self._large.size)
        ImageDraw.Draw(within).polygon(self._scaled(shape), fill=255)
        self._large.putalpha(ImageChops.multiply(self._large.getchannel("A"), within))

    def paste(self, other: Self) -> None:
        """Composite another canvas of the same box over this one."""
        self._large.alpha_composite(other._large)

    def _scaled(self, points: Iterable[Point]) -> list[Point]:
        x, y = self._origin
        return [((px - x) * _OVERSAMPLING, (py - y) * _OVERSAMPLING) for px, py in points]

    def _mask(self, points: Points) -> "_Mask | None":
        """The polygon as a mask; None when all of it is outside the canvas."""
        scaled = self._scaled(points)
        width, height = self._large.size
        xs, ys = [x for x, _ in scaled], [y for _, y in scaled]
        left, top = (_whole(max(0, min(values)), up=False) for values in (xs, ys))
        right = _whole(min(width, max(xs) + 1), up=True)
        bottom = _whole(min(height, max(ys) + 1), up=True)
        if left >= right or top >= bottom:
            return None
        picture = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(picture).polygon([(x - left, y - top) for x, y in scaled], fill=255)
        return _Mask((left, top, right, bottom), picture)

    def _composite(self, mask: "_Mask | None", fill: Colour) -> None:
        if mask is None:
            return
        *_, opacity = (*fill, _OPAQUE)[:4]
        alpha = mask.picture.point([level * opacity // _OPAQUE for level in range(256)])
        layer = Image.new("RGBA", alpha.size, fill[:3])
        layer.putalpha(alpha)
        self._large.alpha_composite(layer, mask.box[:2])


class _Mask(NamedTuple):
    """The pixels of the enlarged picture that a shape covers, as a mask of the area `box`."""

    box: Box
    picture: Image.Image


def _whole(value: float, *, up: bool) -> int:
    """Round a coordinate of the enlarged picture to a pixel border of the final size."""
    steps = value / _OVERSAMPLING
    return _OVERSAMPLING * (ceil(steps) if up else floor(steps))


def darker(colour: Colour, by: float) -> tuple[int, int, int]:
    """A colour whose brightness is reduced by the fraction `by`."""
    red, green, blue = (round(level * (1 - by)) for level in colour[:3])
    return red, green, blue


def mirrored(points: Points, axis: float) -> list[Point]:
    """The symmetric outline whose right half, from top to bottom, is `points`."""
    # A point on the axis is not doubled, as that would make a cusp in a curve.
    left = [(2 * axis - x, y) for x, y in reversed(points) if x != axis]
    return [*points, *left]


def closed_curve(points: Points) -> list[Point]:
    """The smooth closed curve (Catmull-Rom) through `points`."""
    looped = [points[-1], *points, points[0], points[1]]
    return _catmull_rom(looped)


def open_curve(points: Points) -> list[Point]:
    """The smooth open curve (Catmull-Rom) through `points`, from the first to the last."""
    return [*_catmull_rom([points[0], *points, points[-1]]), points[-1]]


def ellipse(centre: Point, radii: Point) -> list[Point]:
    """An ellipse as a polygon."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return [
        (centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle))
        for angle in angles
    ]


def brush(points: Points, width: float, taper: float = 1.0) -> list[Point]:
    """The outline of a stroke of `width` along the smooth curve through `points`."""
    line = np.array(open_curve(points))
    along = np.gradient(line, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    fullness = np.sin(np.linspace(0, np.pi, len(line)))[:, None]
    half = width / 2 * (taper + (1 - taper) * fullness)
    outline = np.concatenate([line + normal * half, (line - normal * half)[::-1]])
    return [(float(x), float(y)) for x, y in outline]


def _catmull_rom(points: Points) -> list[Point]:
    corners = np.array(points, float)
    t = np.linspace(0, 1, _STEPS, endpoint=False)[:, None]
    pieces = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(corners, corners[1:], corners[2:], corners[3:], strict=False)
    ]
    return [(float(x), float(y)) for x, y in np.concatenate(pieces)]
