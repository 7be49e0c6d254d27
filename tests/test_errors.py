from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import dask
import pytest

from hscz.errors import ConfigError, HsczError, IncompleteError, InputError, about


def refuse(name: str) -> None:
    with about(name):
        raise InputError("has no rows")


def said(name: str) -> str:
    with pytest.raises(InputError) as error:
        refuse(name)
    return str(error.value)


def test_labels_nest_and_are_not_repeated():
    with pytest.raises(ConfigError) as error, about("a.toml"), about("a.toml"), about("[mag]"):
        raise ConfigError("has the unknown key 'q'")
    assert str(error.value) == "a.toml: [mag]: has the unknown key 'q'"


def test_threads_and_processes_keep_their_labels():
    names = [f"{number}.fits" for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(said, names)) == [f"{name}: has no rows" for name in names]
    with pytest.raises(InputError, match=r"^a\.fits: has no rows$"):
        dask.delayed(refuse)("a.fits").compute(scheduler="threads")


def test_the_error_is_the_one_raised_and_travels():
    with pytest.raises(IncompleteError) as error, about("F"):
        raise IncompleteError("2 files are not there", True)
    assert error.value.unreachable
    copy = pickle.loads(pickle.dumps(error.value))
    assert (str(copy), copy.unreachable) == ("F: 2 files are not there", True)


def test_other_errors_pass():
    with pytest.raises(ValueError, match=r"^no number$"), about("a.fits"):
        raise ValueError("no number")
    assert issubclass(InputError, HsczError)
