"""``smartpix examples``: what came with the package, listed and copied."""

import json

from tests.helpers import REPOSITORY
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main

SOURCE = REPOSITORY / "examples"


def test_examples_are_listed_with_one_line_each(capsys):
    assert main(["examples", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {path.name for path in SOURCE.glob("*.*")}
    assert told["cone_study.ipynb"] == "How much does a cone save?"
    assert told["toy_finder.py"].startswith("A finder of one's own")
    assert all(line and "\n" not in line for line in told.values())
    assert main(["examples"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(told)


def test_an_example_is_copied_with_what_it_imports_and_overwrites_nothing(capsys, tmp_path):
    folder = tmp_path / "new" / "folder"
    assert main(["examples", "acts_clusters", "cone_study.ipynb", "-o", str(folder)]) == 0
    names = {"acts_clusters.py", "acts_chain.py", "cone_study.ipynb"}
    assert {path.name for path in folder.iterdir()} == names
    for name in names:
        assert (folder / name).read_bytes() == (SOURCE / name).read_bytes()
    capsys.readouterr()
    (folder / "cone_study.ipynb").write_text("mine")
    code = main(["examples", "toy_finder.py", "cone_study", "-o", str(folder)])
    refused((code, *capsys.readouterr()), "cone_study.ipynb", "is there already", "--force")
    assert (folder / "cone_study.ipynb").read_text() == "mine"
    assert not (folder / "toy_finder.py").exists()
    assert main(["examples", "cone_study", "-o", str(folder), "--force"]) == 0
    assert (folder / "cone_study.ipynb").read_bytes() == (SOURCE / "cone_study.ipynb").read_bytes()


def test_what_cannot_be_copied_is_told(capsys, tmp_path):
    refused((main(["examples", "cone_studdy"]), *capsys.readouterr()), "Did you mean 'cone_study.ipynb'?")
    (tmp_path / "file").write_text("")
    code = main(["examples", "cone_study", "-o", str(tmp_path / "file")])
    refused((code, *capsys.readouterr()), "cannot be made", "-o")
