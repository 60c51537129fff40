"""The command that runs the chain."""

import pytest

from tracking.cli.main import main


@pytest.fixture
def run(capsys, tmp_path, weights):
    """Runs ``smartpix run`` with the hand-written network: exit code, stdout, stderr."""

    def call(*arguments, gnn=True):
        network = ["--set", f"gnn={weights}"] if gnn else []
        code = main(["run", *map(str, arguments), "-o", str(tmp_path / "out"), *network])
        return (code, *capsys.readouterr())

    return call
