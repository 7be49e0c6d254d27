"""What an error of the zero point of one band costs, and what is left of it once it is measured.

``python -m benchmarks.zero_points examples/experiments.toml --seed 1 --target DEEP2`` takes the
networks of a finished run of the experiments. It makes each band of the target fainter and brighter
by 0.2 mag in turn, measures the zero points again without labels, and compares the outliers of the
baseline, which knows nothing of it, with those of the recipe that corrects what was measured.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from hscz import pdf
from hscz.config.read import load
from hscz.evaluate.metrics import outlier_fraction, residual
from hscz.experiments.experiment import Experiment, experiments, seeded
from hscz.experiments.recipes import BASELINE, RECOMMENDED
from hscz.ingest.zeropoints import measure
from hscz.learn.loader import band_index, read_stamps
from hscz.learn.model import Model
from hscz.schema import has_redshift, is_usable
from hscz.stores import open_field

MAG_I = (23.0, 25.0)
BATCH = 256


def judged_rows(store: xr.Dataset) -> NDArray[np.int64]:
    """Return the usable galaxies with a true redshift whose magnitudes are in the range."""
    mag_i = store["mag_i"].values
    use = is_usable(store["flags"].values) & has_redshift(store["z_true"].values)
    return np.flatnonzero(use & (mag_i >= MAG_I[0]) & (mag_i < MAG_I[1]))


def outliers(one: Experiment, store: xr.Dataset, scale: dict[str, float]) -> float:
    """Return eta of a recipe's first network on stamps multiplied by a factor for each band."""
    model = Model.load(one.config.models[0])
    side, bands = model.network_config.input_px, band_index(store, model.bands)
    rows = judged_rows(store)
    stamps = np.empty((len(rows), len(bands), side, side), np.float16)
    read_stamps(store, rows, bands, stamps)
    factors = torch.tensor([scale.get(band, 1.0) for band in model.bands]).view(-1, 1, 1)
    batches = (part.float() * factors for part in torch.from_numpy(stamps).split(BATCH))
    density = np.concatenate([model.pdf(part, one.config.predict.turns) for part in batches])
    median = pdf.median(density, model.grid.edges)
    return float(outlier_fraction(residual(median, store["z_true"].values[rows])))


def altered(store: xr.Dataset, band: str, offset_mag: float) -> xr.Dataset:
    """Return a field store whose band is fainter by an offset."""
    factor = xr.where(store["band"] == band, 10 ** (-0.4 * offset_mag), 1.0).astype("float32")
    return store.assign(image=store["image"] * factor, sky_noise=store["sky_noise"] * factor)


def costs(
    baseline: Experiment, corrected: Experiment, target: xr.Dataset, source: xr.Dataset
) -> pd.DataFrame:
    """Return a row for each band and sign: the offset found and eta of both recipes."""
    rows = []
    for band in ["none", *(b for b in baseline.config.train.bands if b in target["band"].values)]:
        for offset in (0.0,) if band == "none" else (0.2, -0.2):
            store = altered(target, band, offset)
            table = measure(store, [source]).set_index("band")
            scale = (10 ** (0.4 * table["shrunk_mag"])).to_dict()
            row = {"band": band, "offset_mag": offset}
            row["found_mag"] = table["offset_mag"].get(band, np.nan)
            row["eta_baseline"] = outliers(baseline, store, {})
            row["eta_corrected"] = outliers(corrected, store, scale)
            rows.append(row)
            print(pd.DataFrame([row]).to_string(index=False, header=len(rows) == 1), flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Print the table and which share of the baseline's loss remains."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zero_points", description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", default="DEEP2")
    asked = parser.parse_args()
    config = next(c for c in seeded(load(asked.config)) if c.train.seed == asked.seed)
    plan = {one.recipe: one for one in experiments(config) if one.target == asked.target}
    names = asked.target, config.train.fields[0]
    target, source = (open_field(config.field_store(name), lazy=False) for name in names)
    table = costs(plan[BASELINE], plan[RECOMMENDED], target.load(), source)
    lost, remains = (
        table[key].iloc[1:].mean() - table[key].iloc[0] for key in ("eta_baseline", "eta_corrected")
    )
    n = len(judged_rows(target))
    print(f"N = {n:,}: the baseline loses {lost:.3f} in eta, of which {remains / lost:.2f} remains")


if __name__ == "__main__":
    main()
