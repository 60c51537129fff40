"""Numbers in sentences of the pages, with the words around each."""

import functools

from measured.choices import choices
from measured.detectors import detector_sentences
from measured.fields import field_sentences
from measured.graphs import calibrator_sentences, graph_sentences
from measured.lost import lost_sentences
from measured.radiation import radiation_sentences
from measured.results import TARGETS, results, spelled
from measured.smart_pixels import smart_pixels_sentences
from measured.trigger import trigger_sentences
from measured.trkx import trkx_sentences


@functools.cache
def sentences() -> dict[str, dict[str, tuple[str, ...]]]:
    """By page: what stands around measured numbers, ``{}`` for each of them, and the numbers."""
    pull, bench, quantised = results("pull"), results("bench-mdn"), results("chain-quantised")
    clusters, chain, seeding = results("acts-clusters"), results("acts-chain"), results("bench-seeding")
    lever, dask, exported = results("levers")["levers"], results("dask"), results("bench-export")
    fronts, tracking = results("front")["networks"], results("bench-tracking")
    sizes = results("bench-scaling")
    barrel, endcap = pull["barrel"]["mdn"], pull["endcap"]["mdn"]
    widths = sorted(barrel["pull_width"].values())
    # The network on sums has its cot alpha in a phrase of its own.
    quiet = {
        (name, target): width
        for name in ("conv-20t-float", "conv-2t-float", "columns-2t-float", "mlp-2t-float")
        for target, width in bench[name]["pull_sigma"].items()
    }
    sums = quiet.pop(("mlp-2t-float", "cot_alpha"))
    inside = [f"{100 * endcap['within_1_sigma'][axis]:.0f}" for axis in "xy"]
    half = {
        name: {key: r["half_width_68_central"]["cot_alpha"] for key, r in settings.items()}
        for name, settings in lever.items()
    }
    alphas, flat = (
        sorted(values)
        for values in (
            [r["half_width_68"]["alpha_deg"] for r in bench.values()],
            [r["alpha_deg_flat_in_cot_alpha"] for r in bench.values()],
        )
    )
    published = [
        abs(r["published"]["alpha_deg"][2])
        for r in bench.values()
        if r["published"] and "alpha_deg" in r["published"]
    ]
    wider = [r["all_clusters"]["half_width_68"]["x_um"] - r["half_width_68"]["x_um"] for r in bench.values()]
    agree = [r["difference"] for name, r in bench.items() if name != "mlp-2t-float"]
    tuned = [fronts["conv-mdmm-67-tuned"]["hw68_ratio_to_base"][key] - 1 for key in TARGETS]
    chip_found = {
        bits: round(r["track_efficiency"] * r["n_findable"])
        for bits, r in quantised.items()
        if isinstance(r, dict)
    }
    lost_least = [r["edge_efficiency_0p9"] for s in seeding["sensors"].values() for r in s.values()]
    sixty = tracking["pileup"]["60"]
    found = {who: round(sixty[who]["efficiency"] * sixty[who]["n_findable"]) for who in ("acts", "ours")}
    disks = [r for pair, r in seeding["by_pair"].items() if pair.count("E") == 2]
    disks_edges = sum(r["edges"] for r in disks)
    worker, caller = dask["cpu_s_worker_per_event"], dask["cpu_s_merge_per_event"]
    shipped, trained, window = (clusters[key] for key in ("shipped", "own", "window"))
    reductions = {"all": seeding["reduction_all"], "barrel": seeding["reduction_barrel"]}
    kept = f"{100 * seeding['methods']['cone']['edge_efficiency_0p9']:.1f}"
    robust = results("robustness")["conditions"]
    tenths = [r["efficiency"] for name, r in robust.items() if name.endswith("10 %")]
    return {
        "README.md": {
            "At an efficiency of {} % the reduction over all pairs of layers is therefore {}, and {} in the barrel": (
                f"{100 * 0.995:g}",
                f"{seeding['reduction_at']['0.995']['all']:.1f}",
                f"{seeding['reduction_at']['0.995']['barrel']:.1f}",
            ),
            "still finds {} or more ([all": (f"{min(tenths):.3f}",),
        },
        "docs/limits.md": {
            "are {} to {} wide": (f"{widths[0]:.2f}", f"{widths[-1]:.2f}"),
            "the 68 % ellipsoid holds {} (`smartpix study pull`)": (f"{barrel['coverage68']:.2f}",),
            "the joint test keeps {} % of the findable particles' edges at pile-up 200": (kept,),
            "{} and {} % of them lie within one sigma": (inside[0], inside[1]),
            "At pile-up 60 it found {} of {} findable particles on {}": (
                str(found["acts"]),
                str(sixty["ours"]["n_findable"]),
                str(sixty["n_events"]),
            ),
            "at its fastest {}. From 140 on": (
                str(round(sixty["acts"]["fastest"]["efficiency"] * sixty["ours"]["n_findable"])),
            ),
            "they hold {} times the window's edges there, of which {} % are true": (
                f"{disks_edges / sum(r['window_edges'] for r in disks):.2f}",
                f"{100 * sum(r['edges'] * r['purity'] for r in disks) / disks_edges:.0f}",
            ),
            "keeps the reduction over all pairs at {}": (f"{reductions['all']:.1f}",),
            "Their widths reach {}, and {} for cot alpha": (f"{max(quiet.values()):.2f}", f"{sums:.2f}"),
            "With the shipped ones {} % of the particles are found": (
                f"{100 * shipped['track_efficiency']:.0f}",
            ),
            "on the TrackML extract the reduction is {}, so": (
                f"{results('chain-trackml')['reduction']:.2f}",
            ),
            "with trained ones {} %.": (f"{100 * trained['track_efficiency']:.1f}",),
            "takes {} of the time of ACTS's own": (f"{clusters['in_acts']['own']['ratio_time']:.1f}",),
            "on smart pixels it takes {} ([both]": (f"{chain['ratio_time']:.2f}",),
        },
        "docs/acts.md": calibrator_sentences()
        | {
            "{} fresh events of pile-up {}, {} hits each": (
                str(chain["n_events"]),
                str(chain["pileup"]),
                f"{chain['n_hits']:,}",
            ),
            "(medians of {})": (str(chain["repeats"]),),
            "add {} ms per event to ours: {} of ACTS's time instead of {}.": (
                f"{chain['estimates_ms']:.0f}",
                f"{chain['ratio_time_with_estimates']:.2f}",
                f"{chain['ratio_time']:.2f}",
            ),
            "{} events of {} pions from {} vertices": (
                str(clusters["n_events"]),
                f"{clusters['n_pions'] * clusters['n_vertices']:,}",
                str(clusters["n_vertices"]),
            ),
            "Each has {} hits and {} findable particles": (
                f"{trained['n_hits'] / clusters['n_events']:,.0f}",
                f"{trained['n_findable'] / clusters['n_events']:,.0f}",
            ),
            "trained on {} such events": (str(clusters["n_train"]),),
            "own seeding gives {} seeds for each track": (
                spelled(round(chain["acts"]["n_seeds"] / chain["ours_fitted"]["n_seeds"])),
            ),
            "{} times those of pile-up 200": (
                spelled(
                    round(
                        trained["n_findable"]
                        / clusters["n_events"]
                        / (tracking["ours"]["n_findable"] / tracking["n_events"])
                    )
                ),
            ),
            "reaches a track efficiency of {} with them": (f"{shipped['track_efficiency']:.3f}",),
            "it reaches {} in {} % of the window's edges, and with the window {}.": (
                f"{trained['track_efficiency']:.3f}",
                f"{100 * trained['n_edges'] / trained['n_window_edges']:.0f}",
                f"{window['track_efficiency']:.3f}",
            ),
        },
        "docs/chip.md": {
            "takes {} of the talk's look-up tables": (
                f"{exported['smallest']['luts'] / exported['talk']['luts']:.2f}",
            ),
            "more than {} % larger": (f"{100 * (fronts['fixed-2s-smallest']['worst'] - 1):.1f}",),
            "are wider by {} to {} %": (f"{100 * min(tuned):.0f}", f"{100 * max(tuned):.0f}"),
            "likelihood is worse by {}.": (
                f"{fronts['conv-mdmm-67-tuned']['nll'] - fronts['fixed-2s-talk']['nll']:.2f}",
            ),
            "find {} of {} particles, as floats do within one": (
                f"{chip_found['7 bits']:,}",
                f"{quantised['float']['n_findable']:,}",
            ),
            "4 bits open {} times the edges": (
                f"{quantised['4 bits']['n_edges'] / quantised['float']['n_edges']:.1f}",
            ),
        },
        "docs/sensor.md": {
            "possible at {} clusters per second": (f"{results('sensor')['clusters_per_second']['2s']:,}",),
            "x widens by {} to {} µm": (f"{min(wider):.1f}", f"{max(wider):.1f}"),
            "agree to {} of the output or better, and `mlp-2t-float` to {} (torch there is {} from": (
                f"{max(agree):.0e}",
                f"{bench['mlp-2t-float']['difference']:.1e}",
                f"{bench['mlp-2t-float']['torch_error']:.0e}",
            ),
            "Published alphas ({} to {}°)": (f"{min(published):.1f}", f"{max(published):.1f}"),
            "gives {} to {}°. Weighted": (f"{alphas[0]:.1f}", f"{alphas[-1]:.1f}"),
            "the same clusters give {} to {}°": (f"{flat[0]:.1f}", f"{flat[-1]:.1f}"),
            "train longer and reach {}, and": (
                f"{bench['columns-2t-chip']['half_width_68_central']['cot_alpha']:.2f}",
            ),
            "collected charge ({} to {})": (
                f"{half['number of slices']['1 (19)']:.3f}",
                f"{half['number of slices']['2 (0, 19)']:.3f}",
            ),
            "the efficiency is {} throughout": (f"{min(lost_least):.3f}",),
            "more than two buy {} %.": (
                f"{100 * (1 - half['number of slices']['8'] / half['number of slices']['2 (0, 19)']):.0f}",
            ),
            "the half width is {}. What": (f"{half['threshold [e]']['0, no noise']:.3f}",),
            "parameters buy {} %.": (
                f"{100 * (1 - half['network']['columns, 102 k'] / half['network']['columns, 2,178']):.0f}",
            ),
            **radiation_sentences(),
        },
        "docs/speed.md": {
            "search two events {} times as fast": (f"{seeding['thread_speedup']:.2f}",),
        },
        "docs/scaling.md": {
            "do {} times the work of one here": (f"{sizes['process_speedup']:.2f}",),
            "One process reconstructs {} events of pile-up 200": (f"{sizes['memory_events']:,}",),
            "1,000 further events add {} MB": (f"{sizes['mb_per_1000_events']:.0f}",),
            "come from a file of {} that is read": (str(sizes["n_events"]),),
            "- {} GB of memory each": (f"{dask['worker_mb'] / 1000:.1f}",),
            "runs {} events of pile-up 200": (str(dask["n_events"]),),
            "(seed 2013), {} hits each": (f"{dask['n_hits'] / dask['n_events']:,.0f}",),
            "writes ({} s of CPU)": (f"{dask['cpu_s_here']['two']:.1f}",),
            "takes {} times as long as the one of the table": (f"{dask['memory_given_back_ratio']:.2f}",),
            "it is {} s in one process": (f"{dask['cpu_s_unit_per_event']:.2f}",),
            "writes in {} CPU s per event": (f"{caller:.3f}",),
            "{} times less than a worker needs, and gets {} MB/s": (
                f"{worker / caller:.0f}",
                f"{dask['part_mb_per_event'] / worker:.1f}",
            ),
            "more than some {} workers": (f"{worker / caller:.0f}",),
            "a `tracks.root` of {} TB": (f"{1000 * dask['tracks_mb_per_event']:.0f}",),
            "takes {} core hours, writes {} GB of tracks and keeps {} GB": (
                f"{worker * 1e5 / 3600:.0f}",
                f"{dask['tracks_mb_per_event'] * 100:.0f}",
                f"{dask['part_mb_per_event'] * 100:.0f}",
            ),
        },
        "docs/dense.md": {},
        "docs/trkx.md": trkx_sentences(),
        "docs/trigger.md": trigger_sentences(),
        "docs/link.md": {},
        "docs/detectors.md": detector_sentences() | field_sentences(),
        "docs/smart-pixels.md": smart_pixels_sentences(),
        "docs/graphs.md": graph_sentences(),
        "docs/robustness.md": lost_sentences(),
        "docs/how-to-choose.md": choices(),
        "docs/faq.md": {
            "find only {} % of the particles": (f"{100 * shipped['track_efficiency']:.0f}",),
        },
    }
