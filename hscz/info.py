"""What an artefact on disk, a source catalogue or a setting is, in a few lines of text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from hscz.config.reference import text as settings
from hscz.errors import ConfigError, StoreError
from hscz.ingest.zeropoints import known_lines
from hscz.learn.folder import ModelFolder
from hscz.schema import WIDE_PDFW, flag_counts
from hscz.stores import attributes, open_cube, open_field, part
from hscz.tables.listing import describe_catalogue, list_catalogues


def describe(what: str, name: str | None = None) -> str:
    """Return a description of an artefact, of source catalogues, or of settings.

    Parameters
    ----------
    what : str
        ``catalogs``, ``settings``, or the path of an artefact; a folder of such a name is
        ``./catalogs``.
    name : str, optional
        One of the catalogues, or the path of a descriptor; a section of the settings.

    Raises
    ------
    ConfigError
        If a descriptor or section cannot be found or read, or a name comes with a path.
    StoreError
        If the path is no artefact.

    Examples
    --------
    >>> describe("catalogs", "deep2").splitlines()[1]
    '  survey       DEEP2'
    """
    if what == "catalogs":
        return describe_catalogue(name) if name else list_catalogues()
    if what == "settings":
        return settings(name)
    if name:
        raise ConfigError(
            f"{name!r} after {what!r}: a name goes with 'catalogs' and 'settings' alone"
        )
    return describe_artefact(what)


def describe_artefact(path: str | Path) -> str:
    """Return a description of a field store, model or PDF cube.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    StoreError
        If the path is none of them, or unfinished.
    """
    path = Path(path)
    if ModelFolder(path).exists:
        return _describe_model(ModelFolder(path))
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    if "pdf" in names:
        return _describe_cube(path)
    if "image" in names:
        return _describe_field(path)
    unfinished = f"; {part(path)} is unfinished" if part(path).exists() else ""
    raise StoreError(
        f"{path}: no field store, model or PDF cube{unfinished}; give the path that "
        "'hscz ingest', 'hscz train' or 'hscz predict' printed"
    )


def _describe_field(path: Path) -> str:
    store = open_field(path, lazy=False)
    bands = [str(b) for b in store["band"].values]
    size = store["image"].nbytes / store.sizes["object"]
    lines = [
        f"field store {path}",
        f"  objects   {store.sizes['object']:,} ({size:,.0f} bytes a stamp of "
        f"{store.sizes['y']} x {store.sizes['x']} px), {attributes(path)['n_lost']} in no tile",
        f"  selection {attributes(path)['select']}",
        "  band      " + "".join(f"{b:>9}" for b in bands),
        "  noise     " + _medians(store["sky_noise"].values, "9.4f"),
        '  seeing "  ' + _medians(store["psf_fwhm"].values, "9.2f"),
        _flag_line(store["flags"].values),
        *(f"  {line}" for line in known_lines(path)),
    ]
    if "z_label" in store:
        source = store["label_source"].values
        counts = {kind: int((source == kind).sum()) for kind in ("spec", "c2020")}
        lines.append(f"  labels    {sum(counts.values()):,}: {counts}")
    return "\n".join(lines)


def _describe_cube(path: Path) -> str:
    cube = open_cube(path, lazy=False)
    edges = cube["z_edges"].values
    width = cube["pdf_width"].values
    return "\n".join(
        [
            f"PDF cube {path}",
            f"  objects   {cube.sizes['object']:,}, of which {np.isnan(width).sum():,} have no PDF",
            f"  bins      {cube.sizes['z']} over {edges[0]:g} < z < {edges[-1]:g}",
            f"  PDFw      median {np.nanmedian(width):.3f}, "
            f"{np.mean(width > WIDE_PDFW):.1%} above {WIDE_PDFW}",
            _flag_line(cube["flags"].values),
        ]
    )


def _describe_model(model: ModelFolder) -> str:
    try:
        config, epochs = model.settings(), model.epochs()
        return "\n".join(
            [
                f"model {model} ({'whole' if model.whole else 'unfinished'})",
                f"  bands     {', '.join(config['bands'])}",
                f"  bins      {len(config['z_edges']) - 1} to z = {config['z_edges'][-1]:g}",
                f"  network   {config['network']['size']}, {config['network']['input_px']} px",
                f"  made      {model.note().get('made', 'at an unknown time')}",
                f"  {json.dumps(epochs[-1])}" if epochs else "  no epoch has ended yet",
            ]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{model}: config.toml does not describe a model ({error}); train again with "
            "'hscz train --force'"
        ) from None


def _medians(values: np.ndarray, form: str) -> str:
    """Return the median of each column as text, nan where a column knows no value."""
    return "".join(f"{value:{form}}" for value in pd.DataFrame(values).median())


def _flag_line(flags: np.ndarray) -> str:
    return "  flags     " + ", ".join(f"{name} {n:,}" for name, n in flag_counts(flags).items())
