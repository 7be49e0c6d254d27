"""Networks kept in a process, and what makes them others."""

from __future__ import annotations

from pathlib import Path

import torch

from hscz.config.read import load
from hscz.ingest.stage import ingest
from hscz.predict.ensemble import Ensemble


def test_a_field_ingested_anew_has_its_own_statistics(copy: Path) -> None:
    config = load(copy, ["predict.renormalise=true", 'ingest.select="i < 24"'])

    def network() -> torch.nn.Module:
        ensemble = Ensemble.of(config.models, config.predict, config.field_store("DEEP2"))
        return ensemble.load()[0].network

    first = network()
    assert network() is first
    ingest(config, "DEEP2", progress=False)
    before, after = first.state_dict(), network().state_dict()
    statistics = [key for key in before if "running" in key]
    assert statistics
    assert not any(before[key].equal(after[key]) for key in statistics)
