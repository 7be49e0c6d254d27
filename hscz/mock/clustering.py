"""Where galaxies are: groups on the sky and in redshift, and planted over-densities.

Groups follow Neyman and Scott: centres at random, richness from a power law, members around
them. Half of the groups lie close to walls across the line of sight. Quiescent galaxies live in
groups more often, so groups are redder than the field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hscz.mock.cosmology import comoving_distance_mpc, kpc_per_arcsec, redshift_at_mpc

FloatArray = NDArray[np.float64]

_GROUPS_PER_DEG2 = 12_000
_RICHNESS_SLOPE = 1.6
_GROUP_WINDOW = 0.012
_IN_GROUP_QUIESCENT, _IN_GROUP_STAR_FORMING = 0.65, 0.35
_GROUP_RADIUS_KPC = 250.0
_GROUP_VELOCITY_DZ = 0.0008
_WALL_SPACING_MPC, _FARTHEST_MPC = 70.0, 8700.0
_IN_WALL, _WALL_THINNING = 0.5, 0.15


@dataclass(frozen=True)
class Box:
    """A box in RA and Dec, degrees."""

    ra: tuple[float, float]
    dec: tuple[float, float]

    @property
    def area_deg2(self) -> float:
        """Solid angle in square degrees."""
        sines = np.sin(np.deg2rad(self.dec))
        return float(np.rad2deg((self.ra[1] - self.ra[0]) * (sines[1] - sines[0])))

    def uniform(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Draw n positions, uniform on the sphere."""
        low, high = np.sin(np.deg2rad(self.dec))
        ra = rng.uniform(self.ra[0], self.ra[1], n)
        return ra, np.rad2deg(np.arcsin(rng.uniform(low, high, n)))

    def around(
        self,
        ra: FloatArray,
        dec: FloatArray,
        radius_kpc: FloatArray,
        z: FloatArray,
        rng: np.random.Generator,
    ) -> tuple[FloatArray, FloatArray]:
        """Scatter positions by a Gaussian of proper `radius_kpc`, re-entering across the border.

        What leaves the box on one side comes back on the other, so the density near the border
        is that of the middle.
        """
        sigma_deg = radius_kpc / kpc_per_arcsec(z) / 3600.0
        shift = rng.normal(size=(2, len(ra))) * sigma_deg
        width, height = np.ptp(self.ra), np.ptp(self.dec)
        ra = self.ra[0] + (ra + shift[0] / np.cos(np.deg2rad(dec)) - self.ra[0]) % width
        return ra, self.dec[0] + (dec + shift[1] - self.dec[0]) % height


@dataclass(frozen=True)
class Structure:
    """A planted over-density: its redshift, and its excess over the galaxies around it.

    The excess counts in units of the mean number within 0.015 (1+z) of the redshift.
    """

    redshift: float
    excess: float


COSMOS_STRUCTURES = (
    Structure(0.35, 0.8),
    Structure(0.73, 0.9),
    Structure(0.83, 0.7),
    Structure(0.93, 0.8),
    Structure(1.10, 0.5),
    Structure(2.10, 0.6),
)
"""Well-known structures of the COSMOS field (Scoville et al. 2013; Yuan et al. 2014)."""

STRUCTURE_HALF_WIDTH = 0.015


def place_in_groups(
    z: FloatArray,
    is_quiescent: NDArray[np.bool_],
    centres_z: FloatArray,
    box: Box,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give field galaxies positions, and group members the redshift of their group.

    Parameters
    ----------
    z : ndarray, shape (n,)
    is_quiescent : ndarray of bool, shape (n,)
    centres_z : ndarray, shape (m,)
        Redshifts from which those of the groups are chosen.
    box : Box
    rng : numpy.random.Generator

    Returns
    -------
    ra, dec, z : ndarray, shape (n,)
        Most members move by less than 0.03 (1+z) in redshift.
    """
    ra, dec = box.uniform(len(z), rng)
    n_groups = max(int(_GROUPS_PER_DEG2 * box.area_deg2), 10)
    chosen_z = rng.choice(centres_z, n_groups) if len(centres_z) else centres_z
    group_z = np.sort(_pull_to_walls(chosen_z, rng))
    richness = (1.0 + rng.pareto(_RICHNESS_SLOPE, len(group_z))).clip(max=60.0)
    group_ra, group_dec = box.uniform(len(group_z), rng)
    share = np.where(is_quiescent, _IN_GROUP_QUIESCENT, _IN_GROUP_STAR_FORMING)
    members = np.flatnonzero(rng.random(len(z)) < share)
    group, found = _choose_groups(z[members], group_z, richness, rng)
    members, group = members[found], group[found]
    size = np.cbrt(richness[group])
    ra[members], dec[members] = box.around(
        group_ra[group], group_dec[group], _GROUP_RADIUS_KPC * size, group_z[group], rng
    )
    z = z.copy()
    spread = _GROUP_VELOCITY_DZ * size * (1.0 + group_z[group])
    z[members] = np.maximum(group_z[group] + spread * rng.normal(size=len(members)), 0.005)
    return ra, dec, z


def _pull_to_walls(z: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Move half of the redshifts most of the way to the nearest wall."""
    walls = np.sort(rng.uniform(0.0, _FARTHEST_MPC, round(_FARTHEST_MPC / _WALL_SPACING_MPC)))
    distance = comoving_distance_mpc(z)
    above = np.clip(np.searchsorted(walls, distance), 1, len(walls) - 1)
    below_is_nearer = distance - walls[above - 1] < walls[above] - distance
    nearest = walls[np.where(below_is_nearer, above - 1, above)]
    pulled = redshift_at_mpc(nearest + _WALL_THINNING * (distance - nearest))
    return np.where(rng.random(len(z)) < _IN_WALL, pulled, z)


def _choose_groups(
    z: FloatArray, group_z: FloatArray, richness: FloatArray, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Choose a group near each redshift with a chance proportional to its richness."""
    total = np.concatenate([[0.0], np.cumsum(richness)])
    reach = _GROUP_WINDOW * (1.0 + z)
    first = np.searchsorted(group_z, z - reach)
    last = np.searchsorted(group_z, z + reach)
    at = total[first] + rng.random(len(z)) * (total[last] - total[first])
    group = np.searchsorted(total, at, side="right") - 1
    return np.minimum(group, len(group_z) - 1), last > first


def place_in_structure(
    n: int, structure: Structure, box: Box, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Place the members of a planted structure in clumps along a filament.

    Returns
    -------
    ra, dec, z : ndarray, shape (n,)
    """
    n_clumps = 7
    clump_ra, clump_dec = box.uniform(n_clumps, rng)
    clump_z = structure.redshift + 0.003 * (1 + structure.redshift) * rng.normal(size=n_clumps)
    clump = rng.choice(n_clumps, n, p=rng.dirichlet(np.full(n_clumps, 2.0)))
    radius_kpc = rng.choice([400.0, 1500.0], n, p=[0.6, 0.4])
    z = clump_z[clump] + 0.0015 * (1 + structure.redshift) * rng.normal(size=n)
    ra, dec = box.around(clump_ra[clump], clump_dec[clump], radius_kpc, z, rng)
    return ra, dec, z
