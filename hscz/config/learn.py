"""Settings of everything that learns: the network, its training and its adaptation."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import model_validator

from hscz.config.section import section
from hscz.config.values import (
    Amount,
    BandName,
    Bands,
    Count,
    Edges,
    Flag,
    InputPx,
    Names,
    Natural,
    Number,
    Positive,
    Share,
    Whole,
    named_in,
    written_as,
)
from hscz.seams import ADAPTATIONS, LABEL_TREATMENTS, NETWORK_BODIES

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]

_N = "[1-9][0-9]*"

Layer = Annotated[
    str,
    *written_as(
        f"conv {_N} {_N} (relu|tanh)( {_N})?|inc ([2-9]|{_N}[0-9])|valid {_N} {_N}|pool|smooth",
        "'conv N K ACT [STRIDE]', 'inc K', 'valid N K', 'pool' or 'smooth'",
    ),
]

PAPER_LAYERS = (
    *("conv 96 5 relu", "conv 96 3 tanh", "pool"),
    *("inc 156", "inc 156", "inc 156", "pool", "inc 156", "inc 156", "pool", "inc 156"),
    *("valid 96 3", "valid 96 3", "valid 96 3", "smooth"),
)
COMPACT_LAYERS = (
    *("conv 16 5 relu 2", "conv 16 3 relu", "pool"),
    *("inc 32", "inc 32", "pool", "valid 128 3"),
)


@section
class NetworkConfig:
    """Section [network]: the multimodal network; the defaults are the ``paper`` size."""

    size: Literal["paper", "compact"] = "paper"
    """Preset the other keys start from: paper or compact."""
    body: Annotated[str, *named_in(NETWORK_BODIES)] = "multimodal"
    """What the network is made of, a name of `hscz.seams.NETWORK_BODIES`; the keys below are
    those of multimodal."""
    options: dict[str, Any] = field(default_factory=dict)
    """Settings of a body from another package."""
    input_px: InputPx = 64
    """Central pixels of the stamp which the network sees."""
    layers: Annotated[tuple[Layer, ...], MinLen(1)] = PAPER_LAYERS
    """Layers of the body, first to last: ``conv N K ACT [STRIDE]`` (N kernels of K x K pixels,
    relu or tanh), ``inc K`` (inception block of width K), ``valid N K`` (convolution without
    padding), ``pool`` (average over 2 x 2), ``smooth`` (the same at stride 1)."""
    merge_after: Natural = 3
    """How many layers each pair of bands passes on its own before the pairs are merged."""
    dense: tuple[Count, ...] = (1024, 1024)
    """Units of the fully connected layers between the body and the redshift bins."""
    norm: Literal["none", "batch", "group"] = "batch"
    """Normalisation after each convolution: none (as the paper's group has it; the paper names
    none), batch, with which the network trains faster and every recipe runs, or group (each galaxy
    by its own statistics)."""
    init: Literal["xavier", "he"] = "xavier"
    """First weights of the convolutions: xavier (Glorot & Bengio 2010), with biases of 0.1 where
    there is no normalisation, as the paper's group has them; or he (He et al. 2015), with 0."""
    scaling: Literal["sqrt", "log", "asinh", "linear"] = "sqrt"
    """Input flux scaling f(x/s), with s the median sky noise of the training set:
    sqrt: sign(x)(sqrt(1+|x|)-1), log: sign(x)ln(1+|x|), asinh, linear."""
    masks: Flag = False
    """Let each pair of bands say which of the two a galaxy has, beside their fluxes; set by
    train.hidden."""


NETWORK_PRESETS = {
    "paper": NetworkConfig(),
    "compact": NetworkConfig(
        size="compact",
        input_px=32,
        layers=COMPACT_LAYERS,
        merge_after=2,
        dense=(128,),
    ),
}


@section
class TrainConfig:
    """Section [train]: field stores to models; the defaults are the paper's, or its group's."""

    name: str = "v0"
    """Folder of the models, under <stores>/models."""
    fields: Names = ("COSMOS_UDF",)
    """Labelled source fields."""
    bands: Bands = ("u", "g", "r", "i", "z", "y")
    """Bands that the network sees, blue to red."""
    hidden: tuple[tuple[BandName, ...], ...] = ()
    """Sets of bands of which one, drawn for each stamp and each time, is hidden in training; a
    galaxy may lack any of them. [["u"], ["us"], []] makes one model for u, u* or both."""
    runs: Count = 1
    """Networks of each fold, from different seeds; prediction averages their densities."""
    epochs: Count = 50
    """Passes over the training set."""
    batch_size: Annotated[Whole, Ge(2)] = 64
    """Stamps of one step; an adversary needs a multiple of 4."""
    optimiser: Literal["adam", "adamw"] = "adam"
    """Way of descent."""
    learning_rate: Positive = 1e-4
    """Largest step of the optimiser."""
    schedule: Literal["step", "onecycle", "constant"] = "step"
    """The learning rate over the training: step (divided by 5 half-way), onecycle or constant."""
    warmup: Share = 0.0
    """Share of the steps in which the learning rate rises from 0; onecycle has its own rise."""
    weight_decay: Amount = 0.0
    """Decay of the weights in each step, as the optimiser takes it."""
    targets: Annotated[str, *named_in(LABEL_TREATMENTS)] = "one_hot"
    """What the network learns of a label: one_hot (the paper), soft (a normal of the label's own
    width), or mixture (of the four COSMOS2020 redshifts where they are the label, else soft)."""
    soft_sigma: Positive = 0.015
    """Least width of a soft label, times 1 + z."""
    grid: Literal["uniform", "log1pz"] = "uniform"
    """Redshift bins: uniform, or log1pz, even in ln(1 + z)."""
    n_bins: Annotated[Whole, Ge(2)] = 360
    """Redshift bins."""
    z_max: Annotated[Number, Ge(0.1), Le(100)] = 6.0
    """Upper edge of the last bin."""
    label: Literal["z_label", "z_true"] = "z_label"
    """Column to learn from: z_label, or z_true for the oracle of a simulation."""
    spec_fields: tuple[str, ...] = ()
    """Fields whose spectroscopic redshifts join the training, as in v1 and v3."""
    validation_fraction: Annotated[Number, Ge(0), Le(0.9)] = 0.2
    """Share of the labelled galaxies that is held out of training."""
    folds: Annotated[Whole, Ge(1), Le(100)] = 1
    """Folds to train, each with another held-out part; an object is then predicted by the
    networks that have not learnt from it."""
    max_galaxies: Natural = 0
    """Use at most so many training galaxies, drawn at random; 0 uses all."""
    seed: Natural = 1
    """Seed of the split, the weights and every draw."""
    device: Device = "auto"
    """auto takes a GPU where there is one."""
    precision: Precision = "auto"
    """float32, bfloat16, or auto: bfloat16 on a GPU, float32 on a CPU."""

    @model_validator(mode="after")
    def _hides_some_bands(self) -> Self:
        for bands in self.hidden:
            strange = set(bands) - set(self.bands)
            if strange or set(bands) == set(self.bands):
                what = f"has {strange.pop()!r}, not one" if strange else "has a set of all"
                raise ValueError(f"hidden {what} of train.bands; hide some of them")
        return self

    @model_validator(mode="after")
    def _rises_once(self) -> Self:
        if self.warmup and self.schedule == "onecycle":
            raise ValueError(
                f"warmup is {self.warmup}, but train.schedule is 'onecycle', which rises by "
                "itself; set it to 0, or the schedule to step or constant"
            )
        return self

    @model_validator(mode="after")
    def _folds_fit(self) -> Self:
        if self.folds > 1 and self.folds * self.validation_fraction > 1 + 1e-9:
            raise ValueError(
                f"folds is {self.folds}, but so many parts of train.validation_fraction = "
                f"{self.validation_fraction} are more than the whole; lower one of them"
            )
        return self

    @property
    def optional(self) -> frozenset[str]:
        """Bands that a field may lack."""
        return frozenset(band for bands in self.hidden for band in bands)


@section
class FlattenConfig:
    """Section [flatten]: a training set without the spikes of the field it comes from."""

    enabled: Flag = True
    """Smooth n(z), thin out over-densities and draw again for each epoch, as the paper does."""
    mag_edges: Edges = (0.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0)
    """Bins of i magnitude whose n(z) are smoothed separately; the paper says "several"."""
    bandwidth: Annotated[Number, Ge(0), Le(6)] = 0.0
    """Width of the kernel in redshift, as a standard deviation; 0 takes Scott's rule, the
    default of the SciPy function that the paper used."""
    clips: Natural = 5
    """Times the spikes are cut down to the smooth curve and it is smoothed again, before what
    stands above is removed; 0 is the paper's single smoothing, which broad spikes lift."""
    neighbours: Count = 10
    """Neighbours on the sky that measure the density around a galaxy."""


@section
class AdaptConfig:
    """Section [adapt]: make the network see unlabelled target fields as it sees the source.

    The defaults of the adversary are the paper's where it names a value.
    """

    targets: tuple[str, ...] = ()
    """Unlabelled fields; empty trains on the source alone."""
    methods: tuple[Annotated[str, *named_in(ADAPTATIONS)], ...] = ()
    """Ways to adapt beside those that `degrade` and `adversary` switch on, names of
    `hscz.seams.ADAPTATIONS`."""
    options: dict[str, Any] = field(default_factory=dict)
    """Settings of methods from other packages."""
    adversary: Literal["none", "inverted", "uniform", "reversal"] = "none"
    """Loss of the layers below the adversary: none (no adversary), inverted (the paper:
    cross-entropy with inverted labels), uniform (domain confusion) or reversal (DANN)."""
    weight: Amount = 1.0
    """Weight of that loss beside the cross-entropy of the redshifts; 0 is the control whose
    target stamps pass through the normalisation and nothing else."""
    ramp: Literal["constant", "linear", "dann"] = "constant"
    """How the weight grows over the training: constant, linear or dann."""
    verdict: Literal["pair", "single"] = "pair"
    """What the adversary says: pair (the paper: whether two galaxies, their maps side by side,
    are of the same field) or single (which field one galaxy is of)."""
    rate: Positive = 1.0
    """Learning rate of the adversary, as a multiple of train.learning_rate."""
    judged_share: Annotated[Number, Gt(0), Le(1)] = 1.0
    """Share of each batch that the adversary judges, with as many target galaxies."""
    layer: str = ""
    """Layer whose maps the adversary reads; empty takes the fifth that has kernels (in the
    compact network, which has fewer, the last before the valid convolutions)."""
    kernels: tuple[Count, Count] = (156, 128)
    """Kernels of the adversary's first and last two convolutions."""
    dense: tuple[Count, ...] = (256,)
    """Units of the adversary's fully connected layers."""
    neighbours: Count = 30
    """A partner is drawn from so many galaxies nearest in i magnitude."""
    max_gap_mag: Amount = 0.1
    """Partners farther than this in magnitude make no pair."""
    n_targets: Count = 100_000
    """Random galaxies of each target field that one run sees."""
    statistics: Literal["separate", "mixed"] = "separate"
    """Statistics of the normalisation layers, if there are any, with an adversary:
    separate (each field's own, and in prediction those of the field predicted) or mixed."""
    degrade: Flag = False
    """Give source stamps, each time, the noise, seeing and dust of a random target one."""
    degrade_share: Share = 1.0
    """Share of the stamps, or batches, that are degraded; the others stay as they were observed."""
    degrade_by: Literal["stamp", "batch"] = "stamp"
    """What is degraded or stays: single stamps, so that each batch and the statistics of its
    normalisation hold both kinds, or whole batches."""
    degrade_scatter: Share = 0.1
    """Scatter of the drawn noise and seeing around the target's, as a fraction."""
    zero_point_scatter_mag: Share = 0.0
    """Random shift of the zero point of each band, where stamps are degraded."""

    @model_validator(mode="after")
    def _the_adversary_has_a_loss(self) -> Self:
        if "adversary" in self.methods and self.adversary == "none":
            raise ValueError(
                "methods has 'adversary', but adversary is 'none'; give its loss there instead"
            )
        return self

    @property
    def in_force(self) -> tuple[str, ...]:
        """Names of all ways to adapt, in the order in which they alter source stamps."""
        switches = {"degrade": self.degrade, "adversary": self.adversary != "none"}
        ours = tuple(name for name, wanted in switches.items() if wanted)
        return tuple(dict.fromkeys((*ours, *self.methods)))

    @property
    def separate_statistics(self) -> bool:
        """Whether source and target stamps are normalised by their own statistics."""
        return self.adversary != "none" and self.statistics == "separate"
