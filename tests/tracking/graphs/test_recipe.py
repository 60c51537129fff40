"""The example that trains a foreign network on exported graphs, in small."""

import importlib.util
import json
import sys

import torch

from tests.helpers import REPOSITORY


def test_a_foreign_network_learns_and_its_scores_make_tracks(folder, capsys, monkeypatch):
    spec = importlib.util.spec_from_file_location("recipe", REPOSITORY / "examples" / "foreign_network.py")
    recipe = importlib.util.module_from_spec(spec)
    # torch-geometric looks modules of networks up by their names.
    monkeypatch.setitem(sys.modules, "recipe", recipe)
    spec.loader.exec_module(recipe)
    torch.set_num_threads(1)
    result = recipe.main([str(folder), "--epochs", "25", "--json"])
    captured = capsys.readouterr()
    assert json.loads(captured.out) == result
    losses = [
        float(line.rpartition(" ")[2]) for line in captured.err.splitlines() if line.startswith("epoch")
    ]
    assert losses[-1] < 0.4 * losses[0]
    assert (result["n_events"], result["trained_on"]) == (1, 3)
    assert result["track_efficiency"] > 0.7
    assert result["n_tracks"] > 20
