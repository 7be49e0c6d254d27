"""What redshifts of a field are worth, by galaxies that stand in for its own and their labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz import pdf, stores
from hscz.config import RunConfig
from hscz.evaluate.cuts import Judged, magnitude_weights, scores_of
from hscz.evaluate.metrics import OUTLIER_DZ, residual
from hscz.learn.folder import ModelFolder
from hscz.pdf.flags import catalogue_flags, pdf_flags
from hscz.pdf.grid import bin_of
from hscz.predict.calibration import calibration_of, standing_in
from hscz.predict.recalibrate import label_likelihood


def promised(config: RunConfig, name: str, mag_i: ArrayLike) -> Judged:
    """Return the galaxies that stand in for those of a field, judged by their labels.

    Their PDFs are calibrated as those of the field are. Labels scatter, and some of them are
    wrong: `outlier_probability` allows for that, and the residuals do not.

    Parameters
    ----------
    config : RunConfig
    name : str
        The field.
    mag_i : array_like, shape (m,)
        Magnitudes of its own galaxies, as which the others are to be distributed.

    Raises
    ------
    StoreError, InputError
        As `hscz.predict.calibration.standing_in` does.
    """
    shown, calibration = standing_in(config, name), calibration_of(config, name)
    inside = bin_of(shown.objects["z_label"].to_numpy(np.float64), shown.edges) >= 0
    objects, density = shown.objects[inside].reset_index(drop=True), shown.pdf[inside]
    if calibration is not None:
        density = calibration.apply(density, shown.edges, objects["mag_i"], objects["object_id"])
    points = pdf.summarise(density, shown.edges)
    own = pdf_flags(density, shown.edges, points, objects["spread"])
    labels = objects["z_label"].to_numpy(np.float64)
    catalogued = objects["mag_i"].to_numpy(np.float64)
    return Judged(
        scores_of({**points, "flags": own | _source_flags(config, objects)}),
        catalogued,
        residual(points["z_median"], labels),
        outlier_probability(density, shown.edges, labels, objects["sigma"]),
        magnitude_weights(catalogued, mag_i),
        np.asarray(objects.groupby(["field", "row"]).ngroup(), np.int64),
    )


def outlier_probability(
    density: ArrayLike, edges: ArrayLike, z_label: ArrayLike, sigma: ArrayLike
) -> NDArray[np.float64]:
    """Return how likely the median of each PDF is an outlier, by PDF and uncertain label together.

    A label far from the median is either wrong, as two in a hundred photometric ones are, or the
    median is; the PDF says which is more likely.

    Parameters
    ----------
    density : array_like, shape (n, n_bins)
        Calibrated.
    edges : array_like, shape (n_bins + 1,)
    z_label, sigma : array_like, shape (n,)
        See `hscz.predict.recalibrate.label_likelihood`.

    Examples
    --------
    >>> edges = np.linspace(0, 2, 21)
    >>> sharp = np.where(np.arange(20) == 5, 10.0, 1e-3)[None]
    >>> outlier_probability(sharp, edges, [1.5], [0.0]).round(2).tolist()
    [1.0]
    >>> outlier_probability(sharp, edges, [1.5], [0.02]).round(2).tolist()
    [0.09]
    """
    middle = pdf.median(density, edges)
    both = np.asarray(density) * label_likelihood(z_label, sigma, edges)
    # The true redshifts for which the median is no outlier.
    ends = [(middle - OUTLIER_DZ) / (1 + OUTLIER_DZ), (middle + OUTLIER_DZ) / (1 - OUTLIER_DZ)]
    low, high = pdf.cdf_at(both, edges, np.stack(ends))
    return np.asarray(1 - (high - low), np.float64)


def _source_flags(config: RunConfig, objects: pd.DataFrame) -> NDArray[np.int32]:
    """Return the flags that stamps and positions of source galaxies have."""
    from hscz.learn.train import usable_models

    ranges = np.array([ModelFolder(folder).mag_i_range() for folder in usable_models(config)])
    span = float(ranges[:, 0].min()), float(ranges[:, 1].max())
    flags = np.zeros(len(objects), np.int32)
    for name, some in objects.groupby("field"):
        store = stores.open_field(config.field_store(str(name)), lazy=False)
        ra, dec, mag_i = (store[key].values for key in ("ra", "dec", "mag_i"))
        own = store["flags"].values | catalogue_flags(ra, dec, mag_i, span)
        flags[some.index] = own[some["row"]]
    return flags
