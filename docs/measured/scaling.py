"""Tables of many events on many workers."""

from page_text import table

from measured.results import results


def sizes() -> str:
    """Time of each stage, memory and throughput by kind of events, and the fitted powers."""
    r = results("bench-scaling")
    stages = list(r["points"][0]["ms"])
    body = [
        [
            point["sample"].replace("pileup", "pile-up").replace("gun", "pions,"),
            f"{point['hits']:,.0f}",
            *(f"{point['ms'][stage]:.1f}" for stage in stages),
            f"**{point['ms_total']:.0f}**",
            f"{point['mb']:.0f}",
            f"{point['events_per_second']:.1f}",
        ]
        for point in r["points"]
    ]
    for key, name in (("exponents", "power of hits, pile-up"), ("gun_exponents", "power of hits, pions")):
        powers = ["" if value is None else f"{value:.2f}" for value in r[key].values()]
        body.append([name, "", *powers, ""])
    speedup = [f"{r['thread_speedup'][stage]:.2f}" for stage in (*stages, "total")]
    body.append([f"speed of {r['n_threads']} threads", "", *speedup, "", ""])
    return table(["", "hits", *stages, "all, ms", "MB", "events / s"], body)


def node() -> str:
    """Extrapolated throughput of whole machines."""
    r = results("bench-scaling")["node_events_per_second"]
    body = [[cores, f"{rate:,.0f}", f"{1e9 / rate / 86_400:,.1f}"] for cores, rate in r.items()]
    return table(["cores", "events / s", "days for 10⁹ events"], body)


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
