"""The loop: it learns, it resumes to the same result, it refuses to go on with NaN."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from hscz.errors import ConfigError, StoreError
from hscz.learn.loader import Stamps, dihedral
from hscz.learn.settings import TrainConfig
from hscz.learn.trainer import Trainer, choose_device

CPU = torch.device("cpu")
SETTINGS = TrainConfig(epochs=4, batch_size=32, learning_rate=1e-2, schedule="onecycle")


class Killed(Exception):
    pass


def stamps() -> Stamps:
    """Noise whose mean says which of two classes it belongs to."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(256) % 2
    images = torch.randn(256, 2, 8, 8, generator=generator) + 2 * classes.view(-1, 1, 1, 1)
    return Stamps(images.half(), nn.functional.one_hot(classes, 2).float())


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 2))


def fit(folder: Path, resume: bool = False, kill_after: int | None = None) -> nn.Module:
    data = stamps()
    trainer = Trainer(network(), SETTINGS, len(data) // 32, folder, CPU)
    if resume:
        assert trainer.resume()

    def validate(module: nn.Module) -> dict[str, float]:
        if trainer.epoch == kill_after:
            raise Killed
        images, targets = next(iter(data.batches(256, CPU)))
        with torch.inference_mode():
            right = module(images).argmax(1) == targets.argmax(1)
        return {"accuracy": float(right.float().mean())}

    return trainer.fit(lambda g: data.epoch(32, g, CPU), validate, progress=False)


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


def test_epochs_are_different_draws_of_the_same_objects() -> None:
    data = stamps()
    draws = []
    for seed in (1, 1, 2):
        generator = torch.Generator().manual_seed(seed)
        draws.append(torch.cat([x for x, _ in data.epoch(32, generator, CPU)]))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    sums = [d.sum((1, 2, 3)).sort().values for d in draws]
    torch.testing.assert_close(sums[0], sums[2])


def test_images_and_targets_stay_together() -> None:
    data = stamps()
    for images, targets in data.epoch(32, torch.Generator().manual_seed(3), CPU):
        nearest = (images.mean((1, 2, 3)) / 2).round().long().clamp(0, 1)
        assert (nearest == targets.argmax(1)).float().mean() > 0.95


def test_the_eight_turns_are_the_symmetries_of_the_square() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    turned = dihedral(image.expand(8, 1, 3, 3), [1] * 8)
    assert len({tuple(view.flatten().tolist()) for view in turned}) == 8
    assert torch.equal(turned.flatten(1).sort().values, image.flatten(1).expand(8, 9))
    assert torch.equal(turned[:, 0, 1, 1], torch.full((8,), 4.0))


def test_a_nan_loss_stops_the_run(tmp_path: Path) -> None:
    trainer = Trainer(
        network(), SETTINGS, 8, tmp_path, CPU, loss=lambda n, b: n(b[0]).sum() * float("nan")
    )
    with pytest.raises(StoreError, match="loss is NaN in epoch 1"):
        trainer.fit(lambda g: stamps().epoch(32, g, CPU), lambda n: {}, progress=False)
    assert not (tmp_path / "last.ckpt").exists()


def test_too_few_galaxies_for_a_batch_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no batch of 32"):
        Trainer(network(), SETTINGS, 0, tmp_path, CPU)


@pytest.mark.parametrize("key", ["optimiser", "schedule"])
def test_unknown_choices_are_named(tmp_path: Path, key: str) -> None:
    import dataclasses

    with pytest.raises(ConfigError, match=f"train.{key} is 'magic'"):
        Trainer(network(), dataclasses.replace(SETTINGS, **{key: "magic"}), 8, tmp_path, CPU)
    with pytest.raises(ConfigError, match="device is 'tpu'"):
        choose_device("tpu")
