"""Galaxy redshift PDFs and catalogues from multiband survey images.

Field stores, models and PDF cubes are the three artefacts; see `hscz.schema` for what they
hold and `hscz.config` for the settings of the stages that make them. Modules and the functions
below load when they are first used, so that ``import hscz`` takes no time:

>>> import hscz
>>> hscz.pdf.median([[0.5, 0.5]], [0.0, 1.0, 2.0]).tolist()
[1.0]
"""

from pkgutil import iter_modules

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    [module.name for module in iter_modules(__path__)],
    {
        "accessor": ["open_cube"],
        "config.read": ["load"],
        "pdf.cubes": ["concat_cubes"],
        "stores": ["open_field"],
    },
)
