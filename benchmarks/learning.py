"""Training and prediction beside a bare loop of the same network on one tensor in memory."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from benchmarks import synthetic
from hscz.config import PredictConfig, RunConfig
from hscz.learn.loader import Stamps
from hscz.learn.model import Model
from hscz.learn.settings import NETWORK_PRESETS, TrainConfig
from hscz.learn.trainer import Trainer, autocast, choose_device
from hscz.predict import predict_field
from hscz.zgrid import RedshiftGrid

REPEATS = 3


def run(n: int = 8192, size: str = "compact", device: str = "auto") -> dict[str, float]:
    """Return galaxies per second and ratios."""
    place = choose_device(device)
    results = training(n, size, place) | prediction(n, size, place)
    return {f"{key} ({size}, {place.type})": value for key, value in results.items()}


def training(n: int, size: str, device: torch.device) -> dict[str, float]:
    """Time an epoch of the trainer and of a bare loop, in turn."""
    network = NETWORK_PRESETS[size]
    settings = TrainConfig(epochs=10**6, batch_size=64, optimiser="adamw", schedule="constant")
    steps = n // settings.batch_size
    images = torch.randn(n, 6, network.input_px, network.input_px).half()
    targets = torch.softmax(torch.randn(n, 360), 1)
    data = Stamps(images, targets).to(device)
    model = _model(network, device)
    bare_images = images.float().to(device, memory_format=torch.channels_last)
    bare_targets = targets.to(device)
    optimiser = torch.optim.AdamW(model.network.parameters(), lr=1e-4, fused=True)

    def bare() -> None:
        for start in range(0, n, settings.batch_size):
            part = slice(start, start + settings.batch_size)
            with autocast("auto", device):
                logits = model.network(bare_images[part])
                loss = nn.functional.cross_entropy(logits, bare_targets[part])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model.network, settings, steps, Path(folder), device)

        def ours() -> None:
            settings_for_one = dataclasses.replace(settings, epochs=trainer.epoch + 1)
            trainer.settings = settings_for_one
            trainer.fit(
                lambda g: data.epoch(settings.batch_size, g, device), lambda _: {}, progress=False
            )
            model.network.train()

        seconds = in_turn({"trainer": ours, "bare loop": bare}, device)
    rates = {f"training, {key}, galaxies/s": n / value for key, value in seconds.items()}
    return rates | {"training, trainer / bare loop": seconds["bare loop"] / seconds["trainer"]}


def prediction(n: int, size: str, device: torch.device) -> dict[str, float]:
    """Time store to PDF cube, and a bare loop on a tensor in memory, in turn."""
    network = NETWORK_PRESETS[size]
    with tempfile.TemporaryDirectory() as folder:
        config = RunConfig(
            stores=folder, network=network, predict=PredictConfig(device=device.type)
        )
        config.field_store("NOISE").parent.mkdir(parents=True)
        synthetic.field_store(config.field_store("NOISE"), n)
        model = synthetic.model(config.models[0], config, network)
        model.network.to(device)
        images = torch.randn(n, 6, network.input_px, network.input_px).to(device)
        images = images.contiguous(memory_format=torch.channels_last)

        def bare() -> None:
            for start in range(0, n, config.predict.batch_size):
                with autocast("auto", device):
                    model.pdf(images[start : start + config.predict.batch_size])

        seconds = in_turn(
            {"store to cube": lambda: predict_field(config, "NOISE", False), "bare loop": bare},
            device,
        )
    rates = {f"prediction, {key}, galaxies/s": n / value for key, value in seconds.items()}
    ratio = seconds["bare loop"] / seconds["store to cube"]
    return rates | {"prediction, store to cube / bare loop": ratio}


def in_turn(tasks: dict, device: torch.device) -> dict[str, float]:
    """Return each task's best time over alternating repeats, after one warm-up of each."""
    best = dict.fromkeys(tasks, float("inf"))
    for repeat in range(REPEATS + 1):
        for name, task in tasks.items():
            begun = time.perf_counter()
            task()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if repeat:
                best[name] = min(best[name], time.perf_counter() - begun)
    return best


def _model(network, device: torch.device) -> Model:
    fresh = Model.new(network, synthetic.BANDS, RedshiftGrid.uniform(), (1.0,) * 6, seed=1)
    fresh.network.to(device, memory_format=torch.channels_last)
    return fresh


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name:60} {value:12.3f}")
