"""The adversary moves itself alone, the layers below it move alone, and it can learn."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch import Tensor

from hscz.config.learn import NETWORK_PRESETS, AdaptConfig, TrainConfig
from hscz.errors import ConfigError
from hscz.learn.adversary import CONFUSION, RAMPS, Adversarial, default_layer
from hscz.learn.multimodal import multimodal
from hscz.learn.steps import Batch

CPU = torch.device("cpu")
SMALL = dataclasses.replace(
    NETWORK_PRESETS["compact"],
    layers=("conv 4 3 relu 2", "conv 4 3 relu", "inc 4", "valid 8 3"),
    merge_after=1,
    dense=(8,),
)
TRAIN = TrainConfig(batch_size=16, learning_rate=1e-2, schedule="constant", optimiser="adam")
ADAPT = AdaptConfig(targets=("B",), adversary="inverted", kernels=(8, 6), dense=(16,))


def step_of(adapt: AdaptConfig = ADAPT, train: TrainConfig = TRAIN) -> Adversarial:
    torch.manual_seed(0)
    network = multimodal(SMALL, [1.0, 1.0], 5)
    return Adversarial(network, train, adapt, 100, CPU)


def batch_of(seed: int = 1, shift: float = 1.0) -> Batch:
    """Source noise and shifted target noise, all pairs valid."""
    generator = torch.Generator().manual_seed(seed)
    source, target = torch.randn(2, 16, 2, 32, 32, generator=generator)
    masses = torch.softmax(torch.randn(16, 5, generator=generator), 1)
    swap = torch.rand(16, generator=generator) < 0.5
    valid = torch.ones(16, dtype=torch.bool)
    return Batch(source, masses, target_stamps=target + shift, swap=swap, valid=valid)


def weights(module: torch.nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def test_the_adversary_leaves_the_trunk_alone() -> None:
    """With weight 0 the trunk moves exactly as if there were no adversary."""
    moved = []
    for kernels in ((8, 6), (12, 4)):
        step = step_of(dataclasses.replace(ADAPT, weight=0.0, kernels=kernels))
        before = weights(step.adversary)
        step(batch_of(), 0.5)
        assert any(
            not torch.equal(a, b) for a, b in zip(before, weights(step.adversary), strict=True)
        )
        moved.append(weights(step.network))
    assert all(torch.equal(a, b) for a, b in zip(*moved, strict=True))


def test_the_trunk_leaves_the_adversary_alone() -> None:
    """However hard the trunk is pushed, the adversary moves on its own loss only."""
    moved = []
    for weight, loss in ((0.0, "inverted"), (50.0, "inverted"), (1.0, "reversal")):
        step = step_of(dataclasses.replace(ADAPT, weight=weight, adversary=loss))
        step(batch_of(), 0.5)
        moved.append(weights(step.adversary))
    for other in moved[1:]:
        assert all(torch.equal(a, b) for a, b in zip(moved[0], other, strict=True))


def test_layers_above_the_one_watched_feel_the_redshifts_only() -> None:
    gradients = []
    for weight in (0.0, 50.0):
        step = step_of(dataclasses.replace(ADAPT, weight=weight))
        step(batch_of(), 0.5)
        gradients.append({n: p.grad for n, p in step.network.named_parameters()})
    plain, pushed = gradients
    same = {n: torch.equal(plain[n], pushed[n]) for n in plain}
    assert all(same[n] for n in plain if n.startswith(("head", "body.valid1")))
    assert not any(same[n] for n in plain if n.startswith("body.conv1") and n.endswith("weight"))


def test_inverted_labels_are_not_the_reversed_gradient() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.3, 0.1]], requires_grad=True)
    same = torch.tensor([0, 1])
    gradient = {}
    for name in CONFUSION:
        (gradient[name],) = torch.autograd.grad(CONFUSION[name](logits, same).sum(), logits)
    # The push of inverted labels is strong where the adversary is sure, that of reversal weak.
    assert gradient["inverted"][0].norm() > 5 * gradient["reversal"][0].norm()
    assert (
        torch.sign(gradient["inverted"][0]).tolist() == torch.sign(gradient["reversal"][0]).tolist()
    )
    even = torch.zeros(2, 2, requires_grad=True)
    (rest,) = torch.autograd.grad(CONFUSION["uniform"](even, same).sum(), even)
    assert torch.equal(rest, torch.zeros(2, 2))


def test_it_learns_to_tell_fields_apart_unless_the_trunk_resists() -> None:
    accuracy = {}
    for weight in (0.0, 1.0):
        # Statistics of their own would undo the shift between the fields before it is seen.
        change = {"weight": weight, "layer": "inc1", "statistics": "mixed"}
        step = step_of(dataclasses.replace(ADAPT, **change))
        seen = [step(batch_of(seed), 0.5)["adversary_accuracy"] for seed in range(60)]
        accuracy[weight] = float(torch.stack(seen[-20:]).mean())
    assert accuracy[0.0] > 0.9
    assert accuracy[1.0] < accuracy[0.0] - 0.1


def test_pairs_that_are_not_valid_do_not_count() -> None:
    none = dataclasses.replace(batch_of(), valid=torch.zeros(16, dtype=torch.bool))
    losses = step_of()(none, 0.5)
    assert float(losses["adversary_loss"]) == 0


def test_ramps_begin_and_end_where_they_should() -> None:
    ends = {name: (ramp(0.0), ramp(1.0)) for name, ramp in RAMPS.items()}
    assert ends["constant"] == (1.0, 1.0)
    assert ends["linear"] == (0.0, 1.0)
    assert ends["dann"] == pytest.approx((0.0, 1.0), abs=1e-4)


def test_a_resumed_step_goes_on_as_the_unbroken_one() -> None:
    one, other = step_of(), step_of()
    for seed in range(3):
        one(batch_of(seed), 0.5)
    other.network.load_state_dict(one.network.state_dict())
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    one(batch_of(9), 0.5)
    other(batch_of(9), 0.5)
    for module in ("network", "adversary"):
        pairs = zip(weights(getattr(one, module)), weights(getattr(other, module)), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "inc9"}, "adapt.layer is 'inc9'; there are conv1, conv2"),
        ({"layer": "valid1"}, None),
    ],
)
def test_bad_settings_are_named(change: dict, message: str | None) -> None:
    if message is None:
        assert step_of(dataclasses.replace(ADAPT, **change)).layer == "valid1"
        return
    with pytest.raises(ConfigError, match=message):
        step_of(dataclasses.replace(ADAPT, **change))


def test_the_paper_watches_the_fifth_layer() -> None:
    assert default_layer(multimodal(NETWORK_PRESETS["paper"], [1.0] * 6, 360).layer_names) == "inc3"


def test_fields_kept_apart_share_no_statistics() -> None:
    """However the target shifts, the running statistics stay those of the source."""
    kept = {}
    for statistics in ("separate", "mixed"):
        for shift in (0.0, 5.0):
            step = step_of(dataclasses.replace(ADAPT, statistics=statistics, weight=0.0))
            step(batch_of(shift=shift), 0.5)
            kept[statistics, shift] = step.network.state_dict()["body.conv1.1.running_mean"]
    assert torch.equal(kept["separate", 0.0], kept["separate", 5.0])
    assert not torch.allclose(kept["mixed", 0.0], kept["mixed", 5.0], atol=1e-3)
