"""Tracts and patches, held against the corner lists of the data releases."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hscz.sky.skymap import _tracts_of_rings, tract_patch
from hscz.sky.sphere import unit_vectors

LINE = re.compile(
    r"Tract: (\d+)  Patch: (\d),(\d) +Corner([0-3]) \(RA, Dec\): \(([-\d.]+) , ([-\d.]+)\)"
)


@pytest.fixture(scope="module")
def corners(shared_data: Path) -> dict[tuple[int, int, int], np.ndarray]:
    """Corners of all patches, shape (4, 3), by tract and patch."""
    found: dict[tuple[int, int, int], list] = {}
    for path in sorted((shared_data / "conventions").glob("tracts_patches_DUD-*.txt")):
        for tract, x, y, _, ra, dec in LINE.findall(path.read_text()):
            found.setdefault((int(tract), int(x), int(y)), []).append((float(ra), float(dec)))
    return {place: unit_vectors(*np.array(four).T) for place, four in found.items()}


def test_ten_thousand_points_lie_in_the_patches_that_the_lists_say(corners) -> None:
    rng = np.random.default_rng(6)
    places = np.array(list(corners))
    boxes = np.array(list(corners.values()))
    assert boxes.shape == (3240, 4, 3)
    chosen = rng.integers(len(places), size=10_000)
    weights = rng.dirichlet(np.ones(4), size=10_000)
    points = np.einsum("nc,ncx->nx", weights, boxes[chosen])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    ra, dec = (
        np.degrees(np.arctan2(points[:, 1], points[:, 0])),
        np.degrees(np.arcsin(points[:, 2])),
    )
    ours = np.stack(tract_patch(ra, dec), axis=1)
    # Edges are great circles; the lists give the centres of the outer pixels, half a pixel within.
    normals = np.cross(boxes, np.roll(boxes, -1, axis=1))
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    centres = boxes.mean(axis=1)
    inward = np.sign(np.einsum("pcx,px->pc", normals, centres))
    listed = {tuple(place): row for row, place in enumerate(places.tolist())}
    half_px = np.radians(0.6 * 0.168 / 3600)
    wrong, unlisted = 0, 0
    for point, (tract, x, y), drawn in zip(
        points, ours.tolist(), places[chosen].tolist(), strict=True
    ):
        row = listed.get((tract, x, y))
        if row is None:
            # Outside the listed tracts: it was drawn where two of them overlap at the rim.
            assert tract not in places[:, 0]
            unlisted += 1
            continue
        wrong += not ((normals[row] @ point) * inward[row] > -half_px).all()
        # In the tract that it was drawn from, it can be in that very patch only.
        assert tract != drawn[0] or [tract, x, y] == drawn
    assert wrong == 0
    assert unlisted < 1000


def test_centres_of_all_listed_patches(corners) -> None:
    for place, box in corners.items():
        centre = box.mean(axis=0) / np.linalg.norm(box.mean(axis=0))
        ra, dec = np.degrees(np.arctan2(centre[1], centre[0])), np.degrees(np.arcsin(centre[2]))
        tract, x, y = (int(v[0]) for v in tract_patch([ra], [dec]))
        # At the rim of a tract the neighbour is responsible.
        assert (tract, x, y) == place or 0 in place[1:] or 8 in place[1:]


def test_the_whole_sky_has_tracts() -> None:
    ra, dec = np.meshgrid(np.linspace(-360, 720, 91), np.linspace(-90, 90, 361))
    tract, x, y = tract_patch(ra.ravel(), dec.ravel())
    assert tract.min() == 0
    assert tract.max() == _tracts_of_rings().sum() + 1
    assert min(x.min(), y.min()) >= 0
    assert max(x.max(), y.max()) <= 8
