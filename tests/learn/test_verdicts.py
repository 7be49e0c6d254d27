"""What an adversary judges, and whether it can learn it."""

from __future__ import annotations

import pytest
import torch

from hscz.config.learn import AdaptConfig
from hscz.errors import ConfigError
from hscz.learn.verdicts import VERDICTS, Judged, Pair, pairs_of

ADAPT = AdaptConfig(kernels=(6, 4), dense=(8,))


def test_pairs_are_laid_side_by_side_in_their_order() -> None:
    source = torch.arange(8)
    left, right = pairs_of(source, 100 + source)
    pairs = torch.stack([left, right], 1).tolist()
    assert pairs[:4] == [[0, 100], [1, 101], [2, 102], [3, 103]]
    assert pairs[4:] == [[4, 6], [5, 7], [104, 106], [105, 107]]


def test_the_second_of_a_pair_may_stand_left() -> None:
    pair = Pair(1, 4, ADAPT, "none")
    seen: list[torch.Tensor] = []
    pair.convolutions.register_forward_pre_hook(lambda _, maps: seen.append(maps[0]))
    source = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 4, 4)
    swap = torch.tensor([False, True] * 4)
    pair(source, 100 + source, swap, swap)
    assert seen[0][:, 0, 0, [0, 4]].tolist() == [
        *([0, 100], [101, 1], [2, 102], [103, 3]),
        *([4, 6], [7, 5], [104, 106], [107, 105]),
    ]


@pytest.mark.parametrize("name", VERDICTS)
def test_only_valid_verdicts_count(name: str) -> None:
    adversary = VERDICTS[name](3, 9, ADAPT, "none")
    source, target = torch.randn(2, 16, 3, 9, 9)
    valid = torch.arange(16) % 4 < 3
    judged = adversary(source, target, valid, valid)
    assert judged.logits.shape == (len(judged.truth), 2)
    assert judged.truth.float().mean() == 0.5
    assert judged.valid.float().mean() == 0.75
    values = torch.where(judged.valid, 2.0, torch.nan).nan_to_num(100.0)
    assert judged.mean(values) == 2
    none = Judged(judged.logits, judged.truth, torch.zeros_like(judged.valid))
    assert none.mean(values) == 0


def test_maps_too_small_for_the_adversary_are_refused() -> None:
    with pytest.raises(ConfigError, match="maps of 3 px, too small"):
        Pair(8, 3, ADAPT, "none")
