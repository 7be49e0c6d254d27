"""Settings of downloads: no password passes, and boxes are boxes."""

from __future__ import annotations

import re

import pytest

from hscz.config import parse
from hscz.errors import ConfigError

TABLE = {"file": "cat.fits", "catalogue": "own.toml"}


@pytest.mark.parametrize(
    ("fetch", "message"),
    [
        ({"vizier": "https://me:pw@a.b"}, "fetch.vizier has a login in its address; take it out"),
        ({"images": {"X-": "https://me:pw@a.b"}}, "fetch.images.X- has a login in its address"),
        (
            {"logins": {"a.b": "secret"}},
            "fetch.logins.a.b is not how names of environ",
        ),
        ({"jobs": 50}, "fetch.jobs is 50; give a value from 1 to 32"),
    ],
)
def test_archives_are_reached_with_care(fetch: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        parse({"fetch": fetch})
    assert not {"pw", "secret"} & set(re.findall(r"\w+", str(error.value)))


@pytest.mark.parametrize(
    ("fetch", "message"),
    [
        ({"box": [1.0, 2.0]}, r"fetch.box is \[1.0, 2.0\]; give least and largest RA"),
        ({"box": [1.0, 2.0, 5.0, 3.0]}, r"fetch.box is \[1.0, 2.0, 5.0, 3.0\]; give least"),
        (
            {"patches": ["9813"]},
            r"fetch.patches\[0\] is '9813'; write tract and patch as '9813-4,4'",
        ),
    ],
)
def test_what_a_field_asks_for_can_be_read(fetch: dict, message: str) -> None:
    entry = {"images": "{band}.fits", "catalogue": TABLE, "bands": ["g"], "fetch": fetch}
    with pytest.raises(ConfigError, match=rf"fields.A.{message}"):
        parse({"fields": {"A": entry}})


def test_a_box_may_cross_right_ascension_0() -> None:
    fetch = {"box": [359.0, 1.0, -1.0, 1.0]}
    entry = {"images": "{band}.fits", "catalogue": TABLE, "bands": ["g"], "fetch": fetch}
    assert parse({"fields": {"A": entry}}).fields["A"].fetch.box == (359.0, 1.0, -1.0, 1.0)
