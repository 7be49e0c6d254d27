"""The loop: it learns, it resumes to the same result, it refuses to go on with NaN."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from hscz.config.learn import TrainConfig
from hscz.errors import ConfigError, DivergedError
from hscz.learn.folder import ModelFolder
from hscz.learn.loader import Stamps, dihedral
from hscz.learn.steps import Batch, Losses, Supervised
from hscz.learn.trainer import Trainer, choose_device

CPU = torch.device("cpu")
SETTINGS = TrainConfig(epochs=4, batch_size=32, learning_rate=1e-2, schedule="onecycle")


class Killed(Exception):
    pass


def noise() -> tuple[Stamps, torch.Tensor]:
    """Noise whose mean says which of two classes it belongs to."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(256) % 2
    images = torch.randn(256, 2, 8, 8, generator=generator) + 2 * classes.view(-1, 1, 1, 1)
    return Stamps(images.half()), nn.functional.one_hot(classes, 2).float()


def batches(generator: torch.Generator) -> Iterator[Batch]:
    stamps, targets = noise()
    for rows in torch.randperm(256, generator=generator).split(32):
        yield Batch(stamps.turned(rows, generator, CPU), targets[rows])


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 2))


def trainer_in(folder: Path, settings: TrainConfig = SETTINGS, steps: int = 8) -> Trainer:
    module = network()
    step = Supervised(module, settings, 8 * settings.epochs, CPU)
    return Trainer(module, step, settings, steps, ModelFolder(folder), CPU)


def fit(folder: Path, resume: bool = False, kill_after: int | None = None) -> nn.Module:
    trainer = trainer_in(folder)
    if resume:
        assert trainer.resume()

    def validate(module: nn.Module) -> dict[str, float]:
        if trainer.epoch == kill_after:
            raise Killed
        stamps, targets = noise()
        with torch.inference_mode():
            right = module(stamps.take(torch.arange(256), CPU)).argmax(1) == targets.argmax(1)
        return {"accuracy": float(right.float().mean())}

    return trainer.fit(batches, validate, progress=False)


def history(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_it_learns_and_notes_its_history(tmp_path: Path) -> None:
    fit(tmp_path)
    rows = history(tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert rows[-1]["accuracy"] > 0.9


@pytest.mark.parametrize("kill_after", [1, 3])
def test_a_killed_run_resumes_to_the_unbroken_result(tmp_path: Path, kill_after: int) -> None:
    whole = fit(tmp_path / "whole").state_dict()
    with pytest.raises(Killed):
        fit(tmp_path / "broken", kill_after=kill_after)
    resumed = fit(tmp_path / "broken", resume=True).state_dict()
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    same = [
        (tmp_path / run / "history.jsonl").read_text().splitlines() for run in ("whole", "broken")
    ]
    assert len(same[0]) == len(same[1]) == 4
    assert [json.loads(r)["loss"] for r in same[0]] == [json.loads(r)["loss"] for r in same[1]]


def test_turned_stamps_keep_their_order_and_their_pixels() -> None:
    stamps, _ = noise()
    rows = torch.tensor([5, 200, 5, 17])
    plain = stamps.take(rows, CPU)
    turned = [stamps.turned(rows, torch.Generator().manual_seed(seed), CPU) for seed in (1, 1, 2)]
    assert torch.equal(turned[0], turned[1])
    assert not torch.equal(turned[0], turned[2])
    for images in turned:
        torch.testing.assert_close(images.sum((2, 3)), plain.sum((2, 3)))


def test_the_eight_turns_are_the_symmetries_of_the_square() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    turned = dihedral(image.expand(8, 1, 3, 3), [1] * 8)
    assert len({tuple(view.flatten().tolist()) for view in turned}) == 8
    assert torch.equal(turned.flatten(1).sort().values, image.flatten(1).expand(8, 9))
    assert torch.equal(turned[:, 0, 1, 1], torch.full((8,), 4.0))


class Failing(Supervised):
    """A step whose loss is NaN from a certain call on."""

    def __call__(self, batch: Batch, progress: float) -> Losses:
        losses = super().__call__(batch, progress)
        return {"loss": losses["loss"] / 0 * 0} if progress > 0.4 else losses


def test_a_nan_loss_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path)
    trainer.step = Failing(trainer.network, SETTINGS, 32, CPU)
    # Step 13 of 32 is the first past 0.4 of the training: the fifth of the second epoch.
    with pytest.raises(DivergedError, match="NaN at step 5 of epoch 2, the checkpoint of epoch 1"):
        trainer.fit(batches, lambda n: {}, progress=False)
    again = trainer_in(tmp_path)
    assert again.resume()
    assert again.epoch == 1


def test_too_few_galaxies_for_a_batch_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no batch of 32"):
        trainer_in(tmp_path, steps=0)


def test_unknown_devices_are_named() -> None:
    with pytest.raises(ConfigError, match="device is 'tpu'"):
        choose_device("tpu")
