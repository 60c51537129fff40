"""The page of an event: its data are the chain's, and a real browser shows them."""

import base64
import json
import re
import shutil
from collections import Counter

import numpy as np
import pytest

from smartpix.estimate.base import truth_targets
from smartpix.io.events import event_numbers, iterate
from smartpix.io.write import write_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.left_out import require
from tests.seeding import toys
from tracking.chain import Chain
from tracking.cli.main import main
from tracking.fit.vertices import VertexOptions
from tracking.metrics import event_truth, score_edges, score_tracks
from tracking.options import RunOptions
from tracking.show.display import display_event

EVENT = 2


def unpacked(value):
    if isinstance(value, dict) and "base64" in value:
        return np.frombuffer(base64.b64decode(value["base64"]), dtype="<" + value["type"]).reshape(
            value["shape"]
        )
    return {k: unpacked(v) for k, v in value.items()} if isinstance(value, dict) else value


def data_of(path):
    (block,) = re.findall(
        r'<script id="event" type="application/json">(.*?)</script>', path.read_text(), flags=re.DOTALL
    )
    return unpacked(json.loads(block))


@pytest.fixture(scope="module")
def options(weights):
    return RunOptions(gnn=str(weights))


@pytest.fixture(scope="module")
def page(tmp_path_factory, files, options):
    path = tmp_path_factory.mktemp("display") / "event.html"
    told = display_event(files["toy"], EVENT, path, options)
    return path, told, data_of(path)


@pytest.fixture(scope="module")
def chain_result(files, options):
    """The same event through the chain."""
    ((file, events),) = iterate(files["toy"], step=1, start=EVENT, stop=EVENT + 1)
    chain = Chain.for_header(file.header, options)
    return chain, chain.event(EVENT, events[0]["clusters"]), events[0]


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


def test_vertices_are_those_of_the_runs_options(tmp_path):
    counts = []
    for options in (RunOptions(), RunOptions(vertex=VertexOptions(min_tracks=8, late_tracks=8))):
        told = display_event(data_path("sample.root"), 0, tmp_path / "e.html", options)
        ((file, events),) = iterate(data_path("sample.root"), step=1, stop=1)
        result = Chain.for_header(file.header, options).event(0, events[0]["clusters"])
        assert told["n_vertices"] == len(result.vertices)
        counts.append(told["n_vertices"])
    assert counts[1] < counts[0]


def test_hits_and_pixels_are_those_of_the_event(page, chain_result):
    _, told, data = page
    _, result, record = chain_result
    hits, shown = result.hits, data["hits"]
    assert told["n_hits"] == len(hits) > 100
    np.testing.assert_array_equal(shown["hit_id"], hits.hit_id)
    close(shown["position"], hits.position)
    close(shown["mean"], hits.estimate.mean)
    covariance = hits.estimate.covariance()
    close(shown["sigma"], np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)))
    for k, (i, j) in enumerate([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]):
        np.testing.assert_allclose(
            shown["correlation"][:, k],
            covariance[:, i, j] / np.sqrt(covariance[:, i, i] * covariance[:, j, j]),
            atol=1e-5,
        )
    for h in (0, len(hits) // 2, len(hits) - 1):
        pixels = record["clusters"]["pixels"][h]
        here = slice(*data["pixels"]["first"][h : h + 2])
        assert data["pixels"]["row"][here].tolist() == pixels["row"].to_list()
        assert (
            data["pixels"]["charge"][here].tolist()
            == np.stack([pixels["charge_02"], pixels["charge_19"]], axis=1).tolist()
        )
        module = shown["module"][h]
        ids = [int(data["modules"][n][module]) for n in ("volume_id", "layer_id", "module_id")]
        assert ids == [record["clusters"][n][h] for n in ("volume_id", "layer_id", "module_id")]
    target, _ = truth_targets(record["clusters"])
    close(data["truth"]["target"], target)


def test_edges_and_scores_are_the_chains(page, chain_result):
    _, told, data = page
    _, result, record = chain_result
    np.testing.assert_array_equal(data["edges"]["source"], result.edges.source)
    np.testing.assert_array_equal(data["edges"]["target"], result.edges.target)
    np.testing.assert_array_equal(data["edges"]["score"], result.scores)
    assert told["n_kept_edges"] == np.sum(data["edges"]["score"] >= data["min_score"]) > 0
    truth = event_truth(record["clusters"], record["particles"], result.hits.layer)
    for name in ("edges", "window"):
        score = score_edges(truth, data[name]["source"], data[name]["target"])
        assert data[name]["true"].sum() == score.n_true > 0
    assert len(data["window"]["source"]) == told["n_window_edges"]
    # pT of the circle through the beam line and both ends: r = 2 R sin(turn / 2), so the azimuths differ by
    # asin(r2 / 2R) - ...
    a, b = (data["hits"]["position"][data["edges"][n]].astype(float) for n in ("source", "target"))
    chord = np.hypot(*(b - a)[:, :2].T)
    r1, r2 = np.hypot(*a[:, :2].T), np.hypot(*b[:, :2].T)
    area = 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    bent = data["edges"]["pt"] < 20
    np.testing.assert_allclose(
        data["edges"]["pt"][bent], (toys.UNIT * r1 * r2 * chord / (4 * area))[bent], rtol=5e-3
    )


def test_tracks_are_helices_near_their_hits(page, chain_result):
    _, told, data = page
    _, result, record = chain_result
    tracks, helices = data["tracks"], result.helices
    assert told["n_tracks"] == len(result.tracks) > 20
    for name in ("d0", "z0", "phi", "theta", "qop", "chi2"):
        close(tracks[name], getattr(helices, name))
    close(tracks["sigma"], np.sqrt(np.diagonal(helices.covariance, axis1=1, axis2=2)))
    draws = np.random.default_rng(1).multivariate_normal(
        [helices.theta[0], helices.qop[0]], helices.covariance[0, 3:, 3:], 20_000
    )
    assert tracks["pt_sigma"][0] == pytest.approx(np.std(np.sin(draws[:, 0]) / np.abs(draws[:, 1])), rel=0.05)
    score = score_tracks(
        event_truth(record["clusters"], record["particles"], result.hits.layer), result.tracks.rows()
    )
    assert (tracks["particle_id"] != 0).tolist() == (score.particle >= 0).tolist()
    for t, rows in enumerate(result.tracks.rows()):
        assert tracks["hits"][tracks["start"][t] : tracks["start"][t + 1]].tolist() == rows.tolist()
        line, points = tracks["line"][t].astype(float), data["hits"]["position"][rows].astype(float)
        # Toys do not scatter: the hits lie on the polyline but for the resolution, and for what a chord
        # leaves out.
        along = np.diff(line, axis=0)
        share = np.clip(
            np.einsum("hkj,kj->hk", points[:, None] - line[:-1], along) / (along**2).sum(axis=1), 0, 1
        )
        distance = np.linalg.norm(points[:, None] - line[:-1] - share[..., None] * along, axis=2).min(axis=1)
        assert distance.max() < 0.5
        assert np.hypot(*line[0, :2]) == pytest.approx(abs(helices.d0[t]), abs=1e-4)
    of = data["hits"]["track"]
    assert all(h in result.tracks.rows()[of[h]] for h in np.flatnonzero(of >= 0))
    assert np.sum(of >= 0) == len(np.unique(result.tracks.hits))


def test_cones_hold_the_next_true_hits(page, chain_result):
    """Of the estimates' own quantile; edges of findable particles start where the particle goes on."""
    _, _, data = page
    _, result, record = chain_result
    cones, gate = data["cones"], data["gate"]
    truth = event_truth(record["clusters"], record["particles"], result.hits.layer)
    last = {(int(h), int(k)): c for c, (h, k) in enumerate(zip(cones["hit"], cones["layer"], strict=True))}
    held = total = reached = 0
    for source, target in truth.edges[truth.edge_findable]:
        layer, at = int(result.hits.layer[target]), result.hits.position[target]
        total += 1
        if (int(source), layer) not in last:
            continue
        reached += 1
        c = last[int(source), layer]
        surface, (xx, xy, yy) = cones["surface"][c, -1], cones["covariance"][c, -1].astype(float)
        # Along the straight way from the hit to the layer's mean surface, since modules are not on it.
        start = result.hits.position[source]
        if data["layers"]["barrel"][layer]:
            share = (surface - np.hypot(*start[:2])) / (np.hypot(*at[:2]) - np.hypot(*start[:2]))
            point = start + share * (at - start)
            local = np.array([surface * np.arctan2(point[1], point[0]), point[2]])
        else:
            point = start + (surface - start[2]) / (at[2] - start[2]) * (at - start)
            local = point[:2]
        delta = local - cones["local"][c, -1]
        if data["layers"]["barrel"][layer]:
            delta[0] = (delta[0] + np.pi * surface) % (2 * np.pi * surface) - np.pi * surface
        held += delta @ np.linalg.solve([[xx, xy], [xy, yy]], delta) < gate**2
    assert total > 50
    assert reached > 0.9 * total
    assert held > 0.97 * reached
    assert np.all(np.diff(cones["hit"]) >= 0)
    assert Counter(cones["hit"].tolist()).most_common(1)[0][1] <= 4


def test_page_is_self_contained(page):
    path, told, _ = page
    text = path.read_text()
    assert told["bytes"] == path.stat().st_size
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "default-src 'none'" in text
    assert not re.search(r"<(link|img|iframe)|src=", text)
    assert "/* data */" not in text
    assert "/* scripts */" not in text


def test_json_is_one_object_and_the_page_is_named_after_the_event(
    files, weights, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["display", str(files["toy"]), "--event", "1", "--set", f"gnn={weights}", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["file"], told["event"], err) == ("event-1.html", 1, "")
    assert told["n_tracks"] > 0
    assert (tmp_path / "event-1.html").stat().st_size == told["bytes"]


def test_an_event_that_is_not_there_is_named(files, weights, tmp_path, capsys):
    output = tmp_path / "x.html"
    assert (
        main(["display", str(files["toy"]), "--event", "9", "-o", str(output), "--set", f"gnn={weights}"])
        == 1
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    for word in ("toy.root", "event", "9", "0, 1, 2, 3", "--event"):
        assert word in err
    assert not output.exists()


@pytest.mark.parametrize(("name", "words"), [("none", "holds no events"), ("missing", "no such file")])
def test_files_without_events_are_refused(name, words, files, options, tmp_path):
    path = files.get(name, tmp_path / "missing.root")
    with pytest.raises(InputError, match=words):
        display_event(path, None, tmp_path / "x.html", options)


def test_a_page_that_cannot_be_written_is_refused_first(files, options, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        display_event(files["toy"], None, tmp_path / "no" / "x.html", options)


@pytest.mark.parametrize("name", ["hollow", "bare"])
def test_events_without_clusters_or_truth_have_a_page(name, files, options, tmp_path):
    told = display_event(files[name], None, tmp_path / "x.html", options)
    data = data_of(tmp_path / "x.html")
    assert (told["n_hits"] > 0) == (name == "bare")
    assert ("truth" in data) == (name == "hollow")
    assert len(data["hits"]["hit_id"]) == told["n_hits"]


def test_more_window_edges_than_a_page_holds_are_only_counted(files, options, tmp_path, monkeypatch):
    monkeypatch.setattr("tracking.show.content.MOST_WINDOW", 10)
    told = display_event(files["toy"], 0, tmp_path / "x.html", options)
    data = data_of(tmp_path / "x.html")
    assert told["n_window_edges"] == data["counts"]["n_window_edges"] > 10
    assert len(data["window"]["source"]) == 0


def test_event_numbers_are_those_of_the_file(tmp_path, files, events):
    ((file, _),) = iterate(files["single"])
    path = tmp_path / "two.root"
    write_events(path, file.header, iter([events[3], events[1]]))
    assert event_numbers(path).tolist() == [3, 1]
    assert event_numbers(data_path("sample.root")).tolist() == list(range(10))


@pytest.fixture(scope="module")
def browser(page):
    """The page in headless Chromium."""
    require("chromium", "chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    binary, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--use-angle=swiftshader",
                 "--enable-unsafe-swiftshader", "--window-size=1200,800"):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    chrome.get(page[0].as_uri())
    yield chrome
    chrome.quit()


def painted(browser):
    """How many points of the view differ from its corner, and a checksum of its colours."""
    return browser.execute_script(
        """smartpix.draw();
        const canvas = document.getElementById("view"), gl = canvas.getContext("webgl2");
        const [w, h] = [canvas.width, canvas.height], p = new Uint8Array(4 * w * h);
        gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, p);
        let n = 0, sum = 0;
        for (let k = 4; k < p.length; k += 4) n += p[k] !== p[0] || p[k + 1] !== p[1] || p[k + 2] !== p[2];
        for (const v of p) sum = (31 * sum + v) % 1000003;
        return [n, sum];"""
    )


def keys(browser, text):
    browser.find_element("tag name", "body").send_keys(text)


def test_browser_draws_the_event_without_errors(browser, page):
    assert painted(browser)[0] > 2000
    assert f"event {EVENT}" in browser.title
    assert f"{page[1]['n_hits']:,} hits" in browser.find_element("id", "counts").text
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def test_browser_reads_the_numbers_as_they_are(browser, page):
    data = page[2]
    read = browser.execute_script(
        "return [Array.from(smartpix.event.hits.position), Array.from(smartpix.event.edges.score)]"
    )
    np.testing.assert_array_equal(np.float32(read[0]), data["hits"]["position"].ravel())
    np.testing.assert_array_equal(np.float32(read[1]), data["edges"]["score"])


def test_a_click_on_a_hit_fills_the_panel_and_draws_its_cone(browser, page):
    from selenium.webdriver.common.action_chains import ActionChains

    data = page[2]
    panel = browser.find_element("id", "panel")
    assert not panel.is_displayed()
    browser.find_element("css selector", "[data-view=xy]").click()
    before = painted(browser)
    # A hit in the barrel, on a track, far from any other in the x-y view.
    barrel = np.asarray(data["layers"]["barrel"])[data["hits"]["layer"]].astype(bool)
    xy = data["hits"]["position"][:, :2].astype(float)
    gap = np.linalg.norm(xy[:, None] - xy, axis=2) + 1e9 * np.eye(len(xy))
    candidates = np.flatnonzero(
        barrel & (data["hits"]["track"] >= 0) & np.isin(np.arange(len(xy)), data["cones"]["hit"])
    )
    hit = int(candidates[np.argmax(gap[candidates].min(axis=1))])
    x, y, _ = browser.execute_script(f"return smartpix.project({hit})")
    view = browser.find_element("id", "view")
    size = view.size
    ActionChains(browser).move_to_element_with_offset(
        view, round(x - size["width"] / 2), round(y - size["height"] / 2)
    ).click().perform()
    assert browser.execute_script("return smartpix.state.hit") == hit
    assert panel.is_displayed()
    text = panel.text
    track = int(data["hits"]["track"][hit])
    for words in (
        f"Hit {data['hits']['hit_id'][hit]}",
        "cot \N{GREEK SMALL LETTER ALPHA}",
        f"Track {track}",
        "Cone to the next layer",
    ):
        assert words in text
    row = (
        next(line for line in text.splitlines() if line.startswith("cot β "))
        .replace("\N{MINUS SIGN}", "-")
        .split()
    )
    assert [float(v) for v in row[2:4]] == pytest.approx(
        [data["hits"]["mean"][hit, 3], data["hits"]["sigma"][hit, 3]], abs=1e-4
    )
    assert float(row[4]) == pytest.approx(data["truth"]["target"][hit, 3], abs=1e-4)
    assert painted(browser) != before
    colours = browser.execute_script(
        """const c = document.getElementById("cluster"), p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        return new Set(Array.from({length: p.length / 4}, (_, k) => p.slice(4 * k, 4 * k + 3).join())).size;"""
    )
    assert colours > 20
    with_cone = painted(browser)
    keys(browser, "o")
    assert painted(browser) != with_cone
    keys(browser, "o")
    assert painted(browser) == with_cone
    from selenium.webdriver.common.keys import Keys

    keys(browser, Keys.ESCAPE)
    assert not panel.is_displayed()


@pytest.mark.parametrize("name", ["hits", "layers", "window", "cone", "kept", "tracks"])
def test_each_switch_changes_the_picture_and_back(name, browser):
    first = painted(browser)
    switch = browser.find_element("id", f"show-{name}")
    switch.click()
    assert painted(browser) != first
    switch.click()
    assert painted(browser) == first


def test_sliders_leave_fewer_tracks_and_edges(browser, page):
    data = page[2]
    pull = "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('input'));"
    shown = "return document.getElementById('show-' + arguments[0]).parentElement.querySelector('.n').textContent.replace(',', '')"
    browser.execute_script(pull, "score", 0.9)
    assert int(browser.execute_script(shown, "kept")) == np.sum(data["edges"]["score"] >= 0.9)
    browser.execute_script(pull, "pt", 50)
    cut = 0.1 * 200**0.5
    assert (
        0
        < int(browser.execute_script(shown, "tracks"))
        == np.sum(data["tracks"]["pt"] >= cut)
        < len(data["tracks"]["pt"])
    )
    assert int(browser.execute_script(shown, "window")) == np.sum(data["window"]["pt"] >= cut)
    browser.execute_script(pull, "pt", 0)
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def test_an_event_without_clusters_opens_too(browser, files, options, tmp_path):
    display_event(files["hollow"], None, tmp_path / "x.html", options)
    browser.get((tmp_path / "x.html").as_uri())
    assert painted(browser)[0] > 500  # the layers
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def test_an_event_of_the_sample_shows_its_vertices(browser, tmp_path):
    told = display_event(data_path("sample.root"), 0, tmp_path / "x.html", RunOptions())
    data = data_of(tmp_path / "x.html")
    z, label = data["vertices"]["z"], data["tracks"]["vertex"]
    assert told["n_vertices"] == len(z) > 3
    assert data["vertices"]["n_tracks"].tolist() == np.bincount(label[label >= 0], minlength=len(z)).tolist()
    assert np.all(np.abs(z[label[label >= 0]] - data["tracks"]["z0"][label >= 0]) < 5)
    browser.get((tmp_path / "x.html").as_uri())
    first = painted(browser)
    keys(browser, "v")
    assert painted(browser) != first
    keys(browser, "v")
    assert painted(browser) == first
