"""The application: one page per browser tab, all of them over the same columns in memory."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hscz.dashboard import heap
from hscz.dashboard.data import FieldCubes, load
from hscz.errors import ConfigError
from hscz.extras import needed_by

LOCAL = "127.0.0.1"

TRIM_MS = 2000
"""Between two times that free memory goes back to the system."""

CSS = """
.hscz-row, .hscz-row table { font-size: 14px; line-height: 1.4 }
.hscz-row table { border-collapse: collapse; margin: 6px 16px 6px 0; display: inline-table }
.hscz-row table { max-width: 520px }
.hscz-row td, .hscz-row th { padding: 1px 10px 1px 0; text-align: left; vertical-align: top }
"""


def app(stores: Sequence[str | Path], field_stores: Sequence[str | Path] = ()) -> Any:
    """Return the dashboard of PDF cubes.

    In a notebook call its method ``show()``, which opens it in a tab of the browser.

    Parameters
    ----------
    stores : sequence of str or Path
        PDF cubes; those of one field stand side by side. ``NAME=PATH`` names a model.
    field_stores : sequence of str or Path
        Field stores, or folders of them, to take stamps from; by default those that the cubes
        were made from.

    Returns
    -------
    panel.Column

    Raises
    ------
    InputError, StoreError
        See `hscz.dashboard.data.load`.
    ConfigError
        If panel or bokeh is not installed.

    Examples
    --------
    >>> app([])
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: no PDF cube given; name one or more, as 'hscz predict' wrote them
    """
    return page(load(stores, field_stores))


def page(fields: Mapping[str, FieldCubes]) -> Any:
    """Return the dashboard of fields that are open."""
    pn = require_panel()
    from hscz.dashboard.view import FieldView

    names = list(fields)
    views = [FieldView(fields[names[0]])]
    choice = pn.widgets.Select(label="field", options=names, width=250)
    holder = pn.Column(views[0].layout)

    def change(event: Any) -> None:
        views.pop().close()
        views.append(FieldView(fields[event.new]))
        holder[:] = [views[0].layout]

    choice.param.watch(change, "value")
    title = pn.pane.HTML("<b style='font-size:20px'>hscz redshift PDFs</b>", margin=(8, 30, 0, 10))
    whole = pn.Column(pn.Row(title, *([choice] if len(names) > 1 else [])), holder)
    if pn.state.curdoc is not None:
        pn.state.on_session_destroyed(lambda _: views[0].close())
    return whole


def serve(
    stores: Sequence[str | Path],
    field_stores: Sequence[str | Path] = (),
    address: str = LOCAL,
    port: int = 5006,
) -> None:
    """Serve the dashboard until it is interrupted.

    Parameters
    ----------
    stores, field_stores
        See `app`.
    address : str
        Address to listen on: by default one that only this machine reaches.
    port : int
        0 takes any free one.

    Raises
    ------
    InputError, StoreError
        See `hscz.dashboard.data.load`.
    ConfigError
        If the port is taken or the address is not this machine's.
    """
    pn = require_panel()
    from tornado.ioloop import PeriodicCallback

    heap.share()
    fields = load(stores, field_stores)
    pn.config.raw_css.append(CSS)
    port = _free_port(address, port)
    # The browser's page may come from these hosts; abroad the name of this one is not known.
    hosts = [f"{LOCAL}:{port}", f"localhost:{port}"] if address in (LOCAL, "localhost") else ["*"]
    server = pn.io.server.get_server(
        lambda: page(fields),
        port=port,
        address=address,
        websocket_origin=hosts,
        title="hscz redshift PDFs",
    )
    n = sum(len(field) for field in fields.values())
    print(f"{n:,} objects of {', '.join(fields)} at http://{address}:{port} (end with Ctrl-C)")
    sys.stdout.flush()
    for name in ("tornado.access", "bokeh"):
        logging.getLogger(name).setLevel(logging.WARNING)
    server.start()
    PeriodicCallback(heap.trim, TRIM_MS).start()
    server.io_loop.start()


def require_panel() -> Any:
    """Return panel, or say how to install it."""
    with needed_by("the dashboard"):
        import bokeh  # noqa: F401
        import panel
    return panel


def _free_port(address: str, port: int) -> int:
    """Return the port, or any free one for 0, once it is sure that it can be had."""
    try:
        with socket.create_server((address, port)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {address}:{port} ({error.strerror or error}); choose another --port"
        ) from None
