"""Prediction through the whole chain on the small survey."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hscz.config.read import load
from hscz.predict import ensemble
from hscz.predict.stage import predict_field
from hscz.run.stages import stages
from hscz.stores import open_cube


def test_how_many_pass_at_once_changes_no_pdf(copy: Path, monkeypatch) -> None:
    def predicted(*settings: str) -> np.ndarray:
        config = load(copy, ["predict.renormalise=true", *settings])
        predict_field(config, "DEEP2", progress=False)
        return open_cube(config.cube("DEEP2"), lazy=False)["pdf"].values

    few, many = predicted("predict.batch_size=7"), predicted("predict.batch_size=64")
    np.testing.assert_allclose(few, many, rtol=1e-3, atol=1e-4)
    # What does change them is how many the statistics are measured on at a time. Networks are kept
    # by their settings, so these must be others.
    monkeypatch.setattr(ensemble, "RENORMALISE_BATCH", 7)
    assert not np.allclose(predicted("predict.batch_size=8"), many, rtol=1e-2, equal_nan=True)


def test_what_comes_of_a_cube_is_stale_when_it_was_made_again(copy: Path) -> None:
    config = load(copy)

    results = [one for one in stages(config) if one.verb in ("evaluate", "export")]

    def stale() -> set[tuple[str, str | None]]:
        return {(one.verb, one.field) for one in results if one.why_stale()}

    assert stale() == set()
    predict_field(config, "DEEP2", progress=False)
    assert stale() == {("evaluate", "DEEP2"), ("export", "DEEP2")}
