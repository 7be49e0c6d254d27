"""Files of n(z): FITS as cosmology codes read it, Parquet, text, and ensembles for qp and RAIL."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hscz import __version__
from hscz.errors import InputError
from hscz.evaluate.tables import write_table
from hscz.extras import needed_by
from hscz.files.atomic import write_atomic

_ARRAYS: Mapping[str, tuple[str, ...]] = {
    "stacked": ("sample", "z"),
    "covariance": ("sample", "z", "z_other"),
    "covariance_ratio": ("sample", "z", "z_other"),
    "covariance_counts": ("sample", "z", "z_other"),
    "covariance_structure": ("sample", "z", "z_other"),
    "covariance_sky": ("sample", "z", "z_other"),
    "z_mean_covariance": ("sample", "sample_other"),
    "draws": ("sample", "draw", "z"),
}
"""Arrays that stand in HDUs of their own, and their dimensions."""


def path_of(stem: Path, kind: str) -> Path:
    """Return the path of n(z) in a format; that of ``text`` is a folder."""
    suffix = {"fits": ".nz.fits", "parquet": ".nz.parquet", "text": ".nz", "qp": ".nz.hdf5"}[kind]
    return stem.with_name(f"{stem.name}{suffix}")


def write(found: xr.Dataset, stem: Path, kind: str) -> Path:
    """Write n(z) in a format, whole or not at all.

    Parameters
    ----------
    found : xarray.Dataset
        From `hscz.nz.field.n_of_z_of`.
    stem : Path
        Path of the files without their suffix.
    kind : str
        ``fits``, ``parquet``, ``text`` or ``qp``.

    Raises
    ------
    ConfigError
        If qp is asked for and is not installed.
    StoreError
        If the disk does not take it.
    """
    path = path_of(stem, kind)
    writers: Mapping[str, Callable[[xr.Dataset, Path], object]] = {
        "fits": _write_fits,
        "parquet": lambda n_of_z, to: write_table(as_table(n_of_z), to),
        "text": _write_text,
        "qp": _write_qp,
    }
    return write_atomic(path, lambda temporary: writers[kind](found, temporary))


def as_table(found: xr.Dataset) -> pd.DataFrame:
    """Return n(z) as a table: ``sample, z_low, z_high, n_of_z, n_of_z_err, stacked``."""
    edges, parts = found["z_edges"].values, []
    for k, name in enumerate(found["sample"].values):
        one = found.isel(sample=k)
        error = np.sqrt(np.diagonal(one["covariance"].values))
        columns = {"sample": str(name), "z_low": edges[:-1], "z_high": edges[1:]}
        columns |= {"n_of_z": one["n_of_z"].values, "n_of_z_err": error}
        parts.append(pd.DataFrame(columns | {"stacked": one["stacked"].values}))
    return pd.concat(parts, ignore_index=True)


def read(path: str | Path) -> xr.Dataset:
    """Return n(z) from a FITS file that `write` has written.

    Raises
    ------
    InputError
        If the file is missing, or is no such file.
    """
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            table, samples = hdus["NZ_SAMPLE"].data, hdus["SAMPLES"].data
            edges = np.append(table["Z_LOW"], table["Z_HIGH"][-1]).astype(np.float64)
            columns = [table[f"BIN{k + 1}"] for k in range(len(samples))]
            values: dict[str, Any] = {"n_of_z": (("sample", "z"), np.array(columns, np.float64))}
            values |= {
                key: (dims, hdus[key].data.astype(np.float64)) for key, dims in _ARRAYS.items()
            }
            for key in ("n", "z_mean"):
                values[key] = ("sample", samples[key].astype(np.float64))
            note = json.loads("".join(hdus["NOTE"].data["note"]))
            names = [str(name) for name in samples["sample"]]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: is no n(z) as 'hscz nz' writes it ({error}); run 'hscz nz' with fits among "
            "nz.formats"
        ) from error
    middle = 0.5 * (edges[1:] + edges[:-1])
    coordinates = {"sample": names, "z": middle, "z_edges": ("z_edge", edges)}
    return xr.Dataset(values, coords=coordinates, attrs=note)


def _write_fits(found: xr.Dataset, path: Path) -> None:
    """Write a table ``NZ_SAMPLE`` as CosmoSIS and 2point files have it, and arrays beside it."""
    from astropy.io import fits

    edges = found["z_edges"].values
    columns = {"Z_LOW": edges[:-1], "Z_MID": found["z"].values, "Z_HIGH": edges[1:]}
    columns |= {f"BIN{k + 1}": row for k, row in enumerate(found["n_of_z"].values)}
    table = fits.BinTableHDU.from_columns(_columns(columns), name="NZ_SAMPLE")
    table.header["NZDATA"] = (True, "n(z) of samples, densities")
    table.header["NBIN"] = found.sizes["sample"]
    table.header["NZ"] = found.sizes["z"]
    names = found["sample"].values.astype(str)
    for k, name in enumerate(names):
        table.header[f"SAMPLE{k + 1}"] = (name, f"galaxies of BIN{k + 1}")
    error = np.sqrt(np.diagonal(found["z_mean_covariance"].values))
    samples = {"sample": names, "n": found["n"].values, "z_mean": found["z_mean"].values}
    samples["z_mean_err"] = error
    note = json.dumps({"hscz": __version__, **found.attrs})
    rows = np.array([note[start : start + 1000] for start in range(0, len(note), 1000)])
    hdus = [
        fits.PrimaryHDU(),
        table,
        fits.BinTableHDU.from_columns(_columns(samples), name="SAMPLES"),
        *(fits.ImageHDU(found[key].values, name=key) for key in _ARRAYS),
        fits.BinTableHDU.from_columns(_columns({"note": rows}), name="NOTE"),
    ]
    fits.HDUList(hdus).writeto(path)


def _columns(values: Mapping[str, Any]) -> list[Any]:
    from astropy.io import fits

    return [
        fits.Column(name, f"{v.dtype.itemsize // 4}A" if v.dtype.kind == "U" else "D", array=v)
        for name, v in values.items()
    ]


def _write_text(found: xr.Dataset, folder: Path) -> None:
    """Write files of two columns, z and n(z), for each sample, and its covariance."""
    folder.mkdir()
    for k, name in enumerate(found["sample"].values):
        one, stem = found.isel(sample=k), str(name).replace(" ", "_")
        head = f"{found.attrs['field']}, {name}, {int(one['n']):d} galaxies\n{found.attrs['prior']}"
        pairs = np.stack([one["z"].values, one["n_of_z"].values], axis=1)
        np.savetxt(folder / f"{stem}.txt", pairs, header=f"{head}\nz n(z)", fmt="%.8g")
        cov = one["covariance"].values
        np.savetxt(folder / f"{stem}.cov.txt", cov, header=f"{head}\ncovariance", fmt="%.8g")
    head = "covariance of the mean redshifts of " + ", ".join(map(str, found["sample"].values))
    shifts = found["z_mean_covariance"].values
    np.savetxt(folder / "z_mean.cov.txt", shifts, header=head, fmt="%.8g")


def _write_qp(found: xr.Dataset, path: Path) -> None:
    """Write an ensemble of n(z), of each sample first and then of its draws, one after another."""
    with needed_by('nz.formats = ["qp"]'):
        import qp

    draws, edges = found["draws"].values, found["z_edges"].values
    rows = np.concatenate([found["n_of_z"].values, draws.reshape(-1, draws.shape[-1])])
    rows /= (rows * np.diff(edges)).sum(axis=1, keepdims=True)
    names = found["sample"].values.astype(str)
    n_draws = draws.shape[1]
    beside = {
        "sample": np.concatenate([names, np.repeat(names, n_draws)]).astype("S"),
        "draw": np.concatenate([np.full(len(names), -1), np.tile(np.arange(n_draws), len(names))]),
    }
    ensemble = qp.Ensemble(qp.hist, data={"bins": edges, "pdfs": rows}, ancil=beside)
    ensemble.write_to(str(path))
