"""A torch-geometric data set that streams a folder of graphs from the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data, Dataset

from smartpix.schema import InputError
from tracking.graphs.files import read_graph
from tracking.graphs.manifest import read_manifest

__all__ = ["GraphDataset"]


class GraphDataset(Dataset):  # type: ignore[misc]
    """Graphs of a folder of ``smartpix export graphs``, of any format; one is read when it is asked for.

    Nothing is kept, so that memory does not grow with the folder. Slices, ``shuffle()`` and lists of rows
    give data sets of a part, and loaders of torch-geometric read it in processes of their own
    (``DataLoader(dataset, batch_size=4, shuffle=True, num_workers=2)``). In a batch ``edge_index`` and
    ``true_edge_index`` count on from graph to graph; ``next_hit`` and acorn's ``track_edges`` are rows of
    their graph, and acorn's fields of tracks go through batches of one graph, as in acorn.

    Attributes:
        manifest: the content of the folder's ``graphs.json``.

    Raises:
        InputError: no such folder, or an export that has not ended.
    """

    def __init__(
        self,
        folder: str | Path,
        transform: Callable[[Data], Data] | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        """Open a folder.

        Args:
            transform: called with each graph.
            fields: names of the fields to keep, besides ``edge_index``; none: all.
        """
        self.folder = Path(folder)
        self.manifest = read_manifest(folder)
        self.fields = tuple(fields)
        unknown = [name for name in self.fields if name not in self.manifest["fields"]]
        if unknown:
            raise InputError(
                f"{folder}: its graphs have no field '{unknown[0]}'; they have "
                f"{', '.join(self.manifest['fields'])}"
            )
        super().__init__(transform=transform)

    def len(self) -> int:
        """Number of graphs."""
        return len(self.manifest["graphs"])

    def get(self, idx: int) -> Data:
        """The graph of a row of the manifest.

        Raises:
            InputError: its file is missing or damaged.
        """
        columns = read_graph(self.folder / self.manifest["graphs"][idx]["file"])
        n_hits = len(columns["hit_id"])
        kept: dict[str, Any] = {
            name: torch.from_numpy(values)
            for name, values in columns.items()
            if not self.fields or name == "edge_index" or name in self.fields
        }
        return Data(**kept, num_nodes=n_hits)
