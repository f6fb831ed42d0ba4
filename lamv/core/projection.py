"""The plane through three class templates, and features seen in it (Mueller et al. 2019, section 2); numpy, float64.

The template of a class is its row of the last layer's weights. Three of them, in D dimensions, span a plane; the
features of examples of these classes are projected onto it, orthogonally. In the plane of classes a, b and c the origin
is the mean of the templates, the first axis points from a to b, and c lies on the positive side of the second. So the
signs are fixed, distances between templates are true, and rotating or shifting all of it changes nothing.
"""

from typing import NamedTuple

import numpy as np

FLATTEST = 1e-6  # height of the triangle / longest side, below which float32 templates count as collinear


class Plane(NamedTuple):
    """origin (D,), a point of the plane, and basis (D, 2), whose columns are orthonormal; float64."""

    origin: np.ndarray
    basis: np.ndarray


def template_plane(templates) -> Plane:
    """The plane through templates (3, D), D >= 2, one row a class. Raises ValueError where they are on one line."""
    templates = np.asarray(templates, np.float64)
    if templates.ndim != 2 or len(templates) != 3 or templates.shape[1] < 2:
        raise ValueError(f"templates are of shape {templates.shape}, must be (3, D) with D >= 2")
    if not np.isfinite(templates).all():
        raise ValueError("templates hold nan or infinity, must be finite")
    a, b, c = templates
    longest = float(max(np.linalg.norm(b - a), np.linalg.norm(c - a), np.linalg.norm(c - b)))
    across = _direction(b - a, longest)
    up = c - a - ((c - a) @ across) * across
    up = up - (up @ across) * across  # a second time, as the first leaves rounding where the triangle is flat
    return Plane(templates.mean(axis=0), np.stack([across, _direction(up, longest)], axis=1))


def project(points, plane: Plane) -> np.ndarray:
    """(N, 2) coordinates in the plane of points (N, D), which need not lie in it; NaN where a point holds NaN."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != len(plane.origin):
        raise ValueError(f"points are of shape {points.shape}, must be (N, {len(plane.origin)}) like the templates")
    return (points - plane.origin) @ plane.basis


def _direction(vector: np.ndarray, longest: float) -> np.ndarray:
    length = np.linalg.norm(vector)
    if not length > FLATTEST * longest:
        raise ValueError("the three templates lie on one line, must span a plane; choose other classes")
    return vector / length
