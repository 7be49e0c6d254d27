"""Settings of what comes of the models: PDF cubes, catalogues, metrics, figures and plans."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal, Self

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, model_validator

from hscz.config.learn import Device, Precision
from hscz.config.section import section
from hscz.config.values import (
    BandName,
    Count,
    Edges,
    Flag,
    Natural,
    NoOrEdges,
    Number,
    Positive,
    Share,
    Whole,
    named_in,
    once_each,
    one_of,
    written_as,
)
from hscz.schema import LABEL_COLUMNS
from hscz.seams import EXPORT_FORMATS

FormatName = Annotated[str, *named_in(EXPORT_FORMATS)]
LabelColumn = Annotated[str, *one_of(*LABEL_COLUMNS)]
Prefix = Annotated[
    str, *written_as("[A-Za-z][A-Za-z0-9_]*", "letters, digits and _, a letter first")
]


@section
class PredictConfig:
    """Section [predict]: field stores and models to PDF cubes."""

    fields: tuple[str, ...] = ()
    """Fields to predict; empty predicts every field of the run."""
    block: Count = 4096
    """Objects of one Dask task."""
    batch_size: Count = 64
    """Objects that pass the network at once. More fill a GPU better; a processor takes longer over
    them, and each of its threads 25 MB for each with the paper's network."""
    device: Device = "auto"
    """auto takes a GPU where there is one."""
    precision: Precision = "auto"
    """float32, bfloat16, or auto: bfloat16 on a GPU, float32 on a CPU."""
    renormalise: Flag = False
    """Measure the statistics of the normalisation layers on each field (AdaBN)."""
    turns: Annotated[Whole, Ge(1), Le(8)] = 1
    """Average the PDFs of so many of the eight rotations and flips of each stamp, one after the
    other; 1 takes it as it is."""
    calibrate: Literal["none", "pit"] = "none"
    """Calibrate the averaged PDFs: none (the paper), or pit, a map of the CDF by magnitude that
    makes PITs uniform of held-out source galaxies made like those of the field."""
    zero_points: Literal["stated", "measured"] = "stated"
    """Zero points of the fields: stated by their images, or measured, which multiplies the stamps
    of each by what brings the colours of its bright galaxies to those of train.fields."""
    stand_in: dict[BandName, BandName] = field(default_factory=dict)
    """Bands to feed in place of others, such as {us = "u"} for a model trained on u*."""
    name: str = ""
    """Folder of the PDF cubes and catalogues; empty takes that of the models."""


@section
class NzConfig:
    """Section [nz]: n(z) of fields and of samples of their galaxies."""

    prior: Literal["inferred", "network"] = "inferred"
    """What n(z | i) the PDFs are summed under: inferred, the field's own as far as its PDFs ask for
    another than that of train.fields and its zero points are sound; or network, that which the
    networks have learnt, so that n(z) is the plain sum of the PDFs."""
    select: str = ""
    """Which galaxies, an expression over the columns of the catalogue; empty takes all in the range
    of magnitudes that the networks have learnt from."""
    mag_edges: NoOrEdges = (18.0, 22.5, 24.0, 25.0)
    """Edges of samples in i magnitude; empty makes none."""
    z_edges: NoOrEdges = ()
    """Edges of tomographic samples in redshift; empty makes none."""
    assign: Literal["median", "probability"] = "median"
    """What puts a galaxy into a tomographic sample: the median in the catalogue, or probability,
    which counts it in each by the probability that it is there."""
    z_width: Positive = 0.05
    """Width of the bins of n(z)."""
    draws: Count = 200
    """Draws of n(z) to take along."""
    formats: Annotated[
        tuple[Literal["fits", "parquet", "text", "qp"], ...], AfterValidator(once_each)
    ] = (*("fits", "parquet"),)
    """fits (n(z), covariances and draws), parquet (n(z) and its errors), text (a file of z and n(z)
    for each sample, and its covariance), and qp (n(z) and draws as ensembles for qp and RAIL)."""
    cell_arcmin: Positive = 5.0
    """Side of the cells of the sky whose scatter is part of the errors; smaller in a field that
    would have fewer than 8."""
    seed: Natural = 1
    """Seed of the draws."""


@section
class ExportConfig:
    """Section [export]: PDF cubes to catalogues."""

    formats: Annotated[tuple[FormatName, ...], AfterValidator(once_each)] = ("fits", "parquet")
    """Of fits, parquet, votable, hats and qp, and of what other packages add."""
    include_pdf: Flag = False
    """Add the PDFs as a vector column; qp files have them always."""
    inferred: Flag = False
    """Add the estimates under the inferred n(z), NAME_inferred_z_median and so on; see [nz]."""
    algorithm: Prefix = "cnn"
    """Prefix of the redshift columns."""
    columns: tuple[str, ...] = ()
    """Columns to write, in this order; empty writes all."""
    select: str = ""
    """Which rows to write, an expression over the columns; empty writes all."""


@section
class EvaluateConfig:
    """Section [evaluate]: metrics of PDF cubes against known redshifts."""

    fields: tuple[str, ...] = ()
    """Fields to judge; empty judges every predicted field."""
    reference: Annotated[tuple[LabelColumn, ...], AfterValidator(once_each)] = (
        *("z_true", "z_spec", "z_label"),
    )
    """Label columns to compare with, where the store has them."""
    z_edges: Edges = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
    """Edges of the bins in redshift."""
    mag_edges: Edges = (18.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0)
    """Edges of the bins in i magnitude."""
    bootstraps: Annotated[Whole, Ge(2)] = 100
    """Resamplings that the errors come from."""
    cell_arcmin: Positive = 5.0
    """Side of the cells of the sky that are drawn, whole, for the errors of n(z), as galaxies
    cluster; smaller in a field that would have fewer than 8."""
    seed: Natural = 1
    """Seed of the resamplings."""
    wanted_eta: Annotated[Share, Gt(0)] = 0.05
    """Fraction of outliers that the recommended cuts in quality keep to."""


@section
class EmbedConfig:
    """Section [embed]: what the layers of the networks see, for hscz evaluate --embed."""

    recipes: tuple[str, ...] = ()
    """Recipes to look at, those before the adaptation first; those that the run does not have
    are left out. Empty takes v0, v2 and recommended."""
    n: Annotated[Whole, Ge(50), Le(4000)] = 1000
    """Objects of each field, drawn at random."""
    cells: Annotated[Whole, Ge(1), Le(64)] = 1
    """Squares along the side of a map in which it is averaged; 1 takes the mean of the map."""
    layer: str = ""
    """Layer to draw, such as valid1; empty takes the one in which the first recipe groups the
    source's galaxies best by redshift."""
    method: Literal["umap", "tsne", "pca"] = "umap"
    """Way to the plane: umap or tsne, which need hscz[embed], or pca."""
    seed: Natural = 1
    """Seed of the draw and of the way to the plane."""


@section
class FiguresConfig:
    """Section [figures]: the paper's figures of this run."""

    formats: tuple[Literal["png", "pdf", "html"], ...] = ("png", "pdf")
    """png, pdf, and html for zooming in; png is always made."""
    jobs: Count = 2
    """Figures drawn side by side, each in its own process."""


@section
class StatedCounts:
    """What is known of a field before its catalogue is there."""

    objects: Natural | None = None
    """Selected galaxies."""
    labelled: Natural | None = None
    """Those with a redshift label."""
    spectra: Natural | None = None
    """Those with a secure spectroscopic redshift."""

    @model_validator(mode="after")
    def _no_more_than_objects(self) -> Self:
        for key in ("labelled", "spectra"):
            value = getattr(self, key)
            if None not in (value, self.objects) and value > self.objects:
                raise ValueError(
                    f"{key} is {value}; give a value from 0 to {self.objects}, its objects"
                )
        return self


@section
class PlanConfig:
    """Section [plan]: what hscz plan cannot count or time; no other verb reads it."""

    fields: dict[str, StatedCounts] = field(default_factory=dict)
    """Numbers of fields, used until a catalogue or store is there to be counted."""
    mbit_per_s: Annotated[Number, Ge(0.001)] = 100.0
    """Rate of downloads."""
