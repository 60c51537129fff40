import dataclasses

import numpy as np
import pytest

from seeding.cones import ConeOptions
from seeding.kernels import search
from smartpix.estimate.base import estimate
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.merged.options import SplitOptions
from smartpix.networks.weights import load_weights, save_weights
from smartpix.schema import InputError
from smartpix.shipped import data_path
from smartpix.simulate.events import SimulateOptions, header, simulate_event
from smartpix.simulate.options import GenerateOptions
from tests.fields import even_table, falling_solenoid, write_table
from tests.seeding import toys
from tests.tracking.conftest import crossings_of
from tracking import chain as chain_module
from tracking.chain import FOLLOW, STAGES, Chain
from tracking.chain_warnings import chain_warnings
from tracking.finders.gnn.finder import SECOND_PASS
from tracking.finders.gnn.options import DisplacedOptions
from tracking.finders.options import BuildOptions
from tracking.options import RunOptions
from tracking.runs.totals import Totals
from tracking.runs.units import run_events


@pytest.fixture(scope="module")
def options(weights):
    return RunOptions(gnn=str(weights))


@pytest.fixture(scope="module")
def chain(files, options):
    return Chain.for_header(open_events(files["toy"]).header, options)


def totals_of(chain, path):
    totals = Totals()
    results = list(run_events(chain, path, totals))
    return totals, results


def record_of(path):
    return next(iterate(path, step=1))[1][0]


def test_an_event_goes_through_every_stage(files, chain):
    record = record_of(files["toy"])
    result = chain.event(5, record["clusters"])
    assert result.event == 5
    assert len(result.hits) == len(record["clusters"])
    assert len(result.scores) == len(result.edges) > 50
    assert len(result.helices.qop) == len(result.tracks) > 5
    assert tuple(result.ms) == tuple(stage for stage in STAGES if stage not in (SECOND_PASS, FOLLOW))
    assert all(v >= 0 for v in result.ms.values())
    used = result.tracks.hits
    assert len(used) == len(set(used.tolist()))


def test_tracks_are_mostly_the_toys_particles(files, chain):
    totals, _ = totals_of(chain, files["toy"])
    assert totals.n_findable > 40
    # Sparse events: anything much worse is a broken chain, whatever the shipped weights.
    assert totals.n_found > 0.6 * totals.n_findable
    assert totals.n_fake < 0.4 * totals.n_tracks


def test_helices_of_matched_tracks_are_the_particles(files, chain):
    _, results = totals_of(chain, files["toy"])
    off = []
    for event in results:
        record, truth, score = event.record, event.truth, event.score
        result = event.result
        momentum = {p["particle_id"]: p for p in record["particles"].tolist()}
        for t, who in enumerate(score.particle):
            if who < 0 or score.hit_fraction[t] < 1:
                continue
            p = momentum[truth.particle_id[who]]
            pt = np.hypot(p["px"], p["py"])
            h = result.helices
            off.append((
                np.angle(np.exp(1j * (h.phi[t] - np.arctan2(p["py"], p["px"])))), h.z0[t] - p["vz"],
                1 / np.tan(h.theta[t]) - p["pz"] / pt, np.sign(h.qop[t]) == p["charge"],
            ))  # fmt: skip
    phi, z0, cot, charge = np.array(off).T
    assert len(off) > 30
    assert np.median(np.abs(phi)) < 5e-3
    assert np.median(np.abs(z0)) < 0.2
    assert np.median(np.abs(cot)) < 5e-3
    assert charge.mean() > 0.97


def test_an_event_without_clusters_goes_through(files, chain):
    result = chain.event(0, record_of(files["hollow"])["clusters"])
    assert (
        len(result.hits)
        == len(result.edges)
        == len(result.seeds)
        == len(result.tracks)
        == len(result.scores)
        == 0
    )


def test_the_same_event_gives_the_same_result(files, chain):
    clusters = record_of(files["toy"])["clusters"]
    one, two = chain.event(0, clusters), chain.event(0, clusters)
    np.testing.assert_array_equal(one.scores, two.scores)
    np.testing.assert_array_equal(one.tracks.hits, two.tracks.hits)
    np.testing.assert_array_equal(one.helices.qop, two.helices.qop)


def test_totals_are_sums_over_events(files, chain):
    totals, results = totals_of(chain, files["toy"])
    assert totals.n_events == len(results) == 4
    assert totals.n_hits == sum(len(e.result.hits) for e in results)
    assert totals.n_edges == sum(len(e.result.edges) for e in results)
    assert totals.n_tracks == sum(len(e.result.tracks) for e in results)
    assert totals.n_seeds == sum(len(e.result.seeds) for e in results)
    assert totals.n_window == sum(e.n_window for e in results)
    assert totals.n_findable == sum(e.truth.findable.sum() for e in results)
    assert totals.n_found == sum((e.score.found & e.truth.findable).sum() for e in results)
    summary = totals.summary()
    assert summary["track_efficiency"] == totals.n_found / totals.n_findable
    assert summary["reduction"] == totals.n_window / totals.n_edges
    stages = [summary["ms_per_event"][stage] for stage in STAGES if stage not in (SECOND_PASS, FOLLOW)]
    assert summary["ms_per_event"]["total"] == pytest.approx(sum(stages))


def test_edge_rates_are_those_of_loops_over_the_truth(files, chain):
    totals, results = totals_of(chain, files["first"])
    wanted = found = good = 0
    for event in results:
        result, truth = event.result, event.truth
        kept = set(zip(result.edges.source.tolist(), result.edges.target.tolist(), strict=True))
        true = [tuple(e) for e in truth.edges.tolist()]
        wanted += int(truth.edge_findable.sum())
        found += sum(e in kept for e, f in zip(true, truth.edge_findable, strict=True) if f)
        good += len(kept & set(true))
    summary = totals.summary()
    assert summary["edge_efficiency"] == pytest.approx(found / wanted)
    assert summary["edge_purity"] == pytest.approx(good / totals.n_edges)


def test_narrow_cones_reduce_more_and_keep_less(files, chain):
    narrow = dataclasses.replace(
        chain, options=dataclasses.replace(chain.options, cone=ConeOptions(quantile=0.3))
    )
    wide, tight = (
        totals_of(chain, files["first"])[0].summary(),
        totals_of(narrow, files["first"])[0].summary(),
    )
    assert tight["reduction"] > wide["reduction"]
    assert tight["edge_efficiency"] < wide["edge_efficiency"]
    assert tight["n_window_edges"] == wide["n_window_edges"]


def test_build_options_reach_the_tracks(files, chain):
    longer = dataclasses.replace(
        chain, options=dataclasses.replace(chain.options, build=BuildOptions(min_hits=6))
    )
    _, results = totals_of(longer, files["first"])
    sizes = np.concatenate([np.diff(r.tracks.start) for r in (event.result for event in results)])
    assert len(sizes) > 0
    assert sizes.min() >= 6


def test_without_truth_there_are_no_truth_keys(files, chain):
    totals, results = totals_of(chain, files["bare"])
    assert all(event.truth is None and event.score is None for event in results)
    summary = totals.summary()
    assert summary["n_tracks"] > 0
    assert not [k for k in summary if "efficiency" in k or "purity" in k or "rate" in k or "findable" in k]


@pytest.mark.parametrize("name", ["none", "hollow"])
def test_rates_without_denominator_are_none(files, chain, name):
    totals, results = totals_of(chain, files[name])
    assert len(results) == totals.n_events == (name == "hollow")
    summary = totals.summary()
    for key in (
        "reduction",
        "edge_efficiency",
        "edge_purity",
        "track_efficiency",
        "fake_rate",
        "duplicate_rate",
    ):
        assert summary[key] is None
    assert summary["n_findable"] == summary["n_tracks"] == 0


def test_unknown_estimates_and_weights_are_refused(files, options):
    header = open_events(files["toy"]).header
    with pytest.raises(InputError, match=r"estimates must be one of auto, mdn, .* and is 'guess'"):
        Chain.for_header(header, dataclasses.replace(options, estimates="guess"))
    with pytest.raises(InputError, match="no such shipped weights"):
        Chain.for_header(header, dataclasses.replace(options, gnn="nothing"))


def test_the_chain_ranks_the_layers_of_its_detector(chain):
    assert np.all(chain.finder.ranks[chain.pairs.inner] < chain.finder.ranks[chain.pairs.outer])
    for name in ("inner", "outer", "skipped"):
        np.testing.assert_array_equal(getattr(chain.pairs, name), getattr(toys.pairs(), name))


def test_estimates_come_from_the_weights_the_options_name(files, tmp_path):
    for ending in (".safetensors", ".json"):
        copy = (tmp_path / "mine").with_suffix(ending)
        copy.write_bytes(data_path("weights").joinpath(f"mdn-barrel{ending}").read_bytes())
    header = open_events(files["first"]).header
    mine = RunOptions(estimates="mdn", mdn_barrel=str(tmp_path / "mine.safetensors"))
    assert Chain.for_header(header, mine).estimator.slices == header.slices == (2, 19)
    with pytest.raises(InputError, match=r"nowhere\.safetensors: no such file"):
        Chain.for_header(
            header, RunOptions(estimates="mdn", mdn_barrel=str(tmp_path / "nowhere.safetensors"))
        )
    with pytest.raises(InputError, match="holds weights of 'mdn-columns'"):
        Chain.for_header(header, RunOptions(estimates="shape", shape=str(tmp_path / "mine.safetensors")))


def test_a_path_is_no_header_and_a_name_no_estimator(files, chain):
    with pytest.raises(
        InputError, match=r"expected the header of a file, open_events\(path\)\.header, and got .*PosixPath"
    ):
        Chain.for_header(files["toy"], chain.options)
    (record,) = next(iterate(files["single"]))[1]
    with pytest.raises(InputError, match=r"estimator is 'mdn'; give choose_estimator\(header, 'mdn'\)"):
        estimate(record["clusters"], chain.header, "mdn")


@pytest.mark.parametrize("cold", [True, False])
def test_whoever_waits_for_the_compiler_is_told_so(files, caplog, monkeypatch, cold):
    asked = []
    caplog.set_level("INFO", "tracking")
    monkeypatch.setattr(chain_module, "is_cold", lambda *kernels: asked.append(kernels) or cold)
    Chain.for_header(open_events(files["first"]).header, RunOptions())
    assert asked == [(search,)]
    line = "compiling the kernels, which is done once and takes a minute or more"
    assert caplog.messages == ([line] if cold else [])


def test_tracks_in_the_opposite_field_are_as_good_and_have_the_charges_of_their_particles(
    files, options, tmp_path
):
    simulation = SimulateOptions(generate=GenerateOptions(pileup=0), field=-toys.FIELD)
    made = []
    for e in range(2):
        crossings = crossings_of(toys.toy_event(40, seed=100 + e))
        charge = -crossings.particles.charge
        particles = dataclasses.replace(
            crossings.particles, charge=charge, pdg_id=(211 * charge).astype(np.int32)
        )
        crossings = dataclasses.replace(crossings, particles=particles)
        made.append(simulate_event(crossings, toys.detector(), simulation, e, 7))
    write_events(tmp_path / "negative.root", header(toys.detector(), simulation, 2, 7), iter(made))
    found = {}
    for name, path in (("usual", files["first"]), ("opposite", tmp_path / "negative.root")):
        totals, results = totals_of(Chain.for_header(open_events(path).header, options), path)
        found[name] = totals.summary()["track_efficiency"]
        for event in results:
            result, truth, score = event.result, event.truth, event.score
            good = score.particle >= 0
            assert np.mean(np.sign(result.helices.qop[good]) == truth.charge[score.particle[good]]) > 0.97
    assert found["opposite"] >= found["usual"] - 0.05 > 0.7


def test_the_second_pass_searches_the_hits_that_the_first_one_left(files, chain, weights):
    """The first pass is made short of tracks: of five clusters at least. The second takes shorter ones."""
    record = record_of(files["toy"])
    displaced = DisplacedOptions(gnn=str(weights), cone=chain.options.cone)
    long = BuildOptions(min_hits=5)
    first = dataclasses.replace(chain.options, build=long)
    both = dataclasses.replace(first, passes=("prompt,displaced",), displaced=displaced)
    assert both.passes == ("prompt", "displaced")
    alone, result = (
        Chain.for_header(chain.header, options).event(0, record["clusters"]) for options in (first, both)
    )
    n = len(alone.tracks)
    assert alone.tracks.later is None
    assert len(result.tracks) > n > 0
    assert result.tracks.later.tolist() == [False] * n + [True] * (len(result.tracks) - n)
    for one, two in zip(alone.tracks.rows(), result.tracks.rows(), strict=False):
        np.testing.assert_array_equal(one, two)
    found = set(alone.tracks.hits.tolist())
    later = np.concatenate(result.tracks.rows()[n:])
    assert not found & set(later.tolist())
    # What the second pass finds is what a finder with its options finds in those hits.
    rows = np.array(sorted(set(range(len(result.hits))) - found))
    own = Chain.for_header(chain.header, both.second_pass()).finder.find(result.hits.take(rows)).tracks
    for one, two in zip(own.rows(), result.tracks.rows()[n:], strict=True):
        np.testing.assert_array_equal(rows[one], two)
    assert result.ms[SECOND_PASS] > 0
    assert len(result.helices.qop) == len(result.tracks)
    with pytest.raises(InputError, match="passes must be prompt or prompt,displaced"):
        RunOptions(passes=("displaced",))


def test_a_run_tells_what_the_second_pass_found(files, chain, weights):
    displaced = DisplacedOptions(gnn=str(weights), cone=chain.options.cone)
    options = dataclasses.replace(
        chain.options, build=BuildOptions(min_hits=5), passes=("prompt", "displaced"), displaced=displaced
    )
    totals, results = totals_of(Chain.for_header(chain.header, options), files["toy"])
    summary = totals.summary()
    assert summary["n_tracks_displaced"] == sum(int(r.result.tracks.later.sum()) for r in results) > 0
    assert 0 <= summary["fake_rate_displaced"] < 1
    assert summary["ms_per_event"][SECOND_PASS] > 0
    by_d0 = summary["track_efficiency_by_d0"]
    assert sum(row["n"] for row in by_d0) == summary["n_findable"]
    assert [row["from"] for row in by_d0[1:]] == [row["to"] for row in by_d0[:-1]]
    found = sum(row["n"] * (row["efficiency"] or 0.0) for row in by_d0)
    assert found / summary["n_findable"] == pytest.approx(summary["track_efficiency"])
    assert "n_tracks_displaced" not in totals_of(chain, files["toy"])[0].summary()


def test_that_networks_do_not_fit_is_a_warning_where_clusters_would_be_split(files, options, tmp_path):
    header = open_events(files["first"]).header
    arrays, description = load_weights("count-barrel", "count-columns")
    thick = {**description["sensor"], "thickness": 0.3}
    save_weights(tmp_path / "w.safetensors", arrays, {**description, "sensor": thick})
    lines = []
    split = SplitOptions(mode="auto", count_barrel=str(tmp_path / "w.safetensors"))
    chain = Chain.for_header(header, dataclasses.replace(options, split=split), lines.append)
    assert chain.splitter is None
    assert list(chain.warnings) == lines
    assert sum("clusters of several particles are not split" in line for line in lines) == 1
    told = Chain.for_header(header, dataclasses.replace(options, split=SplitOptions(mode="off"))).warnings
    assert not any("split" in line for line in told)


@pytest.mark.parametrize(
    ("field", "build", "fit", "words"),
    [
        (0.0, {}, {"energy_loss": True}, ["fit.energy_loss has no effect without a field"]),
        (0.0, {"radiated_pt": 0.1}, {}, ["build.radiated_pt has no effect without a field"]),
        (
            2.0,
            {"radiated_pt": 0.1, "min_hits": 3},
            {},
            ["no effect with build.min_hits=3: paths of 3 clusters"],
        ),
        (2.0, {}, {"particle": "electron"}, ["set fit.energy_loss=true"]),
        (2.0, {"radiated_pt": 0.1}, {"particle": "electron", "energy_loss": True}, []),
        (2.0, {}, {"particle": "proton"}, []),
    ],
)
def test_options_without_effect_are_told(files, chain, field, build, fit, words):
    header = dataclasses.replace(open_events(files["toy"]).header, field=field)
    options = dataclasses.replace(
        chain.options,
        build=dataclasses.replace(chain.options.build, **build),
        fit=dataclasses.replace(chain.options.fit, **fit),
    )
    told = chain_warnings(header, options, chain.estimator)
    found = [line for line in told if line.startswith(("fit.", "build."))]
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))


def test_a_table_of_the_field_that_the_file_does_not_hold_is_a_warning(files, options):
    header = open_events(files["first"]).header
    made_by = {**header.made_by, "options": {"transport": {"field_map": "b.txt"}}}
    in_table = dataclasses.replace(header, made_by=made_by)
    table = even_table(header.field)
    for file_header, n in ((header, 0), (in_table, 1), (dataclasses.replace(in_table, field_map=table), 0)):
        ignoring = dataclasses.replace(options, conditions="ignore")
        told = Chain.for_header(file_header, ignoring, lambda line: None).warnings
        assert sum("a table of the field" in line for line in told) == n


def test_the_chain_follows_a_table_of_the_field(files, options, tmp_path):
    file = open_events(files["first"])
    write_table(even_table(file.header.field), tmp_path / "even.txt")
    ((_, records),) = iterate(files["first"], step=1, stop=1)
    results = [
        Chain.for_header(file.header, chosen, lambda line: None).event(0, records["clusters"][0])
        for chosen in (options, dataclasses.replace(options, field_map=str(tmp_path / "even.txt")))
    ]
    one, other = results
    assert np.array_equal(one.tracks.hits, other.tracks.hits)
    np.testing.assert_allclose(other.helices.qop, one.helices.qop, rtol=1e-6)
    write_table(even_table(0.5 * file.header.field), tmp_path / "half.txt")
    with pytest.raises(InputError, match="at the origin and the events"):
        Chain.for_header(file.header, dataclasses.replace(options, field_map=str(tmp_path / "half.txt")))
    other = dataclasses.replace(file.header, field_map=falling_solenoid(file.header.field))
    chain = Chain.for_header(other, dataclasses.replace(options, field_map=str(tmp_path / "even.txt")))
    assert [line for line in chain.warnings if "even.txt: is another table of the field" in line]
    timed = dataclasses.replace(options, cone=dataclasses.replace(options.cone, time_sigma=30.0))
    with pytest.raises(InputError, match=r"cone\.time_sigma is 30 ps and clusters of this file have no"):
        Chain.for_header(file.header, timed)
