"""Export of folders: formats, resuming, ranges of events, processes, and what is refused."""

import json
import shutil

import numpy as np
import pytest

from smartpix.schema import InputError
from tracking.cli.main import main
from tracking.graphs import GraphOptions, driver, export_graphs, read_graph, work
from tracking.graphs.files import file_name
from tracking.graphs.manifest import read_manifest
from tracking.options import RunOptions


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@pytest.mark.parametrize("form", ["pyg", "parquet"])
def test_formats_hold_the_same(files, weights, folder, tmp_path, form):
    told = export_graphs(files["single"], tmp_path / "g", GraphOptions(form), RunOptions(gnn=str(weights)))
    assert told["graphs"] == told["written"] == 1
    one, other = read_graph(folder / file_name(0, "npz")), read_graph(tmp_path / "g" / file_name(0, form))
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], strict=True)
    damaged = tmp_path / "g" / file_name(0, form)
    damaged.write_bytes(damaged.read_bytes()[:300])
    with pytest.raises(InputError, match=r"event000000000\.\w+: cannot be read .*export it again"):
        read_graph(damaged)


def test_an_interrupted_export_does_the_rest_and_a_whole_one_nothing(
    files, weights, folder, tmp_path, monkeypatch
):
    run, options, made = RunOptions(gnn=str(weights)), GraphOptions("npz"), []

    def interrupted(path, columns, **more):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(path.name)
        written(path, columns, **more)

    written = work.write_graph
    monkeypatch.setattr(work, "write_graph", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_graphs(files["toy"], tmp_path / "g", options, run, events_per_unit=2)
    assert not (tmp_path / "g" / "graphs.json").exists()
    with pytest.raises(InputError, match="holds graphs of other files, options"):
        export_graphs(files["toy"], tmp_path / "g", GraphOptions("pyg"), run, events_per_unit=2)
    # Half a line, as a full disk leaves it, and no text.
    with (tmp_path / "g" / driver.JOURNAL).open("ab") as journal:
        journal.write(b'{"unit": "x\xff')
    monkeypatch.setattr(work, "write_graph", written)
    told = export_graphs(files["toy"], tmp_path / "g", options, run, events_per_unit=2)
    assert (told["graphs"], told["written"]) == (4, 2)
    assert contents(tmp_path / "g") == contents(folder)
    assert export_graphs(files["toy"], tmp_path / "g", options, run)["written"] == 0
    with pytest.raises(InputError, match="holds graphs of other files, options"):
        export_graphs(files["first"], tmp_path / "g", options, run)


def test_a_range_goes_over_files_and_keeps_the_numbers(files, weights, folder, tmp_path):
    """In a process of its own, as --jobs 2 takes for a single unit."""
    told = export_graphs(
        [files["first"], files["second"]], tmp_path / "g", GraphOptions("npz", events="2:3"),
        RunOptions(gnn=str(weights)), jobs=2,
    )  # fmt: skip
    assert told["graphs"] == 1
    manifest = read_manifest(tmp_path / "g")
    assert [(s["first"], s["events"]) for s in manifest["sources"]] == [(0, 2), (2, 2)]
    name = file_name(2, "npz")
    assert [row["file"] for row in manifest["graphs"]] == [name]
    assert (tmp_path / "g" / name).read_bytes() == (folder / name).read_bytes()
    assert manifest["provenance"]["options"]["gnn"] == str(weights)


def test_the_command_tells_counts_and_what_is_wrong(files, tmp_path, capsys):
    command = [
        "export",
        "graphs",
        str(files["single"]),
        "-o",
        str(tmp_path / "g"),
        "--format",
        "npz",
        "--json",
    ]
    assert main([*command, "--window", "--naming", "acorn"]) == 0
    told = json.loads(capsys.readouterr().out)
    graph = read_graph(tmp_path / "g" / file_name(0, "npz"))
    assert told["graph"] == "window"
    assert told["naming"] == "acorn"
    assert told["edges"] == len(graph["edge_y"])
    assert told["true_edges"] == graph["edge_y"].sum()
    assert not graph["edge_pull_cot_alpha_source"].any()
    for words, text in (
        (["--events", "1:0"], "there is none between these ends"),
        (["--events", "7:"], "beyond the 1 events"),
        (["--events", "a"], "write A:B"),
        (["--jobs", "0"], "jobs must be"),
        (["--naming", "mine"], "naming must be"),
    ):
        shutil.rmtree(tmp_path / "g", ignore_errors=True)
        assert main([*command, *words]) == 1
        assert text in capsys.readouterr().err


def test_a_folder_without_manifest_and_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"graphs\.json: no such file; give a folder of"):
        read_manifest(tmp_path)
    (tmp_path / "graphs.json").write_text('{"kind": "other"}', encoding="utf-8")
    with pytest.raises(InputError, match="'kind' must be one of smartpix graphs"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="is no graph; give a file that ends in"):
        read_graph(tmp_path / "graphs.json")
    with pytest.raises(InputError, match="no such graph"):
        read_graph(tmp_path / "event.npz")
