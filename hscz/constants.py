"""Numbers that hold for any flux and any Gaussian."""

import math

MAG_PER_RELATIVE_ERROR = 2.5 / math.log(10)
"""Error of a magnitude over the relative error of its flux, 1.0857."""

SIGMA_PER_MAD = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""

IQR_PER_SIGMA = 1.349
"""Interquartile range of a Gaussian over its standard deviation."""
