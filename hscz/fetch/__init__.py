"""Files from archives: images, catalogues and dust maps, each checked before it gets its name."""

from pkgutil import iter_modules

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, [module.name for module in iter_modules(__path__)]
)
