"""The page of an event in a real browser."""

import dataclasses
import shutil

import numpy as np
import pytest

from smartpix.shipped import data_path
from tests.left_out import require
from tests.tracking.show.pages import EVENT, data_of
from tracking.options import RunOptions
from tracking.show.display import display_event


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


def test_missed_particles_and_fakes_are_shown_where_they_are_asked_for(browser, page):
    data = page[2]
    browser.execute_script("smartpix.choose(-1); smartpix.setView('xy')")
    choose = "const s = document.getElementById('only'); s.value = arguments[0]; s.dispatchEvent(new Event('change'));"
    shown = "return Number(document.getElementById('show-' + arguments[0]).parentElement.querySelector('.n').textContent)"
    fake = data["tracks"]["particle_id"] == 0
    for name, expected in (("fakes", fake.sum()), ("matched", np.sum(~fake)), ("all", len(fake))):
        browser.execute_script(choose, name)
        assert browser.execute_script(shown, "tracks") == expected
    assert browser.execute_script(shown, "missed") == len(data["missed"]["pt"])


def test_two_pages_side_by_side_turn_together(browser, files, options, tmp_path):
    strict = dataclasses.replace(options, build=dataclasses.replace(options.build, min_hits=50))
    told = display_event(files["toy"], EVENT, tmp_path / "x.html", options, strict, ("as asked", "strict"))
    assert told["n_tracks"] > told["against"]["n_tracks"] == 0
    assert told["against"]["n_hits"] == told["n_hits"]
    browser.get((tmp_path / "x.html").as_uri())
    ready = "return [...document.querySelectorAll('iframe')].every((f) => f.contentWindow.smartpix)"
    from selenium.webdriver.support.ui import WebDriverWait

    wait = WebDriverWait(browser, 20)
    wait.until(lambda b: b.execute_script(ready))
    state = (
        "return [...document.querySelectorAll('iframe')].map((f) => f.contentWindow.smartpix)"
        ".map((s) => [s.state.view, s.event.tracks.pt.length])"
    )
    assert browser.execute_script(state) == [["3d", told["n_tracks"]], ["3d", 0]]
    browser.execute_script("document.querySelector('iframe').contentWindow.smartpix.setView('xy')")
    wait.until(lambda b: [view for view, _ in b.execute_script(state)] == ["xy", "xy"])
    rows = [row.text for row in browser.find_elements("css selector", "#compared tr")]
    assert [row.split()[0] for row in rows] == ["hits", "as", "strict"]
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
    # Everything of the missed particles is in the page whose chain missed them.
    missed = browser.execute_script(
        "const {missed, hits} = document.querySelectorAll('iframe')[1].contentWindow.smartpix.event; return [missed.pt.length, missed.hits.length]"
    )
    assert missed[0] == told["n_findable"]
    assert missed[1] >= 4 * missed[0]


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
