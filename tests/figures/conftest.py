"""A toy survey as the inputs of all figures."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

pytest.importorskip("holoviews")

from tests.helpers.toy_figures import Drawn
from tests.helpers.toy_survey import FIELDS, SCATTER, cube, field_store


@pytest.fixture(scope="session")
def survey() -> dict[str, Any]:
    stores = {name: field_store(name) for name in FIELDS}
    cubes = {
        recipe: {name: cube(store, scatter) for name, store in stores.items()}
        for recipe, scatter in SCATTER.items()
    }
    target = {recipe: found["DEEP2"] for recipe, found in cubes.items()}
    source = stores["COSMOS_UDF"]
    labels = {"z_label": source["z_label"].values, "mag_i": source["mag_i"].values}
    training = pd.DataFrame(labels).dropna()
    return {
        "stores": stores,
        "cubes": cubes,
        "target": target,
        "source": source,
        "training": training,
        "everywhere": {name: cubes["v2"][name] for name in FIELDS[1:]},
    }


@pytest.fixture(scope="session")
def drawn(survey: dict[str, Any]) -> Drawn:
    return Drawn(survey)
