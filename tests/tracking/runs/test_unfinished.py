"""Unfinished parts: what is in them, when they are done anew, and who removes them."""

import ast
import dataclasses
import hashlib
import json
import os
import pickle
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from smartpix.io.events import open_events
from smartpix.packed import pack, unpack
from smartpix.schema import InputError
from smartpix.staging import MARK, sweep
from tests.helpers import REPOSITORY, mark_of_the_dead
from tests.tracking.runs.toy_runs import parts, results, run_into
from tracking.chain import Chain
from tracking.runs import driver, unfinished, units
from tracking.runs.outputs import EXTRA
from tracking.runs.part import KIND, packed, unpacked
from tracking.runs.sources import Sources
from tracking.runs.unfinished import dependencies, open_parts, store_part

pytest.importorskip("distributed")

pytestmark = pytest.mark.usefixtures("info")


def test_a_part_of_other_options_is_never_taken(copies, options, stopped, caplog):
    narrow = dataclasses.replace(options, cone=dataclasses.replace(options.cone, quantile=0.5))
    beam_spot = open_events(copies / "toy-0.root").header.beam_spot
    (stopped / "unfinished" / "run.json").write_text(json.dumps(dependencies(narrow, 1, beam_spot)))
    run_into(stopped, copies, narrow)
    assert "are done already" not in caplog.text


def test_a_part_that_is_damaged_or_of_another_layout_is_done_anew(
    copies, options, stopped, here, caplog, monkeypatch, tmp_path
):
    first, second, *_ = parts(stopped)
    content = first.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    tree = unpack(content, KIND)
    for damage in (
        content[:100], b"", flipped, content[:-1], content + b"0", bytes(100), pickle.dumps(3), pack(tree,
        "part 0"),
        pack(3, KIND), pack({}, KIND), pack({"totals": tree["totals"]}, KIND), pack(tree | {"outputs": {}},
        KIND),
        pack(tree | {"totals": tree["totals"] | {"n_hits": "9"}}, KIND), pack(tree | {"totals": {}}, KIND),
    ):  # fmt: skip
        second.write_bytes(damage)
        with monkeypatch.context() as patched:
            patched.setattr(driver, "_publish", lambda *arguments: None)
            patched.setattr(driver, "remove_parts", lambda folder: None)
            run_into(stopped, copies, options)
        err = caplog.text
        caplog.clear()
        assert f"{second.name}: it" in err
        assert "; this part is done anew" in err
        unpacked(second.read_bytes())
    second.write_bytes(flipped)
    run_into(stopped, copies, options)
    assert results(stopped) == here


def test_no_code_in_a_part_runs(copies, options, stopped, here, tmp_path):
    """Whoever can write into the folder runs nothing."""

    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "hacked"),)

    evil = pickle.dumps(Attack())
    for path in parts(stopped):
        path.write_bytes(hashlib.sha256(evil).digest() + evil)
    run_into(stopped, copies, options)
    assert results(stopped) == here
    assert not (tmp_path / "hacked").exists()


def test_no_module_of_the_packages_unpickles():
    for package in ("smartpix", "seeding", "tracking"):
        for path in (REPOSITORY / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
            names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
            assert not names & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}, path
            calls = {
                n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
            }
            assert not calls & {"eval", "exec"}, path
            # What torch reads so holds tensors alone.
            text = path.read_text(encoding="utf-8").replace("torch.load(path, weights_only=True)", "")
            for word in ("torch.load(", "allow_pickle", "yaml.load("):
                assert word not in text, (path, word)


def test_parts_of_another_version_are_done_anew(copies, options, stopped, here, caplog):
    told = json.loads((stopped / "unfinished" / "run.json").read_text())
    (stopped / "unfinished" / "run.json").write_text(json.dumps(told | {"version": "0.0"}))
    run_into(stopped, copies, options)
    err = caplog.text
    assert "what is done there is of smartpix 0.0, and is done anew" in err
    assert "done already" not in err
    assert results(stopped) == here
    assert not (stopped / "unfinished").exists()


@pytest.mark.parametrize("content", ["", "{", "3", "[]", "[" * 100_000])
def test_a_damaged_description_of_what_is_done_is_named(copies, options, stopped, content):
    (stopped / "unfinished" / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"run\.json: cannot be read .*; remove the folder to start anew"):
        run_into(stopped, copies, options)


@pytest.mark.parametrize("extra", [(), EXTRA])
@pytest.mark.parametrize("name", ["toy", "none", "bare", "first"])
def test_parts_come_back_to_the_last_bit(files, options, name, extra):
    options = dataclasses.replace(options, write=extra)
    opened = open_events(files[name])
    chain = Chain.for_header(opened.header, options)
    for unit in units.plan_units([opened], 3):
        with Sources() as sources:
            part = units.run_unit(chain, unit, sources)
        again = unpacked(packed(part))
        assert packed(again) == packed(part)
        for field in dataclasses.fields(part.totals):
            one, two = getattr(part.totals, field.name), getattr(again.totals, field.name)
            assert type(one) is type(two), field.name
            assert pickle.dumps(one) == pickle.dumps(two) or one == two, field.name
        assert repr(again.totals.summary()) == repr(part.totals.summary())
        for file, columns in part.outputs.items():
            assert list(columns) == list(again.outputs[file])
            for column, values in columns.items():
                other = again.outputs[file][column]
                assert type(other) is type(values)
                if isinstance(values, ak.Array):
                    assert (values.type, values.to_list()) == (other.type, other.to_list())
                elif isinstance(values, list):
                    assert all(
                        a.dtype == b.dtype and np.array_equal(a, b)
                        for a, b in zip(values, other, strict=True)
                    )
                elif isinstance(values, str):
                    assert values == other
                else:
                    assert (values.dtype, values.tobytes()) == (other.dtype, other.tobytes())


def test_what_others_put_beside_the_parts_stays(copies, options, stopped):
    folder, (part, *_) = stopped / "unfinished", parts(stopped)
    (folder / "notes.txt").write_text("mine")
    (folder / ".git").mkdir()
    (folder / "mine.part").write_text("of something else")
    # Of no unit: another key.
    nothing = f"{part.name[:-7]}{'ff' if part.name[-7:-5] == '00' else '00'}.part"
    (folder / nothing).write_text("of nothing")
    (folder / ".smartpix-0badf00d").mkdir()
    (folder / ".smartpix-0badf00d" / MARK).write_bytes(mark_of_the_dead())
    (folder / ".smartpix-0badf00d" / "half").write_text("of what a killed run was writing")
    run_into(stopped, copies, options)
    assert sorted(p.name for p in folder.iterdir()) == sorted([".git", "notes.txt", "mine.part", nothing])


def test_what_dead_runs_left_is_swept_once_and_not_with_every_part(files, options, tmp_path, monkeypatch):
    swept = []
    for module in (unfinished, sys.modules[sweep.__module__]):
        monkeypatch.setattr(module, "sweep", lambda parent: swept.append(parent) or sweep(parent))
    planned = units.plan_units([open_events(files["toy"])], 1)
    folder = tmp_path / "unfinished"
    open_parts(folder, dependencies(options, 1))
    swept.clear()
    # Taken up again.
    store_part(open_parts(folder, dependencies(options, 1)), planned[0], b"smartpix part ")
    swept.clear()
    made = open_parts(folder, dependencies(options, 1))
    for unit in planned:
        store_part(made, unit, b"")
    assert swept == [folder]


def test_a_folder_of_parts_that_is_a_link_is_not_followed(copies, options, stopped, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "parts"
    (stopped / "unfinished").rename(elsewhere)
    (stopped / "unfinished").symlink_to(elsewhere)
    with pytest.raises(InputError, match="unfinished: is not of a run, which needs this name"):
        run_into(stopped, copies, options)
    assert len(list(elsewhere.glob("*.part"))) == 10


def test_a_run_that_was_killed_while_it_cleared_its_parts_is_taken_up(
    copies, options, stopped, here, monkeypatch
):
    """What the parts are of goes last."""
    removed, unlink = [], Path.unlink
    with monkeypatch.context() as patched:
        patched.setattr(
            Path, "unlink", lambda path, **more: removed.append(path.name) or unlink(path, **more)
        )
        run_into(stopped, copies, options)
    of_parts = [name for name in removed if name.endswith(".part") or name == "run.json"]
    assert of_parts[-1] == "run.json"
    assert len(of_parts) == 25
    assert results(stopped) == here
