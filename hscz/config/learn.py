"""Settings of everything that learns: the network, its training and its adaptation.

What a key means stands beside its default; `hscz.config.read` reads the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PAPER_LAYERS = (
    *("conv 96 5 relu", "conv 96 3 tanh", "pool"),
    *("inc 156", "inc 156", "inc 156", "pool", "inc 156", "inc 156", "pool", "inc 156"),
    *("valid 96 3", "valid 96 3", "valid 96 3", "smooth"),
)
COMPACT_LAYERS = (
    *("conv 16 5 relu 2", "conv 16 3 relu", "pool"),
    *("inc 32", "inc 32", "pool", "valid 128 3"),
)


@dataclass(frozen=True)
class NetworkConfig:
    """Section [network]: the multimodal network; the defaults are the ``paper`` size.

    Layers are read from left to right: ``conv N K ACT [STRIDE]`` (N kernels of K x K
    pixels), ``inc K`` (inception block of width K), ``valid N K`` (convolution without padding),
    ``pool`` (average over 2 x 2), ``smooth`` (the same at stride 1).
    """

    size: str = "paper"
    """Preset the other keys start from: paper or compact."""
    body: str = "multimodal"
    """What the network is made of, a name of `hscz.seams.NETWORK_BODIES`; the keys below are
    those of multimodal."""
    options: dict[str, Any] = field(default_factory=dict)
    """Settings of a body from another package."""
    input_px: int = 64
    """Central pixels of the stamp which the network sees."""
    layers: tuple[str, ...] = PAPER_LAYERS
    merge_after: int = 3
    """How many layers each pair of bands passes on its own before the pairs are merged."""
    dense: tuple[int, ...] = (1024, 1024)
    norm: str = "none"
    """Normalisation after each convolution: none or batch."""
    scaling: str = "sqrt"
    """Input flux scaling f(x/s), with s the median sky noise of the training set:
    sqrt: sign(x)(sqrt(1+|x|)-1), log: sign(x)ln(1+|x|), asinh, linear."""
    masks: bool = False
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
        norm="batch",
    ),
}


@dataclass(frozen=True)
class TrainConfig:
    """Section [train]: field stores to models; the defaults are the paper's, or its group's."""

    name: str = "v0"
    """Folder of the models, under <stores>/models."""
    fields: tuple[str, ...] = ("COSMOS_UDF",)
    """Labelled source fields."""
    bands: tuple[str, ...] = ("u", "g", "r", "i", "z", "y")
    hidden: tuple[tuple[str, ...], ...] = ()
    """Sets of bands of which one, drawn for each stamp and each time, is hidden in training; a
    galaxy may lack any of them. [["u"], ["us"], []] makes one model for u, u* or both."""
    runs: int = 1
    """Networks of each fold, from different seeds; prediction averages their densities."""
    epochs: int = 50
    batch_size: int = 64
    optimiser: str = "adam"
    """adam or adamw."""
    learning_rate: float = 1e-4
    schedule: str = "step"
    """step (divided by 5 half-way), onecycle or constant."""
    weight_decay: float = 0.0
    targets: str = "one_hot"
    """one_hot (the paper), soft (a normal of the label's own width), or mixture (of the four
    COSMOS2020 redshifts where they are the label, else soft)."""
    soft_sigma: float = 0.015
    """Least width of a soft label, times 1 + z."""
    grid: str = "uniform"
    """Redshift bins: uniform or log1pz."""
    n_bins: int = 360
    z_max: float = 6.0
    label: str = "z_label"
    """Column to learn from: z_label, or z_true for the oracle of a simulation."""
    spec_fields: tuple[str, ...] = ()
    """Fields whose spectroscopic redshifts join the training, as in v1 and v3."""
    validation_fraction: float = 0.2
    folds: int = 1
    """Folds to train, each with another held-out part; an object is then predicted by the
    networks that have not learnt from it."""
    max_galaxies: int = 0
    """Use at most so many training galaxies, drawn at random; 0 uses all."""
    seed: int = 1
    device: str = "auto"
    """auto, cpu or cuda."""
    precision: str = "auto"
    """float32, bfloat16, or auto: bfloat16 on a GPU, float32 on a CPU."""

    @property
    def optional(self) -> frozenset[str]:
        """Bands that a field may lack."""
        return frozenset(band for bands in self.hidden for band in bands)


@dataclass(frozen=True)
class FlattenConfig:
    """Section [flatten]: a training set without the spikes of the field it comes from."""

    enabled: bool = True
    """Smooth n(z), thin out over-densities and draw each epoch anew, as the paper does."""
    mag_edges: tuple[float, ...] = (0.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0)
    """Bins of i magnitude whose n(z) are smoothed apart; the paper says "several"."""
    bandwidth: float = 0.0
    """Width of the kernel in redshift, as a standard deviation; 0 takes Scott's rule, the
    default of the SciPy function that the paper used."""
    clips: int = 5
    """Times the spikes are cut down to the smooth curve and it is smoothed again, before what
    stands above is removed; 0 is the paper's single smoothing, which broad spikes lift."""
    neighbours: int = 10
    """Neighbours on the sky that measure the density around a galaxy."""


@dataclass(frozen=True)
class AdaptConfig:
    """Section [adapt]: make the network see unlabelled target fields as it sees the source.

    The defaults of the adversary are the paper's where it names a value.
    """

    targets: tuple[str, ...] = ()
    """Unlabelled fields; empty trains on the source alone."""
    methods: tuple[str, ...] = ()
    """Ways to adapt beside those that `degrade` and `adversary` switch on, names of
    `hscz.seams.ADAPTATIONS`."""
    options: dict[str, Any] = field(default_factory=dict)
    """Settings of methods from other packages."""
    adversary: str = "none"
    """Loss of the layers below the adversary: none (no adversary), inverted (the paper:
    cross-entropy with inverted labels), uniform (domain confusion) or reversal (DANN)."""
    weight: float = 1.0
    """Weight of that loss beside the cross-entropy of the redshifts; 0 is the control whose
    target stamps pass through the normalisation and nothing else."""
    ramp: str = "constant"
    """How the weight grows over the training: constant, linear or dann."""
    layer: str = ""
    """Layer whose maps the adversary reads; empty takes the fifth that has kernels (in the
    compact network, which has fewer, the last before the valid convolutions)."""
    kernels: tuple[int, int] = (156, 128)
    """Kernels of the adversary's first and last two convolutions."""
    dense: tuple[int, ...] = (256,)
    neighbours: int = 30
    """A partner is drawn from so many galaxies nearest in i magnitude."""
    max_gap_mag: float = 0.1
    """Partners farther than this in magnitude make no pair."""
    n_targets: int = 100_000
    """Random galaxies of each target field that one run sees."""
    statistics: str = "apart"
    """Statistics of the normalisation layers, if there are such, while an adversary watches:
    apart (each field's own, and in prediction those of the field predicted) or mixed."""
    degrade: bool = False
    """Give source stamps, each time, the noise, seeing and dust of a random target one."""
    degrade_share: float = 1.0
    """Share of the batches that are degraded; the others stay as they were observed."""
    degrade_scatter: float = 0.1
    """Scatter of the drawn noise and seeing around the target's, as a fraction."""
    zero_point_scatter_mag: float = 0.0
    """Random shift of the zero point of each band, where stamps are degraded."""

    @property
    def in_force(self) -> tuple[str, ...]:
        """Names of all ways to adapt, in the order in which they alter source stamps."""
        switches = {"degrade": self.degrade, "adversary": self.adversary != "none"}
        ours = tuple(name for name, wanted in switches.items() if wanted)
        return tuple(dict.fromkeys((*ours, *self.methods)))

    @property
    def keeps_apart(self) -> bool:
        """Whether source and target stamps are normalised by their own statistics."""
        return self.adversary != "none" and self.statistics == "apart"


@dataclass(frozen=True)
class ExperimentsConfig:
    """Section [experiments]: recipes x targets x seeds, each trained and predicted."""

    targets: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    """Names of `hscz.experiments.recipes.RECIPES` or of sections [recipes.NAME]."""
    seeds: tuple[int, ...] = ()
    """Repeat all with these seeds, of the mock survey too; empty takes the file's own."""
    jobs: int = 1
    """Trainings, and then predictions, that run side by side, each in its own process."""
    publish: str = ""
    """Recipe whose redshifts of the targets become catalogues; empty makes none."""
