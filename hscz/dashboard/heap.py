"""What glibc keeps of freed memory: some 20 MB for each thread that reads PDFs, left to itself.

Elsewhere than with glibc nothing happens. Mapping each array anew would keep nothing either, but
reading then takes twice as long.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def share() -> None:
    """Have all threads share one heap, those that are not yet there."""
    if mallopt := _glibc("mallopt"):
        mallopt(_M_ARENA_MAX, 1)


def trim() -> None:
    """Return free pages to the system."""
    if malloc_trim := _glibc("malloc_trim"):
        malloc_trim(0)


def _glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
