"""The errors a user can remedy, each naming what was found, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class HsczError(Exception):
    """Something in the input or on disk that the user can put right.

    The message names the file or variable, the value found there, and the remedy.
    The command line prints it without a traceback.

    Examples
    --------
    >>> raise HsczError("a.fits: no image in any HDU; give the coadd, not its catalogue")
    Traceback (most recent call last):
    ...
    hscz.errors.HsczError: a.fits: no image in any HDU; give the coadd, not its catalogue
    """


class ConfigError(HsczError):
    """A setting that does not exist, has the wrong type or contradicts another."""


class InputError(HsczError):
    """A file or table that is missing, truncated or not what it should be."""


class StoreError(HsczError):
    """A field store, model or PDF cube that is absent, unfinished or breaks its contract."""


class BusyError(StoreError):
    """An artefact that another process is writing."""


class UnjudgedError(StoreError):
    """Redshifts that cannot be judged, since none of their objects has one to compare with."""


class DivergedError(HsczError):
    """A training whose loss is no longer a number."""


class IncompleteError(InputError):
    """Some files could not be fetched; the others are there.

    Parameters
    ----------
    message : str
    unreachable : bool
        Whether a whole service was out of reach, rather than single files bad.
    """

    def __init__(self, message: str, unreachable: bool = False):
        super().__init__(message)
        self.unreachable = unreachable


@contextmanager
def about(what: object) -> Iterator[None]:
    """Let the messages of errors raised inside begin with what they are about.

    The exception itself is changed, so that threads and processes do not mix up their labels. A
    message that begins so already stays as it is.

    Parameters
    ----------
    what : object
        A file, a store or another thing that the user can look at.

    Examples
    --------
    >>> with about("a.fits"), about("column 'z'"):
    ...     raise InputError("has 99 in row 1")
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: a.fits: column 'z': has 99 in row 1
    """
    try:
        yield
    except HsczError as error:
        if not str(error).startswith(f"{what}: "):
            error.args = (f"{what}: {error}", *error.args[1:])
        raise
