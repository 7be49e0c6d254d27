"""Truth tables that several test modules of the mock survey share."""

from __future__ import annotations

import pandas as pd
import pytest

from hscz.mock.population import draw_field


@pytest.fixture(scope="session")
def deep_truth() -> pd.DataFrame:
    """A field without planted structures, 0.16 square degrees to i = 26.7."""
    return draw_field("XMM_DEEP", (35.0, 35.4), (-5.0, -4.6), 26.7, seed=5)


@pytest.fixture(scope="session")
def cosmos_truth() -> pd.DataFrame:
    """A COSMOS field with planted structures, 0.16 square degrees to i = 26.5."""
    return draw_field("COSMOS_UDF", (149.9, 150.3), (2.0, 2.4), 26.5, seed=5)
