"""Batches: what alters stamps sees them as observed, the network sees them turned."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor

from hscz.config import RunConfig
from hscz.learn.batches import Epochs
from hscz.learn.loader import Stamps


class Doubled:
    def altered(self, stamps: Tensor, rows: Tensor, *others: object) -> Tensor:
        self.seen = stamps
        return 2 * stamps


def test_stamps_are_turned_after_they_are_altered() -> None:
    images = torch.randn(40, 2, 8, 8).half()
    method, source = Doubled(), SimpleNamespace(stamps=Stamps(images))
    epochs = Epochs(RunConfig(), source, object(), None, [method], torch.device("cpu"))  # type: ignore[arg-type]
    rows = torch.arange(39, -1, -1)
    shown = epochs._labelled(rows, torch.Generator().manual_seed(1))
    assert torch.equal(method.seen, images[rows].float())
    turns = [torch.rot90(2 * method.seen, k, (2, 3)) for k in range(4)]
    turns += [turn.flip(3) for turn in turns]
    same = torch.stack([(shown == turn).all(dim=(1, 2, 3)) for turn in turns])
    assert (same.sum(0) == 1).all()
    assert (same.sum(1) > 0).all()
