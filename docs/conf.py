"""The documentation site: this folder's pages, the notebooks of examples/, the docstrings."""

from __future__ import annotations

import os
import re
import shutil
import types
from pathlib import Path

from hscz import __version__
from hscz.config import reference

HERE = Path(__file__).parent

project = "hscz"
author = "The hscz developers"
copyright = "The hscz developers"
release = version = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
]
# The site builds without a network; links into other projects need one.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "xarray": ("https://docs.xarray.dev/en/stable", None),
        "dask": ("https://docs.dask.org/en/stable", None),
        "astropy": ("https://docs.astropy.org/en/stable", None),
    }
    if os.environ.get("HSCZ_DOCS_ONLINE")
    else {}
)
templates_path = ["_templates"]
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_title = f"hscz {release}"
html_theme_options = {"navigation_depth": 2, "show_toc_level": 2}
html_sidebars = {page: [] for page in ("index", "start", "settings", "changelog")}
html_static_path = ["_static"]
html_css_files = ["tables.css"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# Notebooks are run by the tests; HSCZ_DOCS_RUN=1 runs them for the site too, with their outputs.
nb_execution_mode = "force" if os.environ.get("HSCZ_DOCS_RUN") else "off"
nb_execution_timeout = 1200
nb_execution_raise_on_error = True

# `name` in a docstring is a link where the name is on the site.
default_role = "py:obj"
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False


PAGES = {"README.md": "start", "benchmarks/RESULTS.md": "results", "CHANGELOG.md": "changelog"}
"""Texts of the project that are pages of the site too."""


def gather(app: object) -> None:
    """Put notebooks, texts and the reference of the settings where Sphinx looks for pages."""
    target = HERE / "notebooks"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    examples = HERE.parent / "examples"
    for file in (*examples.glob("*.ipynb"), *examples.glob("*.toml")):
        shutil.copy(file, target)
    for source, page in PAGES.items():
        shutil.copy(HERE.parent / source, HERE / f"{page}.md")
    (HERE / "settings.md").write_text(reference.page())


def relink(app: object, page: str, source: list[str]) -> None:
    """Turn the links between files of the project into links between pages."""
    if not page.startswith("notebooks/"):
        source[0] = re.sub(r"(!?)\[([^]]*)\]\(([^)]+)\)", _link, source[0])


def _link(found: re.Match[str]) -> str:
    """Return a link of a text of the project as the site has it."""
    mark, words, path = found.groups()
    path = path.removeprefix("../")
    file, _, part = path.partition("#")
    if mark:
        return f"![{words}](../{path})"
    if page := PAGES.get(
        file, file.removeprefix("docs/").removesuffix(".md") * file.startswith("docs/")
    ):
        return f"[{words}]({page}.md{'#' * bool(part)}{part})"
    return found[0] if "://" in path else f"`{words}`"


def without_aliases(
    app: object, what: str, name: str, thing: object, skip: bool, options: object
) -> bool | None:
    """Leave out aliases of types, which Sphinx takes for classes."""
    return True if isinstance(thing, types.GenericAlias) else None


def setup(app: object) -> None:
    """Register what happens before Sphinx reads its sources."""
    app.connect("autodoc-skip-member", without_aliases)  # type: ignore[attr-defined]
    app.connect("builder-inited", gather)  # type: ignore[attr-defined]
    app.connect("source-read", relink)  # type: ignore[attr-defined]
