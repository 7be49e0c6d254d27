"""Redshift PDFs: densities on bins, their peaks and flags, and cubes of them.

The functions of `hscz.pdf.density` are here as well:

>>> from hscz import pdf
>>> pdf.median([[0.5, 0.5]], [0.0, 1.0, 2.0]).tolist()
[1.0]
"""

from hscz.pdf.density import (
    cdf,
    cdf_at,
    combine,
    draw,
    has_pdf,
    mean,
    median,
    mode,
    odds,
    pdf_to_pmf,
    peaks,
    pmf_to_pdf,
    quantile,
    row_blocks,
    summarise,
    width,
)
from hscz.pdf.risk import least_risk

__all__ = [
    "cdf",
    "cdf_at",
    "combine",
    "draw",
    "has_pdf",
    "least_risk",
    "mean",
    "median",
    "mode",
    "odds",
    "pdf_to_pmf",
    "peaks",
    "pmf_to_pdf",
    "quantile",
    "row_blocks",
    "summarise",
    "width",
]
