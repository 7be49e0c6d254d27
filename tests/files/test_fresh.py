"""Keys: what makes a thing stale, what does not, and the words for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hscz.files.atomic import write_json
from hscz.files.fresh import (
    GONE,
    NOT_YET,
    PIECE_BYTES,
    UNKNOWN,
    InputFile,
    Key,
    input_files,
    mark_made,
    why_stale,
)


def test_a_note_follows_the_thing(tmp_path: Path) -> None:
    note, key = tmp_path / "a.json", Key({"train.epochs": 3})
    assert why_stale(note, key) == NOT_YET
    mark_made(note, key, report="well")
    assert why_stale(note, key) == ""
    assert why_stale(note, key, there=False) == GONE
    assert why_stale(note, Key({"train.epochs": 4})) == "train.epochs was 3"
    write_json(note, {"report": "of an older version"})
    assert why_stale(note, key) == UNKNOWN


def test_a_setting_added_later_is_at_its_default_in_what_was_made_before() -> None:
    before = Key({"a": 1})
    same = Key({"a": 1, "b": "x"}, defaults={"b": "x"})
    other = Key({"a": 1, "b": "y"}, defaults={"b": "x"})
    assert same.why_stale(before.note()) == ""
    assert other.why_stale(before.note()) == "b was 'x'"
    assert other.fingerprint != before.fingerprint


def test_a_default_that_changes_makes_stale_what_it_changes() -> None:
    before, after = (Key({"a": n}, defaults={"a": n}) for n in (1, 2))
    assert after.why_stale(before.note()) == "a was 1"
    # What is made from the thing knows it by its fingerprint alone.
    assert after.fingerprint != before.fingerprint
    assert Key({"a": 1}, defaults={"a": 2}).why_stale(before.note()) == ""


def test_tuples_and_missing_values_are_as_json_gives_them_back(tmp_path: Path) -> None:
    key = Key({"bands": ("u", "g"), "zero_point": {"u": None}, "path": Path("a")})
    mark_made(tmp_path / "a.json", key)
    assert why_stale(tmp_path / "a.json", key) == ""


def test_many_differences_are_counted() -> None:
    before, now = (Key(dict.fromkeys("abcde", value)) for value in (1, 2))
    assert now.why_stale(before.note()) == "a was 1, b was 1, c was 1 and 2 more"


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"ingest": {"A": "1"}}, {"ingest": {"A": "2"}}, "A was ingested again"),
        ({"label": {"A": None}}, {"label": {"A": "2"}}, "A was labelled again"),
        (
            {"ingest": {"A": "1", "B": "1"}},
            {"ingest": {"A": "2", "B": "2"}},
            "A and B were ingested again",
        ),
        ({"train": {"run0": "1"}}, {"train": {"run0": "2"}}, "the models were trained again"),
        ({"train": {"run0": "1"}}, {"train": {}}, "the models were trained again"),
        ({"predict": {"A": [1, 2]}}, {"predict": {"A": [1, 3]}}, "A was predicted again"),
    ],
)
def test_what_other_stages_made_again_is_named(before: dict, now: dict, said: str) -> None:
    assert Key({}, now).why_stale(Key({}, before).note()) == said


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.fits" for name in "gri"}
    for name, path in paths.items():
        path.write_bytes(name.encode() * 100)
    return paths


def test_files_that_differ_are_counted(images: dict[str, Path], tmp_path: Path) -> None:
    def key() -> Key:
        return Key({}, {"image": input_files(images)})

    note = key().note()
    assert key().why_stale(note) == ""
    images["g"].write_bytes(b"other")
    assert key().why_stale(note) == "1 image changed"
    images["r"].unlink()
    assert key().why_stale(note) == "1 image changed, 1 image is gone"
    images["z"] = tmp_path / "z.fits"
    images["z"].write_bytes(b"new")
    images["i"].write_bytes(b"other")
    assert key().why_stale(note) == "2 images changed, 1 image is new, 1 image is gone"
    note = Key({}, {"catalogue": input_files({"": images["g"]})}).note()
    images["g"].write_bytes(b"again")
    after = Key({}, {"catalogue": input_files({"": images["g"]})})
    assert after.why_stale(note) == "the catalogue changed"


def test_files_may_be_moved_and_copied_with_other_times(
    images: dict[str, Path], tmp_path: Path
) -> None:
    before = Key({}, {"image": input_files(images)})
    note = before.note()
    moved = {name: tmp_path / "there" / path.name for name, path in images.items()}
    (tmp_path / "there").mkdir()
    for name, path in images.items():
        shutil.copyfile(path, moved[name])
        os.utime(moved[name], (1, 1))
    after = Key({}, {"image": input_files(moved)})
    assert after.why_stale(note) == ""
    assert after.fingerprint == before.fingerprint


def test_what_a_large_file_holds_is_looked_at_here_and_there(tmp_path: Path) -> None:
    path = tmp_path / "large"
    content = np.random.default_rng(1).bytes(20 * PIECE_BYTES)
    path.write_bytes(content)
    before = InputFile(path, whole=False).content
    n = len(content)
    for some in (slice(0, 1), slice(n // 2, n // 2 + n // 8), slice(n - 1, n)):
        changed = np.frombuffer(content, np.uint8).copy()
        changed[some] ^= 1
        path.write_bytes(changed.tobytes())
        assert InputFile(path, whole=False).content != before, some
    path.write_bytes(content[:-1])
    assert InputFile(path, whole=False).content != before


def test_of_tables_every_byte_counts(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(20 * PIECE_BYTES))
    os.utime(path, (1, 1))
    before = {whole: InputFile(path, whole).record for whole in (True, False)}
    assert InputFile(path).is_as(before[True])
    with path.open("r+b") as file:
        file.seek(PIECE_BYTES + 1)
        file.write(b"1")
    assert not InputFile(path).is_as(before[True])
    # As documented: between the pieces of an image nothing is noticed.
    assert InputFile(path, whole=False).is_as(before[False])


def test_what_changes_while_a_thing_is_made_will_show(tmp_path: Path) -> None:
    path, note = tmp_path / "a.csv", tmp_path / "a.json"
    path.write_text("old")

    def key() -> Key:
        return Key({}, {"catalogue": input_files({"": path})})

    begun = key().begun()
    path.write_text("new")
    mark_made(note, begun)
    assert why_stale(note, key()) == "the catalogue changed"


@pytest.mark.parametrize("content", [b"", b"\0" * 9, b"null", b"[1]", b'"a"', b"\xff\xfe", b'{"a'])
def test_a_damaged_note_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert why_stale(tmp_path / "a.json", Key({"a": 1})) == NOT_YET
