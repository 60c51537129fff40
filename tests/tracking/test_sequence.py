"""Steps are done once, and again from where something changed."""

import json
from pathlib import Path

import pytest

from smartpix.schema import InputError
from tracking.sequence import DONE, Step, run_process, run_steps


def steps(folder, second="b"):
    return [
        Step(name, "Why.", (name, flag), (folder / name,))
        for name, flag in (("first", "a"), ("second", second), ("third", "c"))
    ]


class Runs:
    def __init__(self, folder, fails=""):
        self.folder, self.fails, self.ran = folder, fails, []

    def __call__(self, words):
        if words[0] == self.fails:
            raise InputError("failed")
        self.ran.append(words[0])
        (self.folder / words[0]).write_text("", encoding="utf-8")
        return {"n": len(self.ran), "word": words[1]}


def ran(folder, plan, about="detector", fails=""):
    runs = Runs(folder, fails)
    return run_steps(plan, folder, about, lambda line: None, runs), runs.ran


def test_what_was_done_is_not_done_again(tmp_path):
    first, all_ran = ran(tmp_path, steps(tmp_path))
    assert all_ran == ["first", "second", "third"]
    again, none_ran = ran(tmp_path, steps(tmp_path))
    assert none_ran == []
    assert again == first


def test_a_changed_step_and_those_after_it_are_done_again(tmp_path):
    ran(tmp_path, steps(tmp_path))
    results, again = ran(tmp_path, steps(tmp_path, "other"))
    assert again == ["second", "third"]
    assert results["second"]["word"] == "other"
    (tmp_path / "first").unlink()
    assert ran(tmp_path, steps(tmp_path, "other"))[1] == ["first", "second", "third"]


def test_another_detector_of_the_same_name_does_all_again(tmp_path):
    ran(tmp_path, steps(tmp_path))
    assert ran(tmp_path, steps(tmp_path), about="other")[1] == ["first", "second", "third"]


def test_a_failure_leaves_what_is_done(tmp_path):
    with pytest.raises(InputError, match="failed"):
        ran(tmp_path, steps(tmp_path), fails="second")
    assert list(json.loads((tmp_path / DONE).read_text("utf-8"))) == ["first"]
    assert ran(tmp_path, steps(tmp_path))[1] == ["second", "third"]


@pytest.mark.parametrize("text", ["{", "[]", '{"first": {"command": "x"}}'])
def test_a_damaged_list_is_told(tmp_path, text):
    Path(tmp_path / DONE).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"steps\.json: is no list of steps"):
        ran(tmp_path, steps(tmp_path))


def test_a_process_gives_what_it_prints_and_says_what_failed(capfd):
    result = run_process(["detector", "telescope", "--no-checks"])
    assert result["n_modules"] == 6
    with pytest.raises(InputError, match="`smartpix detector nowhere` failed"):
        run_process(["detector", "nowhere"])
    assert "is not known and no file" in capfd.readouterr().err


def test_a_result_that_is_no_object_is_told(tmp_path):
    step = {"command": "smartpix first a", "about": "detector", "result": 5}
    (tmp_path / DONE).write_text(json.dumps({"first": step}), encoding="utf-8")
    with pytest.raises(InputError, match=r"steps\.json: is no list of steps .*delete it"):
        ran(tmp_path, steps(tmp_path))
