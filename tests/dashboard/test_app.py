"""What the dashboard refuses, each with one clear error."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import zarr

from hscz.dashboard.data import load
from hscz.errors import ConfigError, InputError, StoreError

pytest.importorskip("panel")


def test_bad_input_gets_one_clear_error(survey, pair, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.zarr: no PDF cube here"):
        load([tmp_path / "none.zarr"])
    with pytest.raises(StoreError, match=r"fields/F\.zarr: variable 'pdf'"):
        load([survey / "fields" / "F.zarr"])
    with pytest.raises(InputError, match="both model 'v0'"):
        load([pair[0], pair[0]])
    with pytest.raises(InputError, match="different models of different fields"):
        load([pair[1], survey / "pdfs" / "v0-u" / "G.zarr"])
    with pytest.raises(StoreError, match="no field store"):
        load(pair, [tmp_path])
    other = tmp_path / "v9-F" / "F.zarr"
    shutil.copytree(pair[1], other)
    zarr.open_group(other, mode="r+")["object_id"][3] = 1
    with pytest.raises(InputError, match="hold different objects of F"):
        load([pair[0], other])
    shutil.rmtree(other / "mag_i")
    with pytest.raises(StoreError, match="'mag_i'"):
        load([other])


def test_a_taken_port_is_named(pair) -> None:
    import socket

    from hscz.dashboard import serve

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            serve(pair, port=port)
