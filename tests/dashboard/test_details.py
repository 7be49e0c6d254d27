from __future__ import annotations

import numpy as np
import pytest

from hscz.dashboard import details
from hscz.dashboard.data import load
from hscz.errors import StoreError

pytest.importorskip("panel")


def test_an_object_is_found_in_its_field_store_by_its_number(survey, pair) -> None:
    field = load(pair)["F"]
    here = details.stamps(field.store, 44223461475791504 + 7, 7)
    np.testing.assert_allclose(here, np.arcsinh(3.5) / np.arcsinh(25), rtol=1e-5)
    assert np.array_equal(here, details.stamps(field.store, 44223461475791504 + 7, 99))
    with pytest.raises(StoreError, match="has no object 12"):
        details.stamps(field.store, 12, 0)
