from dataclasses import replace

import pytest

from hscz.cli import main
from hscz.config import PredictConfig
from hscz.errors import ConfigError
from hscz.plan import files, timings
from hscz.plan.files import Mocking
from hscz.plan.survey import plan
from hscz.plan.trial import Prediction, Training

TRAINING = Training(0.1, 1000.0, 0.0, 30.0)


PREDICTION = Prediction(1e-3, 2.0, 1200.0, 0.0)


def test_a_plan_of_a_small_survey(config, tmp_path, monkeypatch):
    monkeypatch.setattr(timings, "try_mock", lambda settings: Mocking(1.0, 0.1))
    monkeypatch.setattr(files, "EXPORT_ROWS", 300)
    # Too few objects are timed to learn a calibration from; the estimates of a mixture are absent.
    settings = replace(config.train, batch_size=8, targets="mixture")
    config = replace(config, predict=PredictConfig(calibrate="pit", batch_size=8, block=16))
    found = plan(replace(config, train=settings), progress=False)
    stages = [(cost.stage, cost.what) for cost in found.costs]
    assert stages[:2] == [("mock", "COSMOS_UDF"), ("mock", "DEEP2")]
    assert ("train", "v0") in stages
    assert all(cost.seconds > 0 for cost in found.costs if cost.stage != "label")
    assert {cost.source for cost in found.costs} == {"area"}
    # Nothing is written: the timings use a folder of their own.
    assert not (tmp_path / "stores").exists()


def test_progress_says_what_is_timed_and_each_kind_is_timed_once(config, monkeypatch, capsys):
    asked = []

    def of(name, answer):
        monkeypatch.setattr(timings, name, lambda *given: asked.append(name) or answer)

    of("try_ingest", 0.1)
    of("try_mock", Mocking(1.0, 0.1))
    of("try_export", 1e-5)
    of("try_training", TRAINING)
    of("try_prediction", PREDICTION)
    fields = {"COSMOS_UDF": (1, 1), "DEEP2": (1, 1), "XMM_DEEP": (1, 1), "ELAIS": (1, 1)}
    recipes = replace(
        config.experiments, targets=("DEEP2", "XMM_DEEP", "ELAIS"), recipes=("v0", "v2", "adabn")
    )
    mock = replace(config.mock, fields=fields)
    run = load_again(config, mock, replace(config.adapt, targets=()), recipes)
    found = plan(run)
    assert asked.count("try_training") == 2
    assert asked.count("try_prediction") == 1
    trained = [cost.what for cost in found.costs if cost.stage == "train"]
    assert trained == ["v0-u", "v2-DEEP2", "v0-us", "v2-XMM_DEEP", "v2-ELAIS"]
    said = capsys.readouterr().err
    for label in ("cutting stamps", "training v0-u", "training v2-DEEP2", "predicting with v0-u"):
        assert f"timing: {label}" in said


def test_a_plan_of_an_unknown_source_names_it(config):
    with pytest.raises(
        ConfigError, match=r"train\.fields has 'C'; the fields are COSMOS_UDF, DEEP2"
    ):
        plan(replace(config, train=replace(config.train, fields=("C",))), progress=False)


def load_again(config, mock, adapt, recipes):
    from hscz.config import mock_field

    fields = {name: mock_field(config.root, name) for name in mock.fields}
    return replace(config, mock=mock, fields=fields, adapt=adapt, experiments=recipes)


def test_two_areas_tell_the_time_of_a_mock(config, monkeypatch):
    monkeypatch.setattr(files, "MOCK_PX", (160, 320))
    found = files.try_mock(config.mock)
    assert found.start_seconds >= 0
    assert found.seconds_per_arcmin2 > 0


def test_the_verb_wants_a_file(capsys):
    assert main(["plan"]) == 2
    assert "give the run's TOML file" in capsys.readouterr().err
