"""From field stores and models to PDF cubes."""

from pkgutil import iter_modules

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    [module.name for module in iter_modules(__path__)],
    {"stage": ["predict", "predict_field"]},
)
