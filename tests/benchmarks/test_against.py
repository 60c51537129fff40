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


def of_one_event(new, old):
    return against.compare(new, old, [str(against.SAMPLE)], events=1, rounds=2)


def test_a_tree_agrees_with_itself():
    result = of_one_event(REPOSITORY, REPOSITORY)
    assert result["different"] == result["of_one_alone"] == []
    assert {"Edges", "Tracks", "Helices", "scores"} <= set(result["identical"])
    assert all(result["identical"].values())
    assert {"read", "chain", "estimate", "fit"} <= set(result["stages"])
    for row in result["stages"].values():
        assert row["ms"] > 0
        assert row["quarter"] <= row["ratio"] <= row["three_quarters"]


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
    result = of_one_event(REPOSITORY, tmp_path)
    assert result["different"] == ["Tracks.score"]
    assert [kind for kind, same in result["identical"].items() if not same] == ["Tracks"]
    chain = result["stages"]["chain"]
    assert chain["ratio"] < 1
    assert chain["ms"] / chain["ms_revision"] == pytest.approx(chain["ratio"], abs=0.2)
    assert "of its own" not in result["stages"]
    against.show(result)
    shown = capsys.readouterr().out
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
    with pytest.raises(SystemExit, match=f"{REPOSITORY}: its chain failed"):
        against.compare(REPOSITORY, REPOSITORY, [str(tmp_path / "missing.root")], 1, 1)


def test_the_command_prints_one_object(monkeypatch, capsys):
    monkeypatch.setattr(against, "unpack", lambda revision, folder: folder / "0123")
    monkeypatch.setattr(against, "compare", lambda *given: {"given": [str(value) for value in given]})
    against.main(["v1", "a.root", "--events", "2", "--rounds", "3", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["revision"] == "0123"
    assert result["given"][0] == str(REPOSITORY)
    assert result["given"][2:] == [f"['{(REPOSITORY.cwd() / 'a.root').resolve()}']", "2", "3"]
