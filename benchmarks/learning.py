"""Training and prediction beside a bare loop of the same network on one tensor in memory."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from hscz.config import PredictConfig, RunConfig
from hscz.config.learn import NETWORK_PRESETS, AdaptConfig, TrainConfig
from hscz.experiments.recipes import RECIPES
from hscz.learn.adversary import Adversarial
from hscz.learn.folder import ModelFolder
from hscz.learn.loader import Stamps
from hscz.learn.model import Model
from hscz.learn.pairs import judged
from hscz.learn.steps import Batch, Step, Supervised, autocast
from hscz.learn.trainer import Trainer, choose_device
from hscz.pdf.grid import RedshiftGrid
from hscz.plan import synthetic
from hscz.predict.stage import predict_field

REPEATS = 3

PLAIN = "plain"


def run(n: int = 8192, size: str = "compact", device: str = "auto") -> dict[str, float]:
    """Return galaxies per second and ratios."""
    place = choose_device(device)
    results = training(n, size, place) | prediction(n, size, place) | adversarial(n, size, place)
    return {f"{key} ({size}, {place.type})": value for key, value in results.items()}


def training(n: int, size: str, device: torch.device) -> dict[str, float]:
    """Time an epoch of the trainer and of a bare loop, in turn."""
    network = NETWORK_PRESETS[size]
    settings = TrainConfig(epochs=10**6, batch_size=64, optimiser="adamw", schedule="constant")
    steps = n // settings.batch_size
    images = torch.randn(n, 6, network.input_px, network.input_px).half()
    targets = torch.softmax(torch.randn(n, 360), 1)
    data = Stamps(images).to(device)
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
        step = Supervised(model.network, settings, 10**9, device)
        trainer = Trainer(model.network, step, settings, steps, ModelFolder(Path(folder)), device)

        def batches(generator: torch.Generator) -> Iterator[Batch]:
            order = torch.randperm(n, generator=generator)[: steps * settings.batch_size]
            for rows in order.split(settings.batch_size):
                stamps = data.turned(rows, generator, device)
                yield Batch(stamps, bare_targets[rows.to(device)])

        def ours() -> None:
            trainer.settings = dataclasses.replace(settings, epochs=trainer.epoch + 1)
            trainer.fit(batches, lambda _: {}, progress=False)
            model.network.train()

        seconds = in_turn({"trainer": ours, "bare loop": bare}, device)
    rates = {f"training, {key}, galaxies/s": n / value for key, value in seconds.items()}
    return rates | {"training, trainer / bare loop": seconds["bare loop"] / seconds["trainer"]}


def adversarial(
    n: int, size: str, device: torch.device, precision: str = "auto"
) -> dict[str, float]:
    """Time steps with adversaries and the plain one on the same source galaxies, in turn."""
    settings = TrainConfig(optimiser="adamw", precision=precision)
    kernels, dense = ((24, 20), (64,)) if size == "compact" else ((156, 128), (256,))
    side, total = NETWORK_PRESETS[size].input_px, 10**9
    shape = (settings.batch_size, 6, side, side)
    source, target = (torch.randn(shape, device=device) for _ in range(2))
    source, target = (x.contiguous(memory_format=torch.channels_last) for x in (source, target))
    masses = torch.softmax(torch.randn(settings.batch_size, 360, device=device), 1)
    swap = torch.arange(settings.batch_size, device=device) % 2 == 0
    steps = max(1, n // settings.batch_size)
    done = steps * settings.batch_size

    def repeated(step: Step, batch: Batch) -> Callable[[], None]:
        def task() -> None:
            for _ in range(steps):
                step(batch, 0.5)

        return task

    def task(name: str) -> Callable[[], None]:
        network = _model(NETWORK_PRESETS[size], device).network
        if name == PLAIN:
            plain, batch = Supervised(network, settings, total, device), Batch(source, masses)
            return repeated(plain, batch)
        known = {key: RECIPES[name].adapt.get(key) for key in ("verdict", "judged_share")}
        own = {key: value for key, value in known.items() if value is not None}
        adapt = AdaptConfig(
            targets=("B",), adversary="inverted", kernels=kernels, dense=dense, **own
        )
        m = judged(settings.batch_size, adapt)
        batch = Batch(
            source,
            masses,
            target_stamps=target[:m],
            swap=swap[:m],
            valid=torch.ones_like(swap[:m]),
        )
        step = Adversarial(network, settings, adapt, total, device)
        return repeated(step, batch)

    seconds = in_turn({name: task(name) for name in (PLAIN, "v2", "v2-paper")}, device)
    rates = {f"step, {key}, source galaxies/s": done / value for key, value in seconds.items()}
    ratios = {
        f"step, {key} / plain time": value / seconds[PLAIN]
        for key, value in seconds.items()
        if key != PLAIN
    }
    return rates | ratios


def prediction(n: int, size: str, device: torch.device) -> dict[str, float]:
    """Time store to PDF cube, and a bare loop on a tensor in memory, in turn."""
    network = NETWORK_PRESETS[size]
    with tempfile.TemporaryDirectory() as folder:
        config = RunConfig(
            stores=folder, network=network, predict=PredictConfig(device=device.type)
        )
        config.field_store("NOISE").parent.mkdir(parents=True)
        synthetic.field_store(config.field_store("NOISE"), n)
        model = synthetic.model(config.models[0], config)
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
