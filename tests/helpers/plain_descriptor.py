"""The descriptor of a small catalogue of objects, with more columns and keys where asked for."""

from __future__ import annotations


def plain_descriptor(columns: str = "", keys: str = "") -> str:
    """Return TOML of a CSV table with id, ra, dec and mag_i; further lines of it as they are."""
    return f"""
title = "objects"
survey = "X"
reference = "none"
bibcode = "none"
selection = "all"
format = "csv"
extinction_corrected = true
z_range = [0.0, 6.0]
{keys}
[columns]
object_id = "id"
ra = "ra"
dec = "dec"
{columns}
[mag]
i = "mag_i"
"""
