"""Which short timings a plan needs, each kind of stage timed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tqdm import tqdm

from hscz.config import RunConfig
from hscz.plan.files import Mocking, try_export, try_ingest, try_mock
from hscz.plan.trial import Prediction, Training, try_prediction, try_training


@dataclass(frozen=True)
class Timings:
    """What the stages took in short trials, by kind.

    Attributes
    ----------
    found : mapping of str to object
    """

    found: dict[str, Any]

    @property
    def ingest_seconds_per_mpx(self) -> float:
        """One band of a megapixel, cut into stamps."""
        return float(self.found["ingest"])

    @property
    def mock(self) -> Mocking:
        """A mock field."""
        return self.found["mock"]

    @property
    def export_seconds(self) -> float:
        """One object, written into all catalogues."""
        return float(self.found["export"])

    def training(self, config: RunConfig) -> Training:
        """Training with a configuration."""
        return self.found[training_kind(config)]

    def prediction(self, config: RunConfig) -> Prediction:
        """Prediction with a network of a configuration."""
        return self.found[prediction_kind(config)]


def measure(
    config: RunConfig,
    trained: Sequence[RunConfig],
    used: Sequence[RunConfig],
    threads: int,
    progress: bool = True,
) -> Timings:
    """Time every kind of stage once, on noise.

    Parameters
    ----------
    config : RunConfig
    trained, used : sequence of RunConfig
        Configurations whose networks are trained, and those that are predicted with.
    threads : int
        Cores of one training or prediction.
    progress : bool
        Whether to say what is being timed.
    """
    todo: dict[str, tuple[str, Callable[[], Any]]] = {"ingest": ("cutting stamps", try_ingest)}
    if config.mock is not None:
        todo["mock"] = "making a mock field", partial(try_mock, config.mock)
    exporting = partial(try_export, config.export, config.train.n_bins)
    todo["export"] = "writing catalogues", exporting
    having = threads, config.ingest.stamp_px
    for each in trained:
        training = partial(try_training, each, *having)
        todo.setdefault(training_kind(each), (f"training {each.train.name}", training))
    for each in (*trained, *used):
        predicting = partial(try_prediction, each, *having)
        todo.setdefault(prediction_kind(each), (f"predicting with {each.train.name}", predicting))
    found = {}
    with tqdm(total=len(todo), disable=not progress, leave=False) as bar:
        for kind, (label, task) in todo.items():
            bar.set_description(f"timing: {label}")
            found[kind] = task()
            bar.update()
    return Timings(found)


def training_kind(config: RunConfig) -> str:
    """Return what the time of a training depends on; names of bands and fields do not matter.

    Examples
    --------
    >>> from hscz.config.read import parse
    >>> u, us = (parse({"train": {"bands": [band, "g", "i"]}}) for band in ("u", "us"))
    >>> training_kind(u) == training_kind(us)
    True
    """
    train, adapt = config.train, config.adapt
    settings = train.batch_size, train.optimiser, train.precision, train.device
    adversary = adapt.adversary, adapt.layer, adapt.kernels, adapt.dense, adapt.statistics
    judged = adapt.verdict, adapt.judged_share
    target = bool(adapt.targets), adapt.degrade, adapt.degrade_share
    return repr(("train", _network(config), settings, adversary, judged, target))


def prediction_kind(config: RunConfig) -> str:
    """Return what the time of a prediction with one network depends on."""
    predict = config.predict
    settings = predict.batch_size, predict.block, predict.precision, predict.device
    return repr(("predict", _network(config), settings))


def _network(config: RunConfig) -> str:
    train = config.train
    return repr((config.network, len(train.bands), len(train.hidden), train.n_bins))
