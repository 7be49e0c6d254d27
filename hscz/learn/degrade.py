"""Give stamps of one field the depth, the seeing and the dust of another, batch by batch.

A source stamp made as noisy, blurred and reddened as a random galaxy of the target needs no
label of the target and no adversary, which makes this the neighbour that an adversary has to beat.
It reaches only what was measured: depth, seeing and dust, not an unknown error of calibration.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from hscz.learn.adapt import Adaptation
from hscz.learn.conditions import Conditions
from hscz.learn.data import Labelled, Unlabelled
from hscz.learn.tiles import SEEING_POWER, Transforms, transforms
from hscz.survey import BANDS


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
    >>> target = Conditions.plain(
    ...     torch.full((5, 2), 0.1), torch.full((5, 2), 0.7), torch.zeros(5)
    ... )
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

    The flux is dimmed, or brightened, to the dust wanted. The stars of both tiles say by what
    kernel stamps of one are blurred into stamps of the other; it amplifies no wave number, so
    where the PSF is wider than wanted it stays so. Then noise is added that has, at each wave
    number, the power that the sky wanted has and the blurred one lacks. Where that is negative,
    nothing is added.

    A galaxy whose seeing differs from that of its tile has its tile's PSF, scaled. The photon
    noise of the objects stays what it was. Stamps go on at their other side beyond the borders, so
    the outermost pixels are not right: ways to adapt ask for a margin (`Degraded.margin_px`), which
    stamps no larger than what the network sees do not have.

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
    >>> noise, fwhm = torch.tensor([[0.1], [0.3]]), torch.tensor([[0.6], [0.8]])
    >>> two = Conditions.plain(noise, fwhm, torch.zeros(2))
    >>> generator = torch.Generator().manual_seed(1)
    >>> sky = 0.1 * torch.randn(1, 1, 64, 64, generator=generator)
    >>> have, want = two.take(torch.tensor([0])), two.take(torch.tensor([1]))
    >>> degraded = degrade(sky, have, want, torch.tensor([1.6]), generator)
    >>> bool(abs(degraded.std() - 0.3) < 0.02)
    True
    """
    n, bands, side = images.shape[:3]
    ebv = torch.where(want.ebv.isnan(), have.ebv, want.ebv)
    shift = zero_point_scatter_mag * _normal((n, bands), generator, ebv.device)
    scale = 10 ** (-0.4 * (torch.outer(ebv - have.ebv, extinction_per_ebv) + shift))
    wanted = torch.where(want.sky_noise.isnan(), have.sky_noise, want.sky_noise)
    device = images.device
    now, then = (transforms(one.tiles, side, device) for one in (have, want))
    wider, narrower = _power_of_psf(want, then), -_power_of_psf(have, now)
    unknown = (wider + narrower).isnan()
    powers = [one.masked_fill(unknown, 0) for one in (wider, narrower)]
    powers = [one.to(device) for one in (*powers, (scale * have.sky_noise) ** 2, wanted**2)]
    scale, here, there = scale.to(device), have.tile.to(device), want.tile.to(device)
    out = torch.empty_like(images, dtype=torch.float32)
    for band in range(bands):  # the planes of one band at a time fit into a processor's cache
        wider, narrower, variance, aim = (one[:, band, None, None] for one in powers)
        psf, sky = (
            (one[band].index_select(0, here), other[band].index_select(0, there))
            for one, other in (
                (now.log_psf, then.log_psf),
                (now.sky_power, then.sky_power),
            )
        )
        transfer = psf[0].mul_(narrower).addcmul_(psf[1], wider).clamp_(max=0).exp_()
        kept = sky[0].mul_(variance).mul_(transfer).mul_(transfer)
        missing = sky[1].mul_(aim).sub_(kept).clamp_(min=0).sqrt_()
        waves = torch.fft.rfft2(images[:, band].float() * scale[:, band, None, None])
        noise = torch.view_as_complex(_normal((*waves.shape, 2), generator, device))
        waves = waves.mul_(transfer).add_(noise.mul_(missing))
        out[:, band] = torch.fft.irfft2(waves, (side, side))
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


def _power_of_psf(conditions: Conditions, tiles: Transforms) -> Tensor:
    """Return to what power each galaxy's PSF (n, band) is that of its tile, in Fourier space."""
    own = tiles.fwhm_arcsec.cpu().T[conditions.tile]
    return (conditions.psf_fwhm_arcsec / own) ** SEEING_POWER
