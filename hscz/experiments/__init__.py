"""Recipes on many fields and seeds: how they are run, compared and looked into."""

from pkgutil import iter_modules

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, [module.name for module in iter_modules(__path__)]
)
