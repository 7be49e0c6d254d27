"""What makes a class a section of the settings: frozen, checked as it is made, documented."""

from __future__ import annotations

import dataclasses
from functools import wraps
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from hscz.config.wording import explain
from hscz.errors import ConfigError

T = TypeVar("T")

RULES = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def section(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose values are checked, by `dataclasses.replace` too.

    The text under a key says what it means, in the reference and in the editor's schema.

    Raises
    ------
    ConfigError
        By the class that is made, where a value is not what the key takes.

    Examples
    --------
    >>> from hscz.config import TrainConfig
    >>> dataclasses.replace(TrainConfig(), epochs=0)
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: TrainConfig: epochs is 0; give at least 1
    """
    made: Any = dataclass(frozen=True, config=RULES)(cls)
    check, names = made.__init__, [key.name for key in dataclasses.fields(made)]

    @wraps(check)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            check(self, **dict(zip(names, args, strict=False)), **kwargs)
        except ValidationError as error:
            raise ConfigError(explain(error, made, cls.__name__)) from None

    made.__init__ = __init__
    checked: type[T] = made
    return checked
