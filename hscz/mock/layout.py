"""Which label catalogues the mock of a field has, and how their files are called."""

from __future__ import annotations

from collections.abc import Mapping

LABEL_FILES: Mapping[str, str] = {
    "cosmos2020-classic": "COSMOS2020_CLASSIC_mock.fits",
    "cosmos2020-farmer": "COSMOS2020_FARMER_mock.fits",
    "zcosmos-bright": "zCOSMOS_bright_mock.csv",
    "vvds": "VVDS_mock.fits",
    "deep2": "DEEP2_mock.fits",
    "nb921-oii": "NB921_OII_mock.fits",
}
"""File of each catalogue, by the name of its descriptor."""

_COSMOS2020 = ("cosmos2020-classic", "cosmos2020-farmer")

LABELS_OF_FIELD: Mapping[str, tuple[str, ...]] = {
    "COSMOS_UDF": (*_COSMOS2020, "zcosmos-bright", "vvds", "deep2", "nb921-oii"),
    "COSMOS_DEEP": (*_COSMOS2020, "zcosmos-bright", "vvds", "nb921-oii"),
    "XMM_UDF": ("vvds", "nb921-oii"),
    "XMM_DEEP": ("vvds",),
    "ELAIS": ("vvds", "nb921-oii"),
    "DEEP2": ("deep2", "nb921-oii"),
}
"""Catalogues of each field, as in the real survey."""
