"""The PDFs of a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hscz.config.learn import NETWORK_PRESETS
from hscz.learn.loader import dihedral
from hscz.learn.model import Model
from hscz.pdf.grid import RedshiftGrid


@pytest.fixture(scope="module")
def model() -> Model:
    grid = RedshiftGrid.make("uniform", 60, 6.0)
    made = Model.new(NETWORK_PRESETS["compact"], ("g", "r", "i"), grid, (1.0,) * 3, seed=1)
    made.network.eval()
    return made


def test_pdfs_of_all_turns_do_not_depend_on_how_a_stamp_lies(model: Model) -> None:
    stamps = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 5
    turned = dihedral(stamps, [0, 1, 1, 0, 0, 1, 0, 1])
    np.testing.assert_allclose(model.pdf(stamps, 8), model.pdf(turned, 8), rtol=1e-4)
    assert not np.allclose(model.pdf(stamps), model.pdf(turned), rtol=1e-2)


def test_pdfs_hold_one_in_all(model: Model) -> None:
    density = model.pdf(torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(3)), 8)
    np.testing.assert_allclose(density @ model.grid.widths, 1, rtol=1e-5)
