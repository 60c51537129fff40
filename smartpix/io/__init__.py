"""Event files and cluster tables: reading, writing, and the checks of what comes in.

:mod:`smartpix.io.events` reads event files (ROOT), :mod:`smartpix.io.write` writes them,
:mod:`smartpix.io.parquet` holds tables of labelled clusters.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.io.cluster_set import ClusterSet
    from smartpix.io.event_header import FORMAT_VERSION
    from smartpix.io.events import EventFile, Header, event_numbers, iterate, open_events, read_events
    from smartpix.io.parquet import Table, list_tables, read_clusters, write_clusters
    from smartpix.io.write import write_events

__all__ = [
    "FORMAT_VERSION",
    "ClusterSet",
    "EventFile",
    "Header",
    "Table",
    "event_numbers",
    "iterate",
    "list_tables",
    "open_events",
    "read_clusters",
    "read_events",
    "write_clusters",
    "write_events",
]

__getattr__ = public_names(
    __name__,
    cluster_set="ClusterSet",
    event_header="FORMAT_VERSION",
    events="EventFile Header event_numbers iterate open_events read_events",
    parquet="Table list_tables read_clusters write_clusters",
    write="write_events",
)
