"""Folders as ACTS writes them, whole and to be changed."""

import shutil

import pytest

from tests.acts_files import write_acts_root


@pytest.fixture
def copy(acts_folder, tmp_path):
    return shutil.copytree(acts_folder, tmp_path / "copy")


@pytest.fixture(scope="package")
def folder(acts_folder, tmp_path_factory):
    return write_acts_root(acts_folder, tmp_path_factory.mktemp("acts-root") / "root")


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")
