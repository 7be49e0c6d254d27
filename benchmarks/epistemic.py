"""What other signs of a bad redshift tell beside the PDF's own: turns, and maps unlike others.

``python -m benchmarks.epistemic CONFIG FIELD ...`` takes the first network of a run on a mock, and
fields whose truth is known. First each score is asked for the outliers at 22 < i < 25: the area
under the curve (0.5 is chance), and by how much more width and odds tell with it than without, by
logistic regression in ten folds. Then stamps are spoilt, and each score is asked which they are:
the area, and the share above what one in a hundred of the others reaches.

The scores: how far the medians of the eight turns of a stamp are apart, the information that they
share (mean Kullback-Leibler distance to their mean), and the Mahalanobis distance of averaged maps
from those of the galaxies learnt from.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from hscz import pdf, stores
from hscz.config import RunConfig
from hscz.config.read import load
from hscz.constants import SIGMA_PER_MAD
from hscz.evaluate.metrics import OUTLIER_DZ, residual
from hscz.ingest.zeropoints import zero_point_scale
from hscz.learn.loader import dihedral
from hscz.learn.model import Model
from hscz.predict.ensemble import in_training, read_rows
from hscz.schema import central_pixels, is_usable

Array = NDArray[np.float64]

TURNS, AT_ONCE, MOST, SPOILT = 8, 512, 8192, 600


def look(model: Model, images: NDArray[np.float16], turns: int) -> tuple[Array, dict[str, Array]]:
    """Return probabilities (turn, n, bin), and by layer the averaged maps of the stamps."""
    network, middle = model.network, central_pixels(images.shape[-1], model.network_config.input_px)
    found, maps = [], {name: [] for name in (network.layer_names[-3], network.layer_names[-1])}
    stamps = torch.from_numpy(np.ascontiguousarray(images[..., middle, middle]))
    for some in (batch.float() for batch in stamps.split(AT_ONCE)):
        with torch.inference_mode():
            counts = [[len(some) * (turn == k) for k in range(TURNS)] for turn in range(turns)]
            each = [torch.softmax(network(dihedral(some, count)), 1).numpy() for count in counts]
            for layer, kept in maps.items():
                kept.append(network.activations(some, layer).mean((2, 3)).numpy())
        found.append(np.stack(each))
    return np.concatenate(found, 1).astype(float), {k: np.concatenate(v) for k, v in maps.items()}


def learnt_maps(config: RunConfig, model: Model) -> dict[str, Array]:
    """Return the averaged maps of some galaxies of the first source field learnt from."""
    store = stores.open_field(config.field_store(config.train.fields[0]), lazy=False)
    learnt = in_training(store, [str(config.models[0])])[0] & is_usable(store["flags"].values)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(learnt))[:MOST]
    return look(model, read_rows(store, np.sort(rows), [model], config.predict), 1)[1]


def spoilt(images: NDArray[np.float16], rng: np.random.Generator) -> dict[str, Array]:
    """Return stamps with one thing amiss in each."""
    x = images.astype(np.float32)
    noise = SIGMA_PER_MAD * np.median(np.abs(x), axis=(2, 3))[..., None, None]
    y, middle = np.mgrid[: x.shape[2], : x.shape[3]], x.shape[2] / 2
    angle, band = rng.uniform(0, np.pi, (len(x), 1, 1)), x.shape[1] // 2
    off = (y[0] - middle) * np.cos(angle) - (y[1] - middle) * np.sin(angle)
    trail, empty, faint, step = (x.copy() for _ in range(4))
    trail[:, band] += 5 * noise[:, band] * np.exp(-0.5 * (off / 2.5) ** 2)
    empty[:, band] = noise[:, band] * rng.normal(size=empty[:, band].shape)
    faint[:, band] *= 0.5
    step[..., round(middle + 4) :] += 20 * noise
    other = rng.permutation(len(x))
    mixed = np.concatenate([x[:, :band], x[other, band:]], axis=1)
    return {
        "trail of 5 sigma in one band": trail,
        "noise alone in one band": empty,
        "one band 0.75 mag too faint": faint,
        "light of a halo, with an edge": step,
        "10 px off the centre": np.roll(x, 10, axis=-1),
        "another galaxy on top": x + x[other],
        "red half of the bands another's": mixed,
    }


def scores(
    model: Model, p: Array, maps: dict[str, Array], learnt: dict[str, Array]
) -> dict[str, Array]:
    """Return every score of some galaxies, larger where more is amiss."""
    widths, edges, mean = model.grid.widths, model.grid.edges, p.mean(axis=0)
    points = pdf.summarise(mean / widths, edges)
    medians = np.stack([pdf.median(one / widths, edges) for one in p])
    distance = (p * np.log(np.clip(p, 1e-12, 1) / np.clip(mean, 1e-12, 1))).sum(-1).mean(axis=0)
    found = {
        "pdf_width / (1 + z)": points["pdf_width"] / (1 + points["z_median"]),
        "1 - odds": 1 - points["odds"],
        "p_peak2": points["p_peak2"],
        "medians of turns": np.ptp(medians, axis=0) / (1 + medians.mean(axis=0)),
        "information of turns": distance,
    }
    for layer, known in learnt.items():
        off = maps[layer] - known.mean(axis=0)
        inverse = np.linalg.pinv(np.cov(known.T), hermitian=True)
        found[f"maps of {layer}"] = np.sqrt(np.einsum("ij,jk,ik->i", off, inverse, off))
    return {"z_median": points["z_median"], **found}


def judge(config: RunConfig, name: str) -> None:
    """Print a line for each score, and one for each way to spoil a stamp."""
    model, path = Model.load(config.models[0]), config.field_store(name)
    store, learnt = stores.open_field(path, lazy=False), learnt_maps(config, model)
    mag_i, z = store["mag_i"].values, store["z_true"].values
    use = is_usable(store["flags"].values) & (mag_i > 22) & (mag_i < 25) & (z > 0)
    rows = np.flatnonzero(use & ~in_training(store, [str(config.models[0])])[0])
    images = read_rows(store, rows, [model], config.predict, zero_point_scale(config, name))
    found = scores(model, *look(model, images, TURNS), learnt)
    outlier = np.abs(residual(found.pop("z_median"), z[rows])) > OUTLIER_DZ
    own, alone = list(found)[:2], joint(found, list(found)[:2], outlier)
    print(f"{name}: {len(rows):,} galaxies, {outlier.sum()} outliers; width and odds {alone:.4f}")
    for score, values in found.items():
        more = joint(found, [*own, score], outlier) - alone if score not in own else 0.0
        print(f"  {score:22s}{roc_auc_score(outlier, values):8.4f}{more:+9.4f}")
    rng = np.random.default_rng(1)
    images = images[np.sort(rng.permutation(len(images))[:SPOILT])]
    plain = scores(model, *look(model, images, 2), learnt)
    shown = [*own, *list(found)[-2:]]
    print(" ".join([f"  {'spoilt':32s}", *(f"{score:>19s}" for score in shown)]))
    for what, amiss in spoilt(images, rng).items():
        some = scores(model, *look(model, amiss.astype(np.float16), 2), learnt)
        cells = [told(plain[score], some[score]) for score in shown]
        print(" ".join([f"  {what:32s}", *(f"{cell:>19s}" for cell in cells)]))


def joint(found: dict[str, Array], names: Sequence[str], outlier: NDArray[np.bool_]) -> float:
    """Return the area under the curve of some scores together."""
    logs = np.column_stack([np.log(found[one] + 1e-4) for one in names])
    how = {"cv": 10, "method": "predict_proba"}
    return roc_auc_score(
        outlier, cross_val_predict(LogisticRegression(), logs, outlier, **how)[:, 1]
    )


def told(plain: Array, amiss: Array) -> str:
    """Return how well a score tells what is amiss."""
    which = np.repeat([False, True], [len(plain), len(amiss)])
    area = roc_auc_score(which, np.concatenate([plain, amiss]))
    return f"{area:.2f}, {np.mean(amiss > np.quantile(plain, 0.99)):.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.epistemic", description=__doc__)
    parser.add_argument("config")
    parser.add_argument("fields", nargs="+")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in asked.fields:
        judge(load(asked.config), name)


if __name__ == "__main__":
    main()
