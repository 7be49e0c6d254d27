"""Source galaxies that stand in for those of a field: held out, made like them, and predicted so.

Their labels say what the PDFs of the field are worth, and nothing is asked of the field but how it
was observed. In the source field itself its held-out galaxies stand for all others as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import stores
from hscz.config import RunConfig
from hscz.errors import InputError, StoreError, about
from hscz.ingest.zeropoints import (
    corrects,
    is_target,
    measured_zero_points,
    zero_point_scale,
)
from hscz.learn.folder import ModelFolder
from hscz.predict.ensemble import Ensemble, fed_bands, in_training, mean_pdf
from hscz.schema import is_usable
from hscz.survey import BANDS

if TYPE_CHECKING:
    import torch

    from hscz.learn.conditions import Conditions
    from hscz.learn.model import Model

STAND_INS, MOST_DRAWS = 8192, 4
"""Stand-ins of a field at most, and how often one galaxy is among them, each time otherwise."""

BLOCK = 1024
"""Stamps in memory at once."""

BETTER = 0.9
"""Share of the source's noise or seeing below which the field is called better."""


@dataclass(frozen=True)
class StandIns:
    """PDFs of galaxies that stand in for those of a field.

    Attributes
    ----------
    pdf : ndarray, shape (n, n_bins), float32
        Averaged over the ensemble.
    edges : ndarray, shape (n_bins + 1,)
    objects : pandas.DataFrame
        ``field, row, object_id, mag_i, z_label`` and ``sigma``, as `hscz.predict.recalibrate.fit`
        wants them, with magnitudes as the catalogue of the field would have them, and ``spread``,
        how far the medians of the ensemble are apart over 1 + z.
    beyond : tuple of str
        In what the field is better than the source, such as ``depth of u``.
    """

    pdf: NDArray[np.float32]
    edges: NDArray[np.float64]
    objects: pd.DataFrame
    beyond: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write them to a file ``.npz``."""
        arrays: dict[str, NDArray[Any]] = {
            str(name): column.to_numpy() for name, column in self.objects.items()
        }
        arrays["field"] = arrays["field"].astype(str)
        arrays |= {"pdf": self.pdf, "edges": self.edges, "beyond": np.array(self.beyond, str)}
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> StandIns:
        """Read them from a file that `save` has written."""
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        pdf, edges, beyond = (arrays.pop(name) for name in ("pdf", "edges", "beyond"))
        return cls(pdf, edges, pd.DataFrame(arrays), tuple(beyond.tolist()))


def stand_ins(config: RunConfig, name: str, most: int = STAND_INS) -> StandIns:
    """Return source galaxies made like those of a field, predicted as the field is.

    Where the zero points of the field are measured to be off and are not corrected, theirs are
    made to be off as much.

    Parameters
    ----------
    config : RunConfig
    name : str
        The field. If it is a source field, its own galaxies are taken as they are.
    most : int
        Galaxies at most.

    Raises
    ------
    StoreError
        If a model or a field store is absent, or they do not fit each other.
    InputError
        If no galaxy with a label was held out.
    """
    from hscz.learn.train import usable_models

    own, folders = name in config.train.fields, usable_models(config)
    scale = zero_point_scale(config, name)
    ensemble = Ensemble.of(folders, config.predict, config.field_store(name), scale)
    models = ensemble.load()
    like = None if own else _Like.of(config, name, models[0], scale)
    chosen = _drawn(config, [name] if own else config.train.fields, most)
    draws = 1 if own else int(np.clip(most // len(chosen), 1, MOST_DRAWS))
    found = [
        _of_field(config, some, models, ensemble.folders, like, draws)
        for _, some in chosen.groupby("field", sort=False)
    ]
    pdfs, objects, beyond = zip(*found, strict=True)
    better = tuple(dict.fromkeys(what for some in beyond for what in some))
    joined = pd.concat(objects, ignore_index=True)
    joined["mag_i"] += _too_faint_mag(config, name)
    return StandIns(np.concatenate(pdfs), models[0].grid.edges, joined, better)


def _too_faint_mag(config: RunConfig, name: str) -> float:
    """Return by how much the i magnitudes of a field are too faint against those of the source."""
    if not is_target(config, name):
        return 0.0
    shrunk_mag = measured_zero_points(config, name).set_index("band")["shrunk_mag"]
    return float(shrunk_mag.get("i", 0.0))


def held_out(config: RunConfig, fields: Sequence[str]) -> pd.DataFrame:
    """Return galaxies of source fields with a label that some network has not learnt from.

    Columns are those of `hscz.learn.folder.ModelFolder.held_out`; there may be no row.
    """
    from hscz.learn.train import usable_models

    rows = pd.concat([ModelFolder(folder).held_out() for folder in usable_models(config)])
    rows = rows.drop_duplicates(["field", "row"])
    return rows[rows["field"].isin(fields)].reset_index(drop=True)


def _drawn(config: RunConfig, fields: Sequence[str], most: int) -> pd.DataFrame:
    """Return held-out galaxies, drawn at random where there are more than wanted."""
    rows = held_out(config, fields)
    if rows.empty:
        raise InputError(
            f"{', '.join(fields)}: no galaxy with a label was held out of the training, and "
            f"predict.calibrate = {config.predict.calibrate!r} is learnt from such; raise "
            f"train.validation_fraction ({config.train.validation_fraction:g}) and train again, or "
            'set predict.calibrate = "none"'
        )
    chosen = np.random.default_rng(config.train.seed).permutation(len(rows))[:most]
    return rows.loc[chosen].sort_values(["field", "row"])


@dataclass(frozen=True)
class _Like:
    """How the galaxies of a field are shown to the networks.

    Attributes
    ----------
    conditions : Conditions
        Noise, seeing and dust of its usable galaxies, in the bands fed to the networks.
    factor : Tensor, shape (band,)
        How much too bright it is in each band by zero points that are off and not corrected.
    """

    conditions: Conditions
    factor: torch.Tensor

    @classmethod
    def of(cls, config: RunConfig, name: str, model: Model, scale: Mapping[str, float]) -> _Like:
        import torch

        path, fed = config.field_store(name), fed_bands(model, config.predict)
        store = stores.open_field(path, lazy=False)
        rows = np.flatnonzero(is_usable(store["flags"].values))
        if not len(rows):
            raise InputError(
                f"{path}: has no usable object, so nothing says how its galaxies are to be "
                'calibrated; ingest it again, or set predict.calibrate = "none"'
            )
        found = _conditions(store, rows, fed, name, model)
        corrected = torch.tensor([scale.get(band, 1.0) for band in fed])
        left = torch.ones(len(fed))
        if not corrects(config, name):
            shrunk_mag = measured_zero_points(config, name).set_index("band")["shrunk_mag"]
            left = torch.tensor([10 ** (-0.4 * shrunk_mag.get(band, 0.0)) for band in fed])
        return cls(replace(found, sky_noise=found.sky_noise * corrected), left.float())


def _conditions(
    store: xr.Dataset, rows: NDArray[np.int64], bands: Sequence[str], name: str, model: Model
) -> Conditions:
    """Return how galaxies were observed. What is not known was said when the networks learnt."""
    from hscz.learn.conditions import Conditions

    return Conditions.of(store, rows, bands, name, True, model.optional, silent=True)


def _of_field(
    config: RunConfig,
    objects: pd.DataFrame,
    models: Sequence[Model],
    folders: Sequence[str],
    like: _Like | None,
    draws: int,
) -> tuple[NDArray[np.float32], pd.DataFrame, tuple[str, ...]]:
    """Return PDFs and objects of one source field, and in what the target is better."""
    import torch

    name, rows = str(objects["field"].iloc[0]), objects["row"].to_numpy()
    store, model = _source(config, name, objects), models[0]
    learnt = in_training(store, folders)[:, rows]
    have = _conditions(store, rows, model.bands, name, model)
    generator = torch.Generator().manual_seed(config.train.seed)
    found = np.empty((draws, len(rows), len(model.grid)), np.float32)
    spread = np.empty((draws, len(rows)))
    for start in range(0, len(rows), BLOCK):
        some = slice(start, start + BLOCK)
        with about(config.field_store(name)):
            stamps = _stamps(store, rows[some], models, margin=like is not None)
            here, usable = have.take(torch.arange(len(rows))[some]), np.ones(len(stamps), bool)
            for draw in range(draws):
                shown = stamps if like is None else _made_like(stamps, here, like, model, generator)
                found[draw, some], spread[draw, some] = mean_pdf(
                    shown, usable, learnt[:, some], models, config.predict
                )
    again = pd.concat([objects] * draws, ignore_index=True).assign(spread=spread.ravel())
    return found.reshape(len(again), -1), again, _beyond(have, like, model)


def _source(config: RunConfig, name: str, objects: pd.DataFrame) -> xr.Dataset:
    """Open a source field, which must be the one that the networks have learnt from."""
    path, rows = config.field_store(name), objects["row"].to_numpy()
    store = stores.open_field(path, lazy=False)
    if (
        rows.max(initial=-1) >= store.sizes["object"]
        or (store["object_id"].values[rows] != objects["object_id"].to_numpy()).any()
    ):
        raise StoreError(f"{path}: has other objects than when the models learnt; train again")
    return store


def _stamps(
    store: xr.Dataset, rows: NDArray[np.int64], models: Sequence[Model], margin: bool
) -> NDArray[np.float16]:
    """Read what the networks see of sorted rows, with the margin that degrading wants."""
    from hscz.learn.degrade import Degraded
    from hscz.learn.loader import band_index, read_stamps

    model = models[0]
    side = max(one.network_config.input_px for one in models)
    side = min(store.sizes["y"], side + 2 * Degraded.margin_px * margin)
    stamps = np.empty((len(rows), len(model.bands), side, side), np.float16)
    bands = band_index(store, model.bands, model.optional)
    read_stamps(store, rows, bands, stamps, model.optional)
    return stamps


def _made_like(
    stamps: NDArray[np.float16],
    have: Conditions,
    like: _Like,
    model: Model,
    generator: torch.Generator,
) -> NDArray[np.float16]:
    """Return stamps made like those of random galaxies of the field, without bands it lacks."""
    import torch

    from hscz.learn.degrade import degrade, draw

    want = draw(like.conditions, len(stamps), 0.0, generator)
    have = replace(have, sky_noise=have.sky_noise * like.factor)
    extinction = torch.tensor([BANDS[band].extinction_per_ebv for band in model.bands])
    images = torch.from_numpy(stamps).float() * like.factor[:, None, None]
    degraded = degrade(images, have, want, extinction, generator).numpy()
    largest = np.finfo(np.float16).max
    made = degraded.clip(-largest, largest).astype(np.float16)
    made[:, like.conditions.sky_noise.isnan().all(dim=0).numpy()] = np.nan
    return made


def _beyond(have: Conditions, like: _Like | None, model: Model) -> tuple[str, ...]:
    """Return in what a field is so much better than the source that stand-ins are too poor."""
    if like is None:
        return ()
    columns = {"depth": "sky_noise", "seeing": "psf_fwhm_arcsec"}
    return tuple(
        f"{what} of {band}"
        for what, column in columns.items()
        for band, theirs, ours in zip(
            model.bands,
            getattr(like.conditions, column).nanmedian(dim=0).values.tolist(),
            getattr(have, column).nanmedian(dim=0).values.tolist(),
            strict=True,
        )
        if theirs < BETTER * ours
    )
