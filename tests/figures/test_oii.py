from __future__ import annotations

import pytest

pytest.importorskip("holoviews")
from hscz.figures import Figure


def test_oii_metrics_take_every_candidate_to_be_at_the_line(drawn: dict[str, Figure]) -> None:
    rows = drawn["fig13"].table.groupby("model").first()
    assert rows.loc["v0", "n"] == 40
    assert rows.loc["v2", "sigma_mad"] < rows.loc["v0", "sigma_mad"]
    assert rows.loc["spec", "bias"] == pytest.approx(0, abs=1e-6)
