"""Graphs of events for networks of others: export, a data set that streams them, and tracks from scores."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.graphs.columns import event_columns
    from tracking.graphs.dataset import GraphDataset
    from tracking.graphs.driver import export_graphs
    from tracking.graphs.files import read_graph
    from tracking.graphs.options import GraphOptions
    from tracking.graphs.scores import evaluate_scores, event_from_scores

__all__ = [
    "GraphDataset",
    "GraphOptions",
    "evaluate_scores",
    "event_columns",
    "event_from_scores",
    "export_graphs",
    "read_graph",
]

__getattr__ = public_names(
    __name__,
    columns="event_columns",
    dataset="GraphDataset",
    driver="export_graphs",
    files="read_graph",
    options="GraphOptions",
    scores="evaluate_scores event_from_scores",
)
