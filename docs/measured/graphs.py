"""Numbers of graphs for other networks, and of the calibrator."""

from page_text import table

from measured.results import results

CELLS = {"barrel": ((1, 3), (2, 3), (4, 4), (8, 3)), "endcap": ((1, 2), (2, 2), (2, 3))}


def graph_sentences() -> dict[str, tuple[str, ...]]:
    """Numbers in sentences of docs/graphs.md."""
    export, foreign = results("export-graphs"), results("foreign-network")
    return {
        "{} graphs of pile-up 60": (f"{export['graphs']:,}",),
        "have {} hits and {} edges each": (
            f"{export['hits_per_event']:,.0f}",
            f"{export['edges_per_event']:,.0f}",
        ),
        "on two cores write {} of them a second": (f"{export['events_per_s']:.0f}",),
        "with {} ms of processor time each": (f"{export['processor_ms_per_event']:.0f}",),
        "has {} parameters": (f"{foreign['parameters']:,}",),
        "after {} events it finds {} of the findable particles": (
            str(foreign["trained_on"]),
            f"{foreign['track_efficiency']:.3f}",
        ),
        "with {} fakes": (f"{foreign['fake_rate']:.3f}",),
    }


def calibrator_sentences() -> dict[str, tuple[str, ...]]:
    """Numbers in sentences of docs/acts.md."""
    check = results("calibrator")["check"]
    return {
        "On {} clusters of pile-up 60": (f"{check['clusters']:,}",),
        "a mean is off by {} of a sigma at most": (f"{check['mean']:.1e}",),
        "a sigma by {} of itself": (f"{check['sigma']:.1e}",),
    }


def errors_by_shape() -> str:
    """Some entries of the table of errors by cluster shape, from the truth and from the estimates."""
    found = results("calibrator")["some_entries"]
    body = []
    for region, cells in CELLS.items():
        for columns, rows in cells:
            line = [f"{region}, {columns} x {rows}"]
            for source in ("truth", "estimates"):
                (entry,) = [
                    e
                    for e in found[source]
                    if (e["region"], e["columns"], e["rows"]) == (region, columns, rows)
                ]
                line += [f"{1e3 * entry[key]:.1f}" for key in ("bias_x", "sigma_x", "bias_y", "sigma_y")]
            body.append(line)
    columns = ["bias x", "sigma x", "bias y", "sigma y"]
    return table(["columns x rows", *columns, *columns], body)
