"""PDF cube to n(z) of the field and of samples of it: files and a picture."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hscz.config import RunConfig
from hscz.config.decisive import key_of
from hscz.files.fresh import Key, mark_made
from hscz.ingest.zeropoints import is_target, zero_points_key
from hscz.nz.field import n_of_z_of, summary
from hscz.nz.files import as_table, path_of, write
from hscz.predict.calibration import calibration_key
from hscz.stores import identity

RULES = 1
"""Count up when the same PDFs come to give another n(z)."""


def nz_paths(config: RunConfig, name: str) -> list[Path]:
    """Return the files of a field's n(z)."""
    return [path_of(config.results(name), kind) for kind in config.nz.formats]


def write_nz(config: RunConfig, name: str) -> str:
    """Infer n(z) of a field and of samples of it, and write it in all formats.

    A picture stands beside, where holoviews is installed, and a note of the ratio by which PDFs
    are to be changed, ``NAME.ratio.json``.

    Returns
    -------
    str
        How n(z) was inferred, and the mean redshift of each sample.

    Raises
    ------
    InputError
        If the selection keeps no galaxy.
    StoreError
        If the field has not been predicted, or the disk does not take it.
    """
    found, stem = n_of_z_of(config, name), config.results(name)
    for kind in config.nz.formats:
        write(found, stem, kind)
    mark_made(
        config.prior_ratio(name), nz_key(config, name), ratio=json.loads(found.attrs["ratio"])
    )
    if importlib.util.find_spec("holoviews"):
        from hscz.figures.inferred import n_of_z_figure

        figure = n_of_z_figure(as_table(found), f"n(z) of {name}", found.attrs["prior"])
        figure.save(stem.with_name(f"{stem.name}_nz"))
    return summary(found)


def nz_note(config: RunConfig, name: str) -> Path:
    """Return the path of the note of what n(z) of a field was made from."""
    return config.results(name).with_name(f"{name}.nz.json")


def nz_key(config: RunConfig, name: str) -> Key:
    """Return what n(z) of a field is made from."""
    rules: dict[str, Any] = {"rules of n(z)": RULES, "export.algorithm": config.export.algorithm}
    inputs = calibration_key(config, name).inputs
    inputs = {**inputs, "predict": {name: identity(config.cube(name))}}
    if config.nz.prior == "inferred" and is_target(config, name):
        rules |= zero_points_key(config, name).settings
    whole = key_of(inputs, rules, nz=config.nz)
    return replace(whole, defaults={**whole.defaults, **rules})
