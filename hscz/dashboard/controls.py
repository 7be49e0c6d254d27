"""The side bar: models, limits, what is selected, and its catalogue."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from io import BytesIO
from typing import Protocol

import numpy as np
import panel as pn
from numpy.typing import NDArray

from hscz.dashboard.data import FieldCubes
from hscz.dashboard.download import FORMATS, catalogue
from hscz.dashboard.selection import Range, Selection
from hscz.figures.palette import colour
from hscz.schema import WIDE_PDFW

WIDTH_PX = 250


class Chooser(Protocol):
    """What the controls act on."""

    selection: Selection
    chosen: NDArray[np.bool_]
    shown: list[str]

    def choose(self, selection: Selection) -> None:
        """Select objects."""

    def show_models(self, models: list[str]) -> None:
        """Put models side by side."""


class Controls:
    """Widgets of one field; `layout` is the side bar.

    Parameters
    ----------
    field : FieldCubes
    chooser : Chooser
        Told of each change.
    """

    def __init__(self, field: FieldCubes, chooser: Chooser) -> None:
        self.field, self.chooser = field, chooser
        self.mag_i = _slider("i magnitude", field.mag_limits, 0.05)
        self.z = _slider("redshift", (0.0, field.z_max), 0.01)
        for slider in (self.mag_i, self.z):
            slider.param.watch(lambda _: self._limits_changed(), "value_throttled")
        self.models = [
            pn.widgets.Select(label=title, value=model, options=field.models, width=WIDTH_PX)
            for title, model in zip(("left", "right"), chooser.shown, strict=False)
        ]
        for model in self.models:
            model.param.watch(lambda _: self._models_changed(), "value")
        self.clear = pn.widgets.Button(label="Select all", width=WIDTH_PX)
        self.clear.on_click(lambda _: chooser.choose(Selection(chooser.selection.model)))
        self.summary = pn.pane.HTML("", width=WIDTH_PX)
        self.format = pn.widgets.RadioButtonGroup(options=FORMATS, value="fits", width=WIDTH_PX)
        self.download = pn.widgets.FileDownload(
            callback=self._catalogue,
            filename="selection.fits",
            auto=True,
            embed=False,
            color="primary",
            width=WIDTH_PX,
        )
        self.format.param.watch(lambda _: self._name_download(), "value")
        self.layout = pn.Column(
            *(self.models if len(field.models) > 1 else []),
            self.mag_i,
            self.z,
            self.clear,
            self.summary,
            self.format,
            self.download,
            pn.pane.HTML(_HELP, width=WIDTH_PX),
            width=WIDTH_PX + 20,
        )

    def show(self, selection: Selection, chosen: NDArray[np.bool_]) -> None:
        """Bring the widgets up to a selection made elsewhere."""
        self.z.label = f"redshift (median of {selection.model})"
        for slider, limits in ((self.mag_i, selection.mag_i), (self.z, selection.z)):
            low, high = sorted(limits or (slider.start, slider.end))
            slider.value = (max(low, slider.start), min(high, slider.end))
        self.summary.object = self._summary_html(selection, chosen)
        self._name_download()

    def _summary_html(self, selection: Selection, chosen: NDArray[np.bool_]) -> str:
        n, n_all = int(np.count_nonzero(chosen)), len(chosen)
        lines = [_statistics(model, c.pdf_width[chosen]) for model, c in self.field.cubes.items()]
        box = "anywhere in the field"
        if selection.ra_deg and selection.dec_deg:
            ra, dec = sorted(selection.ra_deg), sorted(selection.dec_deg)
            box = f"ra {ra[0] % 360:.3f} to {ra[1] % 360:.3f}°<br>dec {dec[0]:.3f} to {dec[1]:.3f}°"
        return (
            f"<div class='hscz-row'><b>{n:,}</b> of {n_all:,} objects ({n / n_all:.1%})<br>{box}"
            "<table><tr><th></th><th>median PDFw</th>"
            f"<th>PDFw &gt; {WIDE_PDFW}</th></tr>{''.join(lines)}</table></div>"
        )

    def _limits_changed(self) -> None:
        mag_i, z = (_limits(slider) for slider in (self.mag_i, self.z))
        self.chooser.choose(replace(self.chooser.selection, mag_i=mag_i, z=z))

    def _models_changed(self) -> None:
        self.chooser.show_models([model.value for model in self.models])

    def _name_download(self) -> None:
        model = self.chooser.selection.model
        self.download.filename = f"{self.field.name}-{model}-selection.{self.format.value}"
        self.download.label = f"Catalogue of the selection, {model}"

    def _catalogue(self) -> BytesIO:
        cube = self.field.cubes[self.chooser.selection.model]
        return catalogue(cube, self.chooser.chosen, self.format.value)


def _slider(name: str, ends: Range, step: float) -> pn.widgets.RangeSlider:
    return pn.widgets.RangeSlider(
        label=name, start=ends[0], end=ends[1], value=ends, step=step, width=WIDTH_PX
    )


def _limits(slider: pn.widgets.RangeSlider) -> Range | None:
    """Return a slider's limits, None where they take in everything."""
    low, high = slider.value_throttled
    return None if (low, high) == (slider.start, slider.end) else (float(low), float(high))


def _statistics(model: str, width: NDArray[np.float32]) -> str:
    width = width[np.isfinite(width)]
    median, wide = (np.median(width), np.mean(width > WIDE_PDFW)) if len(width) else (np.nan,) * 2
    return (
        f"<tr><td><span style='color:{colour(model)}'>&#9632;</span> {escape(model)}</td>"
        f"<td>{median:.3f}</td><td>{wide:.1%}</td></tr>"
    )


_HELP = """<p>Drag to pan, turn the wheel to zoom. With the box tool draw a box on the sky, or one
over magnitude and redshift. Click on an object to see it.</p>
<p>Limits in redshift are those of the left model, so that all models show the same galaxies.</p>"""
