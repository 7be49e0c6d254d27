"""The dashboard: PDF cubes in the browser, with maps, n(z) and single objects linked.

Only a few columns of the objects are in memory; PDFs and stamps are read when they are asked
for. `app` is for notebooks, `serve` and `write_html` stand behind ``hscz dashboard``.
"""

from typing import Any

from hscz.dashboard.app import app, require_panel, serve

__all__ = ["app", "serve", "write_html"]


def __getattr__(name: str) -> Any:
    """Load the static page, which needs bokeh, on first use."""
    if name != "write_html":
        raise AttributeError(f"module 'hscz.dashboard' has no attribute {name!r}")
    require_panel()
    from hscz.dashboard.static import write_html

    return write_html
