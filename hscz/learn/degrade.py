"""Give stamps of one field the depth, the seeing and the dust of another, batch by batch.

A source stamp made as noisy, blurred and reddened as a random galaxy of the target needs no
label of the target and no adversary, which makes this the neighbour that an adversary has to beat.
It reaches only what was measured: depth, seeing and dust, not an unknown error of calibration.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from hscz.learn.adapt import Adaptation
from hscz.learn.conditions import Conditions
from hscz.learn.data import Labelled, Unlabelled
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC

HALF_WIDTH_PX = 10
"""How far the smoothing kernel reaches. It is a Gaussian up to a FWHM of 9 px (1.5 arcsec); wider
ones turn into a box of 21 px."""

SIGMA_PX_PER_FWHM_ARCSEC = 1 / (math.sqrt(8 * math.log(2)) * PIXEL_SCALE_ARCSEC)


def draw(target: Conditions, n: int, scatter: float, generator: torch.Generator) -> Conditions:
    """Draw conditions around those of random galaxies of a target field.

    Parameters
    ----------
    target : Conditions
    n : int
    scatter : float
        Noise and seeing are multiplied by log-normal factors of this width, one for each galaxy
        and band, so that the network learns a range rather than the target's very values.
    generator : torch.Generator

    Examples
    --------
    >>> target = Conditions(torch.full((5, 2), 0.1), torch.full((5, 2), 0.7), torch.zeros(5))
    >>> drawn = draw(target, 1000, 0.1, torch.Generator().manual_seed(1))
    >>> drawn.sky_noise.shape, bool(abs(drawn.sky_noise.log().std() - 0.1) < 0.01)
    (torch.Size([1000, 2]), True)
    """
    drawn = target.take(torch.randint(len(target), (n,), generator=generator))
    noise, seeing = torch.randn(2, *drawn.sky_noise.shape, generator=generator).mul(scatter).exp()
    return replace(
        drawn,
        sky_noise=drawn.sky_noise * noise,
        psf_fwhm_arcsec=drawn.psf_fwhm_arcsec * seeing,
    )


def degrade(
    images: Tensor,
    have: Conditions,
    want: Conditions,
    extinction_per_ebv: Tensor,
    generator: torch.Generator,
    zero_point_scatter_mag: float = 0.0,
) -> Tensor:
    """Make stamps look as if observed under other conditions, as far as those are worse and known.

    The flux is dimmed, or brightened, to the dust wanted, blurred by the Gaussian that widens the
    seeing, and given the white noise that the sky then still lacks. Where the seeing is wider or
    the sky noisier than wanted already, it stays so.

    Widths add up in quadrature, which is exact for Gaussian PSFs alone: stars with the wings of
    real ones, made 0.69 arcsec wide out of 0.60, come out 6 % wider than that, with 3 % more flux
    within 1 arcsec. The photon noise of the objects stays what it was.

    Parameters
    ----------
    images : Tensor, shape (n, band, y, x)
        Calibrated counts.
    have, want : Conditions
        Of the n galaxies, now and afterwards.
    extinction_per_ebv : Tensor, shape (band,)
        A / E(B-V), mag.
    generator : torch.Generator
        Noise is drawn on its device, which is best that of the images.
    zero_point_scatter_mag : float
        Standard deviation of a shift of the zero point, drawn for each galaxy and band.

    Returns
    -------
    Tensor, shape (n, band, y, x), float32

    Examples
    --------
    >>> have = Conditions(torch.full((1, 1), 0.1), torch.full((1, 1), 0.6), torch.zeros(1))
    >>> want = Conditions(torch.full((1, 1), 0.3), torch.full((1, 1), 0.8), torch.zeros(1))
    >>> generator = torch.Generator().manual_seed(1)
    >>> sky = 0.1 * torch.randn(1, 1, 64, 64, generator=generator)
    >>> degraded = degrade(sky, have, want, torch.tensor([1.6]), generator)
    >>> bool(abs(degraded.std() - 0.3) < 0.02)
    True
    """
    want = Conditions(
        *(
            torch.where(getattr(want, key).isnan(), getattr(have, key), getattr(want, key))
            for key in Conditions.__annotations__
        )
    )
    n, bands, side = images.shape[:3]
    shift = zero_point_scatter_mag * _normal((n, bands), generator, have.ebv.device)
    scale = 10 ** (-0.4 * (torch.outer(want.ebv - have.ebv, extinction_per_ebv) + shift))
    transfer = _transfer(have.psf_fwhm_arcsec, want.psf_fwhm_arcsec)
    remaining = scale * have.sky_noise * _noise_factor(transfer)
    missing = (want.sky_noise**2 - remaining**2).clamp(min=0).sqrt()
    scale, transfer, missing = (value.to(images.device) for value in (scale, transfer, missing))
    out = torch.empty_like(images, dtype=torch.float32)
    for band in range(bands):  # the planes of one band at a time fit into a processor's cache
        noise = _normal((n, side, side), generator, images.device) * missing[:, band, None, None]
        scaled = images[:, band] * scale[:, band, None, None]
        out[:, band] = noise.add_(_convolve(scaled, transfer[:, band]))
    return out


class Degraded(Adaptation):
    """Source stamps as noisy, blurred and reddened as a random galaxy of the targets."""

    margin_px = 4
    needs_conditions = True

    def altered(
        self,
        stamps: Tensor,
        rows: Tensor,
        source: Labelled,
        target: Unlabelled,
        generator: torch.Generator,
    ) -> Tensor:
        """Degrade a random share of the stamps, or of the batches."""
        adapt = self.config.adapt
        assert source.conditions is not None
        assert target.conditions is not None
        chosen = self._chosen(len(rows), generator)
        if not len(chosen):
            return stamps
        have = source.conditions.take(rows[chosen])
        want = draw(target.conditions, len(chosen), adapt.degrade_scatter, generator)
        extinction = torch.tensor([BANDS[b].extinction_per_ebv for b in self.config.train.bands])
        scatter = adapt.zero_point_scatter_mag
        degraded = degrade(stamps[chosen], have, want, extinction, generator, scatter)
        return degraded if len(chosen) == len(rows) else stamps.index_copy(0, chosen, degraded)

    def _chosen(self, n: int, generator: torch.Generator) -> Tensor:
        """Return the places of the stamps of a batch that are to be degraded."""
        share = self.config.adapt.degrade_share
        if share == 1:
            return torch.arange(n)
        if self.config.adapt.degrade_by == "stamp":
            # As many in every batch, lest the statistics of the normalisation vary.
            return torch.randperm(n, generator=generator)[: round(share * n)]
        return torch.arange(n if torch.rand((), generator=generator) < share else 0)


def _normal(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device).to(device)


def _transfer(have_arcsec: Tensor, want_arcsec: Tensor) -> Tensor:
    """Return the transform of the Gaussian between two seeings, at `_frequencies`.

    In Fourier space it is right however narrow it is; its values at pixel centres would not be.
    """
    variance = (want_arcsec**2 - have_arcsec**2).clamp(min=0) * SIGMA_PX_PER_FWHM_ARCSEC**2
    return torch.exp(-0.5 * variance[..., None] * _frequencies().to(variance) ** 2)


def _frequencies() -> Tensor:
    """Return 0 and the positive wave numbers of the kernel's 21 px, radian per pixel."""
    return 2 * math.pi / (2 * HALF_WIDTH_PX + 1) * torch.arange(HALF_WIDTH_PX + 1)


def _noise_factor(transfer: Tensor) -> Tensor:
    """Return by how much the kernel lowers white noise: the sum of its squares along one axis.

    In two dimensions the variance falls by the square of that sum (Parseval's theorem).
    """
    return (2 * transfer.square().sum(-1) - 1) / (2 * HALF_WIDTH_PX + 1)


def _convolve(images: Tensor, transfer: Tensor) -> Tensor:
    """Convolve images (n, y, x) along y and x, each with its kernel, as products of matrices."""
    side = images.shape[-1]
    matrix = (transfer @ _waves(side).to(images.device)).unflatten(-1, (side, side))
    return matrix @ images @ matrix.mT


@lru_cache(maxsize=4)
def _waves(side: int) -> Tensor:
    """Return what each frequency adds to the matrix that convolves `side` pixels.

    Stamps go on beyond their borders as in a mirror, which keeps the flux.

    Returns
    -------
    Tensor, shape (HALF_WIDTH_PX + 1, side * side)
    """
    offset = torch.arange(-HALF_WIDTH_PX, HALF_WIDTH_PX + 1)
    place = (torch.arange(side)[:, None] + offset) % (2 * side)
    mirrored = torch.minimum(place, 2 * side - 1 - place)
    picked = torch.nn.functional.one_hot(mirrored, side).double()
    waves = torch.cos(_frequencies().double()[:, None] * offset) / len(offset)
    waves[1:] *= 2
    return torch.einsum("fo,roc->frc", waves, picked).flatten(1).float()
