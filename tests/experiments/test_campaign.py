"""Many experiments at once: what happens to all when one process goes."""

from __future__ import annotations

import os

import pytest

from hscz.errors import HsczError
from hscz.experiments.campaign import side_by_side


def test_a_process_that_is_killed_is_said_in_a_line() -> None:
    tasks = [(os._exit, (9,)), (os._exit, (9,))]
    with pytest.raises(HsczError, match="trainings: one of 2 processes was killed, perhaps for"):
        side_by_side(tasks, 2, "trainings", progress=False)
