"""The calibration of a field's PDFs, learnt once from the galaxies that stand in for its own."""

from __future__ import annotations

from dataclasses import asdict

from hscz.config import RunConfig
from hscz.files.atomic import read_json, write_atomic
from hscz.files.fresh import Key, mark_made, why_stale
from hscz.ingest.zeropoints import is_target, zero_points_key
from hscz.predict.keys import labelled, trained
from hscz.predict.recalibrate import Calibration, fit
from hscz.predict.standins import StandIns, stand_ins

RULES = 3
"""Count up when the same galaxies come to give another calibration."""

DECISIVE = ("calibrate", "precision", "renormalise", "turns", "stand_in", "zero_points")


def calibration_of(config: RunConfig, name: str) -> Calibration | None:
    """Return the calibration of a field's PDFs, learning it where that is not done.

    It stands in ``calibration/NAME.json`` beside the PDF cubes. Only galaxies of ``train.fields``
    that were held out of the training and have a label there take part, for a target made as
    noisy, blurred and reddened as galaxies of its own; no label of another field is read. The
    galaxies of a source field are calibrated by halves, each by what the other has taught.

    Returns
    -------
    Calibration or None
        None where ``predict.calibrate`` is "none".

    Raises
    ------
    StoreError
        If a model or a field store is absent, or they do not fit each other.
    InputError
        If no galaxy with a label was held out.
    """
    if config.predict.calibrate == "none":
        return None
    path, key = config.calibration(name), calibration_key(config, name)
    if why_stale(path, key):
        key = key.begun()
        learnt = standing_in(config, name)
        seed = config.train.seed if name in config.train.fields else None
        found = fit(learnt.pdf, learnt.edges, learnt.objects, seed, learnt.beyond)
        mark_made(path, key, calibration=asdict(found))
    return Calibration.noted(read_json(path)["calibration"])


def standing_in(config: RunConfig, name: str) -> StandIns:
    """Return the galaxies that stand in for those of a field, predicting them where need be.

    They stand in ``calibration/NAME.npz`` beside the PDF cubes, their PDFs not calibrated.

    Raises
    ------
    StoreError, InputError
        See `calibration_of`.
    """
    path, key = config.stand_ins(name), calibration_key(config, name)
    note = path.with_suffix(".npz.json")
    if why_stale(note, key, path.exists()):
        key = key.begun()
        found = stand_ins(config, name)
        write_atomic(path, found.save)
        mark_made(note, key)
        return found
    return StandIns.load(path)


def calibration_key(config: RunConfig, name: str) -> Key:
    """Return what the calibration of a field is learnt from."""
    settings = config.predict
    how = {f"predict.{key}": getattr(settings, key) for key in DECISIVE}
    how |= {"train.seed": config.train.seed, "rules of the calibration": RULES}
    inputs = {"train": trained(config.models), **labelled(config, config.train.fields)}
    inputs["ingest"] = {**inputs["ingest"], **labelled(config, [name])["ingest"]}
    if is_target(config, name):
        how |= zero_points_key(config, name).settings
    return Key(how, inputs)
