"""Output of commands on terminals of other encodings, to closed, full and broken streams, and beside what
libraries print.
"""

import io
import json
import os
import subprocess
import sys

import pytest

from smartpix.shipped import data_path
from tests.helpers import REPOSITORY
from tracking.cli.output import log
from tracking.cli.streams import show, streams
from tracking.cli.summary import print_summary

COUNTS = ("events", "hits", "window_edges", "edges", "seeds", "tracks", "vertices", "findable")
RATES = (
    "reduction", "track_efficiency", "edge_efficiency", "window_edge_efficiency", "edge_purity",
    "window_edge_purity",
    "seed_efficiency", "fake_rate", "duplicate_rate", "physics_efficiency", "resolution_d0_um",
    "resolution_z0_um",
    "resolution_phi_mrad", "resolution_theta_mrad", "resolution_qop_rel", "vertex_efficiency",
    "vertex_false_rate",
    "vertex_split_rate",
)  # fmt: skip
SUMMARY = {
    "files": ["[bold]µ.root"],
    "ms_per_event": {},
    **{f"n_{n}": 1 for n in (*COUNTS, "split_clusters", "shared_clusters")},
    **dict.fromkeys(RATES, 0.5),
    "interval": dict.fromkeys(RATES, (0.4, 0.6)),
    "findable_layers": 4,
    "findable_pt": 0.9,
}
PLAIN = "resolution of d0, z0 in um"


def command(*arguments, shell="", **environment):
    """A command as the shell runs it, with redirections: exit code, stdout, stderr as bytes."""
    code = "import sys; from tracking.cli.main import main; sys.exit(main())"
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8"))
    }
    done = subprocess.run(
        ["/bin/bash", "-c", f'"$@" {shell}', "bash", sys.executable, "-c", code, *arguments],
        env=kept | environment, cwd=REPOSITORY, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("encoding", "line"),
    [("ascii", PLAIN), ("gbk", PLAIN), ("koi8-r", PLAIN), ("euc-jp", PLAIN), ("utf-8", PLAIN.replace("um", "µm")),
     ("latin-1", PLAIN.replace("um", "µm"))],
)  # fmt: skip
def test_the_table_of_a_run_is_printed_on_every_terminal(monkeypatch, tmp_path, encoding, line):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    with streams():
        print_summary(SUMMARY, tmp_path / "größe-[bold]")
    text = raw.getvalue().decode(encoding)
    assert line in text
    own = "±".encode(encoding, "ignore")
    assert f"0.50 {'±' if own else '+-'} 0.10" in text
    assert "[bold]/" in text
    assert "größe".encode(encoding, "backslashreplace").decode(encoding) in text


def test_other_characters_are_told_by_number_and_paths_stay_as_they_are(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii", errors="backslashreplace"))
    with streams():
        show("5 µm é 漢 ½")
        log("5 µm \udcff")
    assert raw.getvalue() == b"5 um \\xe9 \\u6f22 \\xbd\n5 um \xff\n"


@pytest.mark.parametrize("name", ["nopeµ.root", "µm.root", "µm/a.root", "5µm.root", "größe", "漢.root", "Ω"])
def test_names_that_a_terminal_lacks_stay_apart_from_others(name):
    code, out, err = command("run", name, PYTHONIOENCODING="ascii")
    assert (code, out) == (1, b"")
    assert err.startswith(b"smartpix: " + name.encode("ascii", "backslashreplace"))
    assert err.count(b"\n") == 1


def test_the_unit_is_spelled_where_it_stands_alone(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with streams():
        show("µm 50 x 12.5 µm in, [µm] (5 µm), µm; µm")
    assert raw.getvalue() == b"um 50 x 12.5 um in, [um] (5 um), um; um\n"


def test_how_the_user_wants_them_stays(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", errors="xmlcharrefreplace"))
    with streams():
        show("µ")
    assert raw.getvalue() == b"&#181;\n"


def test_paths_that_are_not_utf_8_are_printed(tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(folder)  # noqa: PTH102
    path = folder + b"/sample.root"
    with open(path, "wb") as stream:  # noqa: PTH123
        stream.write(data_path("sample.root").read_bytes())
    code, out, _ = command("info", os.fsdecode(path))
    assert code == 0
    assert path in out
    code, out, _ = command("info", os.fsdecode(path), "--json", PYTHONIOENCODING="ascii")
    assert code == 0
    assert os.fsencode(json.loads(out)["file"]) == path
    code, _, err = command("info", os.fsdecode(folder + b"/missing.root"))
    assert code == 1
    assert folder in err


def test_a_command_whose_output_nobody_reads_or_can_take_ends_with_one_line_or_none():
    file = str(data_path("sample.root"))
    # The reader is gone before the command begins to write.
    script = "| true; exit ${PIPESTATUS[0]}"
    for arguments in (("info", file), ("info", file, "--json")):
        assert command(*arguments, shell=script) == (1, b"", b"")
    for shell in (">&-", ">&- 2>&-", "<&- >&- 2>&-"):
        assert command("info", file, shell=shell) == (0, b"", b"")
    assert command("info", file, shell="2>/dev/full")[0] == 0
    code, _, err = command("info", file, shell=">/dev/full")
    assert code == 1
    assert err.decode().splitlines() == [
        "smartpix: standard output cannot be written (No space left on device); make room or send it "
        "elsewhere"
    ]


def test_closed_streams_are_not_given_to_the_files_that_are_opened_next(tmp_path):
    code = (
        "import os; from tracking.cli.streams import streams\n"
        "with streams(), open('data', 'w') as file:\n    file.write('data'); file.flush(); os.write(1, "
        "b'noise')"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    closed = ["/bin/bash", "-c", '"$@" >&-', "bash"]
    subprocess.run([*closed, sys.executable, "-c", code], cwd=tmp_path, check=True, env=environment)
    assert (tmp_path / "data").read_text() == "data"


def test_with_json_what_libraries_print_goes_to_stderr():
    code = (
        "import os, sys\n"
        "from tracking.cli.output import print_json\n"
        "from tracking.cli.streams import results_alone, streams\n"
        "with streams(), results_alone():\n"
        "    print('library'); os.write(1, b'C library\\n'); os.system('echo child')\n"
        "    print_json({'a': float('nan'), 'b': [1.5, float('inf')]})\n"
        "print('after')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == '{"a": null, "b": [1.5, null]}\nafter\n'
    assert sorted(done.stderr.splitlines()) == ["C library", "child", "library"]
