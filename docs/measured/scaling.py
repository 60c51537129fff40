"""Tables of many events on many workers."""

from page_text import table

from measured.results import results


def dask() -> str:
    """Two workers against one."""
    r = results("dask")
    low, high = min(r["ratio_by_round"]), max(r["ratio_by_round"])
    busiest, workers, caller = r["cpu_s_busiest"], r["cpu_s_workers"], r["cpu_s_here"]
    body = [
        ["wall time, s", f"{r['s_one']:.1f}", f"{r['s_two']:.1f}", f"**{r['ratio']:.2f}** ({low:.2f} to {high:.2f})"],
        ["CPU seconds of the (busier) worker", f"{busiest['one']:.2f}", f"{busiest['two']:.2f}", ""],
        ["CPU seconds of all workers", f"{workers['one']:.2f}", f"{workers['two']:.2f}", ""],
        ["CPU seconds of the caller: scheduler, merging", f"{caller['one']:.2f}", f"{caller['two']:.2f}", ""],
        ["busier worker and caller", "", "", f"**{r['ratio_cpu']:.2f}**"],
        ["plain counting, at the same time", "", "", f"{r['ceiling']:.2f}"],
    ]  # fmt: skip
    return table(["", "one worker", "two workers", "ratio (by round)"], body)


def billion_time() -> str:
    """Core hours of 10⁹ events."""
    seconds = {
        "chain, estimates made by the sensor": results("bench-tracking")["ours"]["ms"] / 1000,
        "chain, estimates made on the CPU": results("chain-pu200")["ms_per_event"]["total"] / 1000,
        "the whole run: reading, reference window, truth": results("dask")["cpu_s_worker_per_event"],
    }
    body = [
        [
            what,
            f"{s:.2f}",
            f"{s * 1e9 / 3600 / 1000:.0f}",
            f"{s * 1e9 / 3600 / 8766:.1f}",
            f"{s * 1e9 / 3600 / 10_000:.1f}",
        ]
        for what, s in seconds.items()
    ]
    head = ["what", "t, s / event", "1,000 core hours", "core years", "hours on 10,000 cores"]
    return table(head, body)


def billion_size() -> str:
    """Bytes of 10⁹ events."""
    r = results("dask")
    keys = {
        "input: pixels, clusters, truth": "input_mb_per_event",
        "`tracks.root`": "tracks_mb_per_event",
        "sent to the caller, and kept until the end of the run": "part_mb_per_event",
    }
    body = [
        [what, f"{r[k]:.2f}", "(per run)" if k.startswith("part") else f"{r[k]:.2f}", f"`{k}`"]
        for what, k in keys.items()
    ]
    return table(["what", "MB / event", "10⁹ events, PB", "key of `dask.json`"], body)
