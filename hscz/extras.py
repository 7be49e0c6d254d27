"""Packages beyond the core: which extra of hscz brings them, and one error without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

from hscz.errors import ConfigError

EXTRAS: Mapping[str, str] = {
    "torch": "learn",
    "speclite": "mock",
    "desc_bpz": "mock",
    "holoviews": "figures",
    "matplotlib": "figures",
    "bokeh": "dashboard",
    "panel": "dashboard",
    "sklearn": "baselines",
    "openTSNE": "embed",
    "umap": "embed",
    "astroquery": "fetch",
    "pyvo": "fetch",
    "hats": "hats",
    "lsdb": "hats",
    "h5py": "qp",
    "qp": "qp",
}
"""Extra that brings a package, by the name it is imported under."""


@contextmanager
def needed_by(what: str) -> Iterator[None]:
    """Say what needs a package of an extra and how to install it, where its import fails.

    Parameters
    ----------
    what : str
        Begins the message.

    Raises
    ------
    ConfigError
        In place of the `ModuleNotFoundError` of a package of an extra.

    Examples
    --------
    >>> with needed_by("export format 'qp'"):
    ...     raise ModuleNotFoundError(name="h5py")
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: export format 'qp' needs h5py, which is not installed; run: pip ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in EXTRAS:
            raise
        raise ConfigError(
            f"{what} needs {package}, which is not installed; "
            f"run: pip install 'hscz[{EXTRAS[package]}]'"
        ) from None


def require(what: str, *packages: str) -> None:
    """Refuse what needs packages that are not installed, without loading them; see `needed_by`.

    Examples
    --------
    >>> require("the table of contents", "json")
    """
    with needed_by(what):
        for package in packages:
            if find_spec(package) is None:
                raise ModuleNotFoundError(name=package)
