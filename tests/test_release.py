"""`make changelog` and `make release`, without the installations that take minutes."""

import re
import shutil
import subprocess
import tarfile
import zipfile

import pytest

from tests import release
from tests.helpers import REPOSITORY

changelog = release.changelog

OLD = "# Changelog\n\n## 0.1.0 (2026-01-01)\n\n- Old.\n"


@pytest.fixture
def project(tmp_path):
    """A small project with entries, in a repository of its own."""
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "changelog.d" / "b.md").write_text("- Second of\n  two lines.\n- Third.\n")
    (tmp_path / "changelog.d" / "a.md").write_text("- First.\n")
    (tmp_path / "CHANGELOG.md").write_text(OLD)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("cff\nversion: 0.2.0\ndate-released: 2026-02-02\n")
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "a"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def test_entries_move_into_the_section_of_the_version(project):
    changelog.main(project)
    new = "## 0.2.0 (2026-02-02)\n\n- First.\n- Second of two lines.\n- Third.\n"
    assert (project / "CHANGELOG.md").read_text() == OLD.replace("## 0.1.0", f"{new}\n## 0.1.0")
    assert list((project / "changelog.d").iterdir()) == []
    # More of them before the release.
    (project / "changelog.d" / "c.md").write_text("- Fourth.\n")
    changelog.main(project)
    text = (project / "CHANGELOG.md").read_text()
    assert text == OLD.replace("## 0.1.0", f"{new}- Fourth.\n\n## 0.1.0")
    changelog.main(project)
    assert (project / "CHANGELOG.md").read_text() == text


@pytest.mark.parametrize(
    ("text", "words"), [("No bullet.", "is no bullet"), (f"- {'a' * 300}", "302 characters")]
)
def test_what_is_no_entry_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        changelog.entries(text)


@pytest.mark.parametrize("path", changelog.fragments(REPOSITORY), ids=lambda path: path.name)
def test_entries_of_this_project_are_bullets(path):
    assert changelog.entries(path.read_text(encoding="utf-8"))


def test_a_release_is_refused_until_all_is_written_and_committed(project):
    assert [line.split(";")[0] for line in release.problems(project)] == [
        "changelog.d/ holds 2 files",
        "CHANGELOG.md says nothing of 0.2.0",
    ]
    changelog.main(project)
    assert [line.split(";")[0] for line in release.problems(project)] == ["3 files are not committed"]
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-a", "-m", "b"]
    subprocess.run(commit, cwd=project, check=True)
    assert release.problems(project) == []
    assert release.tag_text(project).startswith("smartpix 0.2.0 (2026-02-02)\n\n- First.\n- Second of two")
    assert "Old" not in release.tag_text(project)
    subprocess.run(["git", "tag", "v0.2.0"], cwd=project, check=True)
    assert release.problems(project) == [
        "the tag v0.2.0 is there already; raise the version in pyproject.toml"
    ]


def test_wheel_and_sdist_hold_the_packages_and_the_data(tmp_path):
    pytest.importorskip("hatchling")
    copy = tmp_path / "copy"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, encoding="utf-8"
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, copy / name)
    wheel, sdist = release.build(copy, tmp_path / "dist")
    version = re.escape(changelog.version_of(REPOSITORY))
    assert re.fullmatch(rf"smartpix-{version}\.tar\.gz", sdist.name)
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "smartpix/py.typed",
        "smartpix/data/sample.root",
        "tracking/cli/main.py",
        "smartpix/examples/cone_study.ipynb",
        "smartpix/examples/acts_chain.py",
        "seeding/edges.py",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "docs/"))]
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "data/sample.root", "tests/release.py"} <= inside
    assert not [name for name in inside if name.startswith("benchmarks/results")]
