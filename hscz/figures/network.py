"""Figures 6 and 10: the network, and the network with its adversary, drawn from their modules.

Each layer is asked for the shape of what leaves it and for its number of parameters, so the
drawing cannot differ from what is trained.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from hscz.experiments.recipes import ADVERSARY
from hscz.figures.figure import Missing, paper_figure
from hscz.figures.marks import boxes, grid, panel, strokes, texts
from hscz.survey import symbol

if TYPE_CHECKING:
    from torch import nn

    from hscz.learn.network import Network
    from hscz.learn.verdicts import Verdict

BRANCH, TRUNK, DENSE, WATCHER = "#cfe2f7", "#f9d9b0", "#d7d7d7", "#f6c6d5"
CRIMSON = "#a03060"
STEP, GAP = 1.0, 0.24
"""Distance between layers, and what of it is left open."""


@paper_figure("fig06", "The network")
def fig06(network: Network | None, bands: Sequence[str]) -> Any:
    """Draw the network: branches for pairs of adjacent bands, the merge, the common trunk.

    Every box says its layer, the shape of the maps that leave it (maps x pixels) and its number of
    parameters; that of a branch is the share of one pair of bands.

    Parameters
    ----------
    network : Network or None
    bands : sequence of str

    Returns
    -------
    Figure
        Table: ``part`` (branch, trunk, dense or adversary), ``layer``, ``kind``, ``branches``,
        ``maps``, ``side_px`` (both of all branches together; 0 for layers without maps) and
        ``parameters``.

    Examples
    --------
    >>> fig06(None, ()).note
    'there is no network; train one'
    """
    if network is None:
        raise Missing("there is no network; train one")
    table = layer_table(network)
    return _drawing(table, bands, ""), table, ""


@paper_figure("fig10", "The network and its adversary")
def fig10(
    network: Network | None, adversary: Verdict | None, layer: str, bands: Sequence[str]
) -> Any:
    """Draw the network with the adversary that reads the maps of one of its layers.

    In the paper the maps of two galaxies go in side by side, and the adversary says whether they
    share a field.

    Parameters
    ----------
    network : Network or None
    adversary : Verdict or None
    layer : str
        Layer whose maps the adversary reads.
    bands : sequence of str

    Returns
    -------
    Figure
        Table: as that of `fig06`.

    Examples
    --------
    >>> fig10(None, None, "inc3", ()).note
    'no recipe has an adversary; add v2 to experiments.recipes'
    """
    if network is None or adversary is None:
        raise Missing(f"no recipe has an adversary; add {ADVERSARY} to experiments.recipes")
    table = pd.concat(
        [layer_table(network), _adversary_table(network, adversary, layer)], ignore_index=True
    )
    return _drawing(table, bands, layer), table, ""


def layer_table(network: Network) -> pd.DataFrame:
    """Return the layers of a network; see `fig06`.

    Examples
    --------
    >>> from hscz.learn.multimodal import multimodal
    >>> from hscz.config.learn import NETWORK_PRESETS
    >>> table = layer_table(multimodal(NETWORK_PRESETS["compact"], [1.0] * 6, 360))
    >>> table[["layer", "branches", "maps", "side_px"]].iloc[:2].values.tolist()
    [['conv1', 5, 80, 16], ['conv2', 5, 80, 16]]
    """
    import torch
    from torch import nn

    scaling = network.scaling
    was_training = network.training
    rows, pairs = [], max(1, scaling.noise.shape[1] - 1)
    with torch.no_grad():
        network.eval()
        maps = scaling(scaling.blank())
        merged = pairs == 1
        for name, layer in network.body.named_children():
            kernels = [m for m in layer.modules() if isinstance(m, nn.Conv2d)]
            merged = merged or any(m.groups == 1 for m in kernels)
            maps = layer(maps)
            place = {"part": "trunk" if merged else "branch", "layer": name, "kind": _kind(layer)}
            rows.append(place | _size(layer, maps, 1 if merged else pairs))
        maps = maps.flatten(1)
        for number, layer in enumerate(network.head):
            maps = layer(maps)
            if isinstance(layer, nn.Linear):
                place = {"part": "dense", "layer": f"dense{1 + number // 2}", "kind": "dense"}
                rows.append(place | _size(layer, maps, 1))
    network.train(was_training)
    rows[-1]["layer"] = "redshift bins"
    return pd.DataFrame(rows)


def _adversary_table(network: Network, adversary: Verdict, layer: str) -> pd.DataFrame:
    import torch
    from torch import nn

    was_training = network.training, adversary.training
    rows: list[dict[str, Any]] = []
    with torch.no_grad():
        one = network.eval().activations(network.scaling.blank(), layer)
        maps = torch.cat([one] * adversary.side_by_side, 3)
        adversary.eval()
        for module in (*adversary.convolutions, nn.Flatten(), *adversary.dense):
            maps = module(maps)
            if not isinstance(module, nn.Conv2d | nn.Linear | nn.AvgPool2d):
                if rows:
                    rows[-1]["parameters"] += _parameters(module)
                continue
            kind = "dense" if isinstance(module, nn.Linear) else _kind(module)
            number = 1 + sum(row["kind"].split()[0] == kind.split()[0] for row in rows)
            place = {"part": "adversary", "layer": f"{kind.split()[0]}{number}", "kind": kind}
            rows.append(place | _size(module, maps, 1))
        last = {"part": "adversary", "layer": adversary.question, "kind": "dense"}
        rows.append(last | _size(adversary.last, torch.zeros(1, adversary.last.out_features), 1))
    network.train(was_training[0])
    adversary.train(was_training[1])
    return pd.DataFrame(rows)


def _kind(layer: nn.Module) -> str:
    from torch import nn

    kernels = [m for m in layer.modules() if isinstance(m, nn.Conv2d)]
    if len(kernels) > 1:
        return "inception"
    if kernels:
        size, stride = kernels[0].kernel_size[0], kernels[0].stride[0]
        return f"conv {size}x{size}" + (f" /{stride}" if stride > 1 else "")
    return "pool 2x2" if isinstance(layer, nn.AvgPool2d) else "smooth 2x2"


def _size(layer: nn.Module, maps: Any, branches: int) -> dict[str, int]:
    return {
        "branches": branches,
        "maps": maps.shape[1],
        "side_px": maps.shape[2] if maps.ndim > 2 else 0,
        "width_px": maps.shape[3] if maps.ndim > 2 else 0,
        "parameters": _parameters(layer),
    }


def _parameters(layer: nn.Module) -> int:
    return sum(p.numel() for p in layer.parameters())


def _drawing(table: pd.DataFrame, bands: Sequence[str], watched: str) -> Any:
    """Draw the layers from left to right, the adversary below."""
    sketch = _Sketch()
    branch, rest = table[table["part"] == "branch"], table[table["part"].isin(["trunk", "dense"])]
    pairs = int(branch["branches"].max()) if len(branch) else 1
    _bands(sketch, [symbol(band) for band in bands], pairs)
    x = 2.0 * STEP
    for row in branch.to_dict("records"):
        for pair in range(pairs):
            sketch.layer(row, x, _height(pair, pairs), BRANCH, pairs)
        x += STEP
    if len(branch):
        _merge(sketch, x - STEP, pairs)
        x += 0.5 * STEP
    watched_at = _chain(sketch, rest, x, 0.0).get(watched, 0.0)
    low, high, right = -0.6 * pairs - 0.4, 0.6 * pairs + 0.5, x + len(rest) * STEP
    total = f"{int(table['parameters'].sum()):,} parameters"
    if watched:
        low = -0.6 * pairs - 2.6
        own = table[table["part"] == "adversary"]
        _watcher(sketch, own, watched_at, low + 1.3)
        right = max(right, watched_at + (0.9 + len(own)) * STEP)
        total += f", of which {int(own['parameters'].sum()):,} in the adversary"
    drawn = panel(
        sketch.layers(),
        title=total,
        xlim=(-0.2, right),
        ylim=(low, high),
        bare=True,
        aspect=(right + 0.2) / (high - low) / 1.15,
        width_px=1100,
    )
    return grid([drawn], columns=1, inches=0.95 * right)


class _Sketch:
    """Boxes, lines and words, gathered so that each kind is drawn at once."""

    def __init__(self) -> None:
        self.boxes: dict[str, list[tuple[float, float, float, float]]] = {}
        self.words: dict[tuple[float, str], list[tuple[float, float, str]]] = {}
        self.lines: dict[str, list[tuple[float, float, float, float]]] = {}

    def box(self, x: float, y: float, wide: float, tall: float, tint: str) -> None:
        """Add a box around a place."""
        corners = (x - 0.5 * wide, y - 0.5 * tall, x + 0.5 * wide, y + 0.5 * tall)
        self.boxes.setdefault(tint, []).append(corners)

    def write(self, x: float, y: float, words: str, size: float, tint: str = "black") -> None:
        """Add words around a place."""
        self.words.setdefault((size, tint), []).append((x, y, words))

    def line(self, x0: float, y0: float, x1: float, y1: float, tint: str = "#777777") -> None:
        """Add a line."""
        self.lines.setdefault(tint, []).append((x0, y0, x1, y1))

    def arrow(self, left: float, right: float, y: float) -> None:
        """Add an arrow to the right."""
        self.line(left, y, right, y, "#333333")
        for side in (-0.08, 0.08):
            self.line(right - 0.08, y + side, right, y, "#333333")

    def layer(self, row: dict[Hashable, Any], x: float, y: float, tint: str, shares: int) -> None:
        """Add a layer: what it is, the shape of its maps, its parameters."""
        small, maps = shares > 1, row["maps"] // shares
        self.box(x, y, STEP - GAP, 0.92 if small else 2.3, tint)
        size = f"{row['side_px']}×{row['width_px']}" if row["side_px"] else ""
        head = row["layer"].replace(" ", "\n") if row["kind"] == "dense" else row["kind"]
        shape = f"{maps} × {size}" if small and size else f"{maps} ×\n{size}" if size else f"{maps}"
        words = [head, shape, _short(row["parameters"] // shares)]
        gap = "\n" if small else "\n\n"
        self.write(x, y, gap.join(word for word in words if word), 6.5 if small else 8.5)

    def layers(self) -> list[Any]:
        """Return all marks, words on top."""
        return [
            *(strokes(ends, tint, 1.1) for tint, ends in self.lines.items()),
            *(boxes(corners, tint, "#555555") for tint, corners in self.boxes.items()),
            *(texts(places, size, tint) for (size, tint), places in self.words.items()),
        ]


def _height(pair: int, pairs: int) -> float:
    return 1.2 * (0.5 * (pairs - 1) - pair)


def _bands(sketch: _Sketch, bands: Sequence[str], pairs: int) -> None:
    """Add the bands on the left, and lines from each to the branches that read it."""
    for k, band in enumerate(bands):
        y = _height(k, len(bands))
        sketch.box(0.45, y, 0.7, 0.7, "#eeeeee")
        sketch.write(0.45, y, band, 13)
        for pair in (k - 1, k):
            if 0 <= pair < pairs:
                sketch.line(0.8, y, 2.0 * STEP - 0.5 * (STEP - GAP), _height(pair, pairs))


def _chain(sketch: _Sketch, rows: pd.DataFrame, x: float, y: float) -> dict[str, float]:
    """Add layers in a row; return where each is."""
    tints = {"trunk": TRUNK, "dense": DENSE, "adversary": WATCHER}
    places = {}
    for number, row in enumerate(rows.to_dict("records")):
        at = x + number * STEP
        sketch.layer(row, at, y, tints[row["part"]], 1)
        places[row["layer"]] = at
        if number:
            sketch.arrow(at - 0.5 * STEP - 0.5 * GAP, at - 0.5 * (STEP - GAP), y)
    return places


def _merge(sketch: _Sketch, x: float, pairs: int) -> None:
    """Add the bar in which the branches come together."""
    left, right = x + 0.5 * (STEP - GAP), x + 0.5 * STEP + 0.3
    for pair in range(pairs):
        sketch.line(left, _height(pair, pairs), right, _height(pair, pairs))
    sketch.box(right + 0.07, 0.0, 0.14, 2 * _height(0, pairs) + 0.8, "#888888")
    sketch.arrow(right + 0.14, x + 1.5 * STEP - 0.5 * (STEP - GAP), 0.0)


def _watcher(sketch: _Sketch, rows: pd.DataFrame, x: float, y: float) -> None:
    """Add the adversary: an elbow down from the layer watched, then its own layers."""
    start = x + 0.9 * STEP
    sketch.line(x, -1.15, x, y, CRIMSON)
    sketch.line(x, y, start - 0.5 * (STEP - GAP), y, CRIMSON)
    both = rows["width_px"].iloc[0] > rows["side_px"].iloc[0]
    text = "maps of two\ngalaxies,\nside by side" if both else "maps of\na galaxy"
    sketch.write(x - 0.75, y, text, 9, CRIMSON)
    _chain(sketch, rows, start, y)


def _short(number: int) -> str:
    """Return a number of parameters with three digits.

    >>> _short(0), _short(850), _short(12_345), _short(7_400_000)
    ('', '850', '12.3k', '7.4M')
    """
    if number >= 1_000_000:
        return f"{number / 1e6:.3g}M"
    return f"{number / 1e3:.3g}k" if number >= 1000 else str(number) if number else ""
