"""The dashboard of one field: maps, n(z) and one object, all of one selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import panel as pn
from bokeh.layouts import row as bokeh_row
from numpy.typing import NDArray

from hscz.dashboard import details
from hscz.dashboard.controls import Controls
from hscz.dashboard.data import FieldCubes
from hscz.dashboard.mapplots import MapPlot, map_plots
from hscz.dashboard.meanpdf import MeanPDF
from hscz.dashboard.plots import CurvePlot, StampPlot
from hscz.dashboard.selection import Selection, select
from hscz.errors import StoreError

FIRST_SECONDS = 0.02
"""Time given to reading PDFs before a selection is answered; at least one chunk is read."""

PROGRESS_MS = 250
"""Between two looks at how far the reading of the PDFs has come."""

REDRAW_MS = 40
"""Waited for further changes of the view, such as those of a turning wheel."""

CLICK_PX = 25
"""A click further from any object than this is at none."""


class FieldView:
    """All views of one field and what links them.

    Each map shows the objects within the limits that were not drawn on that map itself, so that
    a selection can be moved while its surroundings stay in sight. n(z), counts and the catalogue
    are of the whole selection.

    Parameters
    ----------
    field : FieldCubes
    """

    def __init__(self, field: FieldCubes) -> None:
        self.field = field
        self.shown = field.models[:2]
        self.selection = Selection(self.shown[0])
        self.chosen = np.ones(len(field), dtype=bool)
        self.mean_pdf: MeanPDF | None = None
        self.controls = Controls(field, self)
        self.skies, self.galaxies = map_plots(field)
        edges = {model: c.dataset["z_edges"].values for model, c in field.cubes.items()}
        summed = {model: c.dataset["z_edges"].values for model, c in field.stacks.items()}
        self.n_of_z = CurvePlot(summed, "n(z) of the selection", "mean PDF (per unit z)")
        self.pdfs = CurvePlot(edges, "PDFs of the object clicked", "PDF (per unit z)")
        self.stamps = StampPlot(details.bands(field.store) or ["no field store"])
        self.status = pn.pane.HTML("", width=500, margin=(0, 10))
        self.row = pn.pane.HTML("Click on an object in a map.", width=900)
        self._reading: Any = None
        self._redraws: set[int] = set()
        self._connect()
        self._draw_skies()
        self._draw_galaxies()
        self._show_limits()
        # In a browser, once the page is there with its maps.
        pn.state.onload(self._restart_n_of_z) if pn.state.curdoc else self._restart_n_of_z()

    @cached_property
    def layout(self) -> Any:
        """The page: controls, maps, and the selection's and the object's details."""
        maps = pn.Column(
            pn.pane.Bokeh(bokeh_row([plot.figure for plot in self.skies])),
            pn.pane.Bokeh(bokeh_row([plot.figure for plot in self.galaxies])),
            self.row,
        )
        object_ = pn.Column(
            pn.pane.Bokeh(self.n_of_z.figure),
            self.status,
            pn.pane.Bokeh(self.pdfs.figure),
            pn.pane.Bokeh(self.stamps.figure),
        )
        right = pn.FlexBox(maps, object_, flex_wrap="wrap", gap="8px")
        return pn.Row(self.controls.layout, right)

    def choose(self, selection: Selection) -> None:
        """Select objects and bring every view up to date."""
        # The maps come first.
        self.close()
        before, self.selection = self.selection, selection
        self.chosen = select(self.field, selection)
        self._show_limits()
        # What a map does not show cannot have changed it.
        if selection.anywhere() != before.anywhere():
            self._draw_skies()
        if selection.any_galaxy() != before.any_galaxy():
            self._draw_galaxies()
        self._restart_n_of_z()

    def show_models(self, models: list[str]) -> None:
        """Put other models side by side; the first one's redshifts are limited from now on."""
        self.shown = models
        self.selection = replace(self.selection, model=models[0])
        self._show_all()

    def click(self, row: int) -> None:
        """Show one object: stamps, PDFs and row."""
        field = self.field
        ra = float(field.ra_deg + field.ra_offset_deg[row])
        dec = float(field.dec_deg + field.dec_offset_deg[row])
        for sky, galaxy, model in zip(self.skies, self.galaxies, self.shown, strict=True):
            sky.mark(ra, dec)
            galaxy.mark(float(field.mag_i[row]), float(field.cubes[model].z_median[row]))
        object_id = int(next(iter(field.cubes.values())).dataset["object_id"][row])
        self.pdfs.draw(details.pdfs(field, row))
        known = details.truth(field, row)
        self.pdfs.truth.update(location=known[1] if known else 0.0, visible=known is not None)
        note = f"; {known[0]} {known[1]:.3f} dashed" if known else ""
        self.pdfs.figure.title.text = f"PDFs of object {object_id}{note}"
        self.row.object = details.row_html(field, row)
        self._draw_stamps(object_id, row)

    def close(self) -> None:
        """Stop reading; for a view that is taken off the page."""
        if self.mean_pdf is not None:
            self.mean_pdf.stop()
        if self._reading is not None and self._reading.running:
            self._reading.stop()
        self._reading = None

    def _show_all(self) -> None:
        self._draw_skies()
        self._draw_galaxies()
        self.choose(self.selection)

    def _show_limits(self) -> None:
        selection = self.selection
        self.controls.show(selection, self.chosen)
        for plot in self.skies:
            plot.frame(selection.ra_deg, selection.dec_deg)
        for plot in self.galaxies:
            plot.frame(selection.mag_i, selection.z)
        limits = selection.z or (0.0, 0.0)
        self.n_of_z.limits.update(left=limits[0], right=limits[1], visible=bool(selection.z))

    def _connect(self) -> None:
        for k, (sky, galaxy) in enumerate(zip(self.skies, self.galaxies, strict=True)):
            sky.on_box(lambda x, y: self.choose(replace(self.selection, ra_deg=x, dec_deg=y)))
            galaxy.on_box(lambda x, y: self.choose(replace(self.selection, mag_i=x, z=y)))
            sky.on_tap(lambda x, y, k=k: self._tap(self._sky_points, k, x, y))
            galaxy.on_tap(lambda x, y, k=k: self._tap(self._galaxy_points, k, x, y))
        # Maps side by side share their ranges, and the first hears of each change.
        for plots, draw in ((self.skies, self._draw_skies), (self.galaxies, self._draw_galaxies)):
            for plot in plots:
                plot.on_view(lambda draw=draw, plot=plots[0]: self._redraw_soon(plot, draw))

    def _redraw_soon(self, plot: MapPlot, draw: Callable[[], None]) -> None:
        """Draw once for all changes of the view that come close together."""
        if id(plot) in self._redraws:
            return
        self._redraws.add(id(plot))

        def redraw() -> None:
            self._redraws.discard(id(plot))
            draw()

        plot.figure.document.add_timeout_callback(redraw, REDRAW_MS)

    def _sky_points(self, k: int) -> tuple[MapPlot, Any, Any, tuple[float, float]]:
        field = self.field
        zero = (field.ra_deg, field.dec_deg)
        return self.skies[k], field.ra_offset_deg, field.dec_offset_deg, zero

    def _galaxy_points(self, k: int) -> tuple[MapPlot, Any, Any, tuple[float, float]]:
        field = self.field
        z_median = field.cubes[self.shown[k]].z_median
        return self.galaxies[k], field.mag_i, z_median, (0.0, 0.0)

    def _shown_rows(self, points: Any) -> NDArray[np.bool_]:
        on_sky = points == self._sky_points
        selection = self.selection.anywhere() if on_sky else self.selection.any_galaxy()
        return select(self.field, selection)

    def _draw_skies(self) -> None:
        self._draw(self._sky_points)

    def _draw_galaxies(self) -> None:
        self._draw(self._galaxy_points)

    def _draw(self, points: Any) -> None:
        rows = self._shown_rows(points)
        # All rows by a slice, which copies nothing.
        chosen: Any = slice(None) if rows.all() else rows
        for k, model in enumerate(self.shown):
            plot, x, y, zero = points(k)
            width = self.field.cubes[model].pdf_width
            plot.draw(x[chosen], y[chosen], width[chosen], zero)
            plot.figure.title.text = model

    def _tap(self, points: Any, k: int, x: float, y: float) -> None:
        """Show the object nearest to a click, on the screen."""
        plot, xs, ys, zero = points(k)
        view = plot.view()
        scale = (view.width_px / np.ptp(view.x), view.height_px / np.ptp(view.y))
        distance = np.hypot((xs - (x - zero[0])) * scale[0], (ys - (y - zero[1])) * scale[1])
        distance[~self._shown_rows(points) | ~np.isfinite(distance)] = np.inf
        row = int(np.argmin(distance))
        if distance[row] <= CLICK_PX:
            self.click(row)

    def _draw_stamps(self, object_id: int, row: int) -> None:
        self.stamps.clear()
        if self.field.store is None:
            self.stamps.figure.title.text = "no stamps: name the field store with --fields"
            return
        try:
            self.stamps.draw(details.stamps(self.field.store, object_id, row))
            self.stamps.figure.title.text = f"stamps of object {object_id}"
        except StoreError as error:
            self.stamps.figure.title.text = str(error)

    def _restart_n_of_z(self) -> None:
        """Show n(z) of the first PDFs at once, and of all of them when they have been read."""
        self.close()
        self.mean_pdf = MeanPDF(self.field.stacks, self.chosen)
        in_browser = pn.state.curdoc is not None
        self.mean_pdf.read(FIRST_SECONDS if in_browser else np.inf)
        self._show_n_of_z()
        if not (self.mean_pdf.finished or self.mean_pdf.error):
            self.mean_pdf.start()
            self._reading = pn.state.add_periodic_callback(self._show_n_of_z, period=PROGRESS_MS)

    def _show_n_of_z(self) -> None:
        mean = self.mean_pdf
        assert mean is not None
        means, n_read = mean.so_far()
        self.n_of_z.draw(means)
        finished = n_read == mean.n_selected
        if finished:
            self.status.object = f"Mean PDF of all {n_read:,} selected objects."
        else:
            rest = f"the rest is not read: {mean.error}" if mean.error else "reading on."
            self.status.object = escape(
                f"Mean PDF of {n_read:,} of {mean.n_selected:,} selected objects, {rest}"
            )
        if finished or mean.error:
            self.close()
