"""Where the package grows: what a setting may name, and the code that stands behind each name.

Our own names stand in the tables below, each with the place of its code, which loads when it is
asked for. Other packages add theirs by an entry point of the same group in their pyproject.toml:

.. code-block:: toml

    [project.entry-points."hscz.export_formats"]
    csv = "my_package.csv:FORMAT"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hscz.errors import ConfigError
from hscz.extras import needed_by, require


@dataclass(frozen=True)
class Seam:
    """Things of one kind by their names.

    Attributes
    ----------
    kind : str
        What they are called in errors.
    group : str
        Of the entry points by which other packages add theirs.
    ours : mapping of str to str
        Name to ``module:attribute``.
    packages : mapping of str to tuple of str
        What those of ours need that the core does not bring.

    Examples
    --------
    >>> EXPORT_FORMATS.load("fits").suffix
    'fits'
    >>> EXPORT_FORMATS.check("csv", "run.toml: ")
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: run.toml: export format 'csv' is unknown; use fits, parquet, ...
    """

    kind: str
    group: str
    ours: Mapping[str, str]
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, ours first."""
        return (*self.ours, *(name for name in self._others() if name not in self.ours))

    def check(self, name: str, where: str = "") -> None:
        """Refuse a name that is unknown or needs what is not installed.

        Parameters
        ----------
        name : str
        where : str
            Begins the error message.

        Raises
        ------
        ConfigError
        """
        if name not in self.names:
            *others, last = self.names
            known = f"{', '.join(others)} or {last}" if others else last
            raise ConfigError(f"{where}{self.kind} {name!r} is unknown; use {known}")
        if name in self.ours:
            require(f"{where}{self.kind} {name!r}", *self.packages.get(name, ()))

    def load(self, name: str) -> Any:
        """Return what stands behind a name.

        Raises
        ------
        ConfigError
            If the name is unknown, or its code cannot be loaded.
        """
        self.check(name)
        if name in self.ours:
            module, _, attribute = self.ours[name].partition(":")
            with needed_by(f"{self.kind} {name!r}"):
                return getattr(import_module(module), attribute)
        entry = self._others()[name]
        try:
            return entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else entry.value
            raise ConfigError(
                f"{self.kind} {name!r} of the package {package} cannot be loaded ({error}); "
                "correct the package or its entry point"
            ) from error

    def _others(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=self.group)}


EXPORT_FORMATS = Seam(
    "export format",
    "hscz.export_formats",
    {
        "fits": "hscz.export.fits:FORMAT",
        "parquet": "hscz.export.parquet:FORMAT",
        "votable": "hscz.export.votable:FORMAT",
        "hats": "hscz.export.hats:FORMAT",
        "qp": "hscz.export.qp:FORMAT",
    },
    {"hats": ("hats",), "qp": ("h5py",)},
)
"""Each is a `hscz.export.formats.Format`."""

ADAPTATIONS = Seam(
    "adaptation",
    "hscz.adaptations",
    {
        "degrade": "hscz.learn.degrade:Degraded",
        "adversary": "hscz.learn.adversary:WithAdversary",
    },
)
"""What `hscz.config.learn.AdaptConfig.methods` may name; each is a subclass of
`hscz.learn.adapt.Adaptation`."""

NETWORK_BODIES = Seam(
    "network body", "hscz.network_bodies", {"multimodal": "hscz.learn.multimodal:multimodal"}
)
"""What ``network.body`` may name; each makes a `hscz.learn.network.Network`."""

LABEL_TREATMENTS = Seam(
    "label treatment",
    "hscz.label_treatments",
    {
        "one_hot": "hscz.learn.targets:ONE_HOT",
        "soft": "hscz.learn.targets:SOFT",
        "mixture": "hscz.learn.targets:MIXTURE",
    },
)
"""What ``train.targets`` may name; each is a `hscz.learn.targets.LabelTreatment`."""

ESTIMATORS = Seam(
    "method",
    "hscz.estimators",
    {
        "network": "hscz.experiments.networks:NETWORKS",
        "knn": "hscz.experiments.neighbours:KNN",
        "flexzboost": "hscz.experiments.flexible:FLEXZBOOST",
    },
    {"flexzboost": ("sklearn",)},
)
"""What ``method`` of a recipe may name; each is a `hscz.experiments.estimator.Estimator`."""
