from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from hscz.dashboard.data import load
from hscz.dashboard.download import catalogue

pytest.importorskip("panel")


@pytest.mark.parametrize("suffix", ["fits", "parquet", "csv"])
def test_the_catalogue_has_the_chosen_rows(pair, suffix: str) -> None:
    field = load(pair)["F"]
    chosen = field.mag_i < 21
    file = catalogue(field.cubes["v2"], chosen, suffix)
    read = {"fits": lambda f: fits.getdata(f, 1), "parquet": pd.read_parquet, "csv": pd.read_csv}
    table = read[suffix](io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(table["object_id"], 44223461475791504 + np.flatnonzero(chosen))
    np.testing.assert_allclose(table["cnn_z_median"], field.cubes["v2"].z_median[chosen], rtol=1e-6)
