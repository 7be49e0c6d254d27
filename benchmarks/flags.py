"""What the flag of several peaks is worth with other distances and shares than it has.

``python -m benchmarks.flags stores/demo/pdfs/*/*.zarr`` judges PDF cubes of a mock: a source field
by the labelled galaxies its networks have not learnt from, which is what the rule was chosen by,
any other against the truth. Each line is the mean over the cubes of one field.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz import open_cube, pdf
from hscz.evaluate.judged import is_judged
from hscz.evaluate.metrics import residual
from hscz.schema import WIDE_PDFW

DISTANCES, SHARES = (0.1, 0.15, 0.2, 0.3), (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)


def judge(path: str) -> pd.DataFrame:
    """Return a row for each rule: the fraction flagged, eta in it and outside, and more."""
    cube = open_cube(path, lazy=False)
    known = cube["in_training"].values.any()
    column = "z_label" if known else "z_true"
    use = is_judged(cube, column)
    cube = cube.isel(object=use)
    reference = cube[column].values
    outlier = np.abs(residual(cube["z_median"].values, reference)) > 0.15
    wide, density = cube["pdf_width"].values > WIDE_PDFW, cube["pdf"].values
    rules = {"PDFw > 1.5": wide, "n_peaks > 1": cube["n_peaks"].values > 1}
    for distance in DISTANCES:
        share = pdf.peaks(density, cube["z_edges"].values, distance=distance)[2]
        rules |= {f"{least:.2f} beyond {distance:.2f}": share >= least for least in SHARES}
    rows = [{"rule": rule, **_worth(flag, outlier, wide)} for rule, flag in rules.items()]
    part = "validation" if known else "truth"
    return pd.DataFrame(rows).assign(field=f"{cube['field'].values[0]}, {part}", n=use.sum())


def _worth(
    flag: NDArray[np.bool_], outlier: NDArray[np.bool_], wide: NDArray[np.bool_]
) -> dict[str, float]:
    return {
        "flagged": flag.mean(),
        "eta_in": outlier[flag].mean() if flag.any() else np.nan,
        "eta_out": outlier[~flag].mean(),
        "caught": flag[outlier].mean(),
        "millibits": _millibits(flag, outlier),
        "beyond_wide": _millibits(flag[~wide], outlier[~wide]),
    }


def _millibits(flag: NDArray[np.bool_], outlier: NDArray[np.bool_]) -> float:
    """Return what the flag tells about who is an outlier, their mutual information."""
    joint = np.histogram2d(flag, outlier, bins=2, range=((0, 1), (0, 1)))[0] / len(flag)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    some = joint > 0
    return float(1000 * np.sum(joint[some] * np.log2(joint[some] / apart[some])))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flags", description=__doc__)
    parser.add_argument("cubes", nargs="+", help="PDF cubes of a mock")
    table = pd.concat([judge(path) for path in parser.parse_args(arguments).cubes])
    means = table.groupby(["field", "rule"], sort=False).mean()
    print(means.to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
