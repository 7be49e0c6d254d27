"""A package of somebody else's, as pip would have installed it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest


def install(
    site: Path, name: str, source: str, entries: Mapping[str, str], patch: pytest.MonkeyPatch
) -> None:
    """Put a module and its entry points, ``GROUP:NAME`` to ``module:attribute``, on the path."""
    about = site / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (site / f"{name}.py").write_text(source)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n{entry} = {target}"
        for key, target in entries.items()
        for group, _, entry in [key.partition(":")]
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    patch.syspath_prepend(str(site))
