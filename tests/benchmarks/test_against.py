"""The comparison with another revision: a tree agrees with itself, and what another does otherwise is seen."""

import json
import subprocess
import sys

import pytest

from tests.helpers import REPOSITORY

sys.path.append(str(REPOSITORY / "benchmarks"))
import against

OTHER_CHAIN = """

def _other(event, self, number, clusters):
    import dataclasses, time
    result = event(self, number, clusters)
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    tracks = dataclasses.replace(result.tracks, score=-result.tracks.score)
    return dataclasses.replace(result, tracks=tracks, ms=result.ms | {"of its own": 1.0})


Chain.event = lambda self, *event, _event=Chain.event: _other(_event, self, *event)
"""


def of_one_event(new, old, *settings):
    chosen = {name: against.SETTINGS[name] for name in settings}
    return against.compare(new, old, against.Work([str(against.SAMPLE)], 1, chosen), rounds=2)


def test_a_tree_agrees_with_itself_in_every_setting():
    results = of_one_event(REPOSITORY, REPOSITORY, *against.SETTINGS)
    assert list(results) == ["default", "window", "shape", "quantised"]
    for result in results.values():
        assert result["different"] == result["of_one_alone"] == []
        assert {"Edges", "Tracks", "Helices", "scores"} <= set(result["identical"])
        assert all(result["identical"].values())
        assert {"read", "chain", "estimate", "fit"} <= set(result["stages"])
        for row in result["stages"].values():
            assert row["ms"] > 0
            assert row["quarter"] <= row["ratio"] <= row["three_quarters"]


def test_settings_are_chains_of_their_own():
    """Another graph changes the edges and not the estimates, and other estimates change these."""
    work = against.Work([str(against.SAMPLE)], 1, against.SETTINGS)
    with against.Side(REPOSITORY, work) as side:
        sums = side.sums()
    changed = {
        name: {key for key in sums["default"] if of_setting[key] != sums["default"][key]}
        for name, of_setting in sums.items()
    }
    assert changed["default"] == set()
    assert "Estimate.mean" not in changed["window"]
    assert {"Edges.source", "scores"} <= changed["window"]
    for name in ("shape", "quantised"):
        assert {"Estimate.mean", "Edges.source", "scores"} <= changed[name]
    assert sums["shape"]["Estimate.mean"] != sums["quantised"]["Estimate.mean"]


def test_other_tracks_and_a_slower_chain_are_seen(tmp_path, capsys):
    """Of a tree with the same packages but for its chain, which ends with other scores and takes 0.3 s more."""
    for name in ("smartpix", "seeding", "data"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "tracking").mkdir()
    for path in (REPOSITORY / "tracking").iterdir():
        if path.name != "chain.py":
            (tmp_path / "tracking" / path.name).symlink_to(path)
    source = (REPOSITORY / "tracking" / "chain.py").read_text(encoding="utf-8")
    (tmp_path / "tracking" / "chain.py").write_text(source + OTHER_CHAIN, encoding="utf-8")
    settings = of_one_event(REPOSITORY, tmp_path, "default")
    result = settings["default"]
    assert result["different"] == ["Tracks.score"]
    assert [kind for kind, same in result["identical"].items() if not same] == ["Tracks"]
    chain = result["stages"]["chain"]
    assert chain["ratio"] < 1
    assert chain["ms"] / chain["ms_revision"] == pytest.approx(chain["ratio"], abs=0.2)
    assert "of its own" not in result["stages"]
    against.show(settings)
    shown = capsys.readouterr().out
    assert shown.startswith("default ")
    assert "Tracks        DIFFERENT" in shown
    assert "Edges         identical" in shown
    assert "different: Tracks.score" in shown


def test_a_revision_is_unpacked_once(tmp_path):
    tree = against.unpack("HEAD", tmp_path)
    kept = subprocess.run(
        ["git", "-C", str(REPOSITORY), "show", "HEAD:pyproject.toml"], capture_output=True, check=True
    ).stdout
    assert (tree / "pyproject.toml").read_bytes() == kept
    assert tree.name.startswith(against.git("rev-parse", "--short", "HEAD").decode().strip())
    (tree / "pyproject.toml").write_bytes(b"of the one before")
    assert against.unpack("HEAD", tmp_path) == tree
    assert (tree / "pyproject.toml").read_bytes() == b"of the one before"
    assert list(tmp_path.iterdir()) == [tree]


def test_an_unknown_revision_and_a_chain_that_fails_end_the_comparison(tmp_path):
    with pytest.raises(SystemExit, match="no-such-revision"):
        against.unpack("no-such-revision", tmp_path)
    work = against.Work([str(tmp_path / "missing.root")], 1, against.SETTINGS)
    with pytest.raises(SystemExit, match=f"{REPOSITORY}: its chain failed"):
        against.compare(REPOSITORY, REPOSITORY, work, 1)


@pytest.mark.parametrize(
    ("flags", "names"),
    [([], list(against.SETTINGS)), (["--setting", "shape", "--setting", "window"], ["shape", "window"])],
)
def test_the_command_prints_one_object(flags, names, monkeypatch, capsys):
    taken = []
    monkeypatch.setattr(against, "unpack", lambda revision, folder: folder / "0123")
    monkeypatch.setattr(against, "compare", lambda *given: taken.extend(given) or {"shape": {}})
    against.main(["v1", "a.root", *flags, "--events", "2", "--rounds", "3", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result == {"revision": "0123", "rounds": 3, "settings": {"shape": {}}}
    work = taken[2]
    assert (taken[0], taken[3]) == (REPOSITORY, 3)
    assert (work.files, work.events) == ([str((REPOSITORY.cwd() / "a.root").resolve())], 2)
    assert list(work.settings) == names
