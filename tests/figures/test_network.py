from __future__ import annotations

import pandas as pd
import pytest

pytest.importorskip("holoviews")
import holoviews as hv

from hscz import figures


def test_network_is_drawn_from_its_modules() -> None:
    pytest.importorskip("torch")
    from hscz.config.learn import NETWORK_PRESETS, AdaptConfig
    from hscz.learn.multimodal import multimodal
    from hscz.learn.verdicts import Pair

    bands = ("u", "g", "r", "i", "z", "y")
    network = multimodal(NETWORK_PRESETS["compact"], [1.0] * 6, 360)
    adversary = Pair(106, 8, AdaptConfig(kernels=(24, 20), dense=(64,)), "batch")
    figure = figures.fig10(network, adversary, "inc2", bands)
    table = figure.table
    own = table["part"] == "adversary"
    for module, rows in ((network, table[~own]), (adversary, table[own])):
        assert rows["parameters"].sum() == sum(p.numel() for p in module.parameters())
    assert table.iloc[-1][["layer", "maps"]].tolist() == ["same field?", 2]
    assert network.training
    assert hv.render(figure.plot, backend="bokeh") is not None
    pd.testing.assert_frame_equal(figures.fig06(network, bands).table, table[~own])
    assert figures.fig06(None, bands).missing
    assert figures.fig10(network, None, "", bands).note.startswith("no recipe has an adversary")
