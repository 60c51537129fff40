"""The study of smart pixels: its commands are those of the command line, and its tables those of its results."""

import json
import shlex

import matplotlib.image
import pytest

from tracking.bench.smart_pixels import BASE, LEVERS, LINKS, smart_pixels_steps, smart_pixels_study
from tracking.bench.smart_pixels_options import QUICK, SmartPixelsOptions
from tracking.bench.smart_pixels_plots import plot_bits, plot_levers
from tracking.bench.smart_pixels_table import settings, smart_pixels_table
from tracking.cli.main import parser
from tracking.cli.parser import parse
from tracking.sequence import DONE


@pytest.mark.parametrize("options", [QUICK, SmartPixelsOptions(seed=5)])
def test_each_command_is_one_of_the_command_line(options, tmp_path):
    plan = smart_pixels_steps(tmp_path, options)
    assert len(plan) == 1 + sum(sum(map(bool, of.values())) for of in LEVERS.values()) + len(LINKS)
    outputs = []
    for step in (step for of_setting in plan.values() for step in of_setting.values()):
        assert parse(parser(), shlex.split(step.command)[1:])[1] is None
        outputs += step.outputs
    assert len(outputs) == len(set(outputs))


def test_every_lever_has_the_base_once_and_all_events_have_the_same_particles(tmp_path):
    assert all(sum(not flags for flags in of.values()) == 1 for of in LEVERS.values())
    plan = smart_pixels_steps(tmp_path, SmartPixelsOptions(seed=7))
    events = [of["events"].words for of in plan.values() if "events" in of]
    assert {words[words.index("--seed") + 1] for words in events} == {"7"}
    trained = {
        of["estimates"].words[of["estimates"].words.index("--seed") + 1]
        for of in plan.values()
        if "events" in of
    }
    assert trained == {"8"}


def numbers(scale):
    return {
        "half_width_68": {"y_um": 1.0 * scale, "cot_alpha": 0.2 * scale, "cot_beta": 0.03 * scale, "x_um": 6.0},
        "bits_per_cluster": 100.0 * scale, "edge_efficiency": 0.999, "reduction": 5.0 / scale,
        "track_efficiency": 0.99, "track_efficiency_interval": [0.98, 0.995], "fake_rate": 0.002,
        "resolution_d0_um": 50.0,
    }  # fmt: skip


@pytest.fixture
def result():
    link = {label: {k: v for k, v in numbers(0.5).items() if k != "half_width_68"} for label in LINKS}
    del link["positions alone"]["bits_per_cluster"]
    base = numbers(1.0)
    levers = {
        lever: {label: numbers(1.5) if flags else base for label, flags in of.items()}
        for lever, of in LEVERS.items()
    }
    return {
        "options": {"events": 2, "pileup": 20, "estimates": "mdn"}, "base": "the base", "levers": levers,
        "link": {"pixels": base, **link},
    }  # fmt: skip


def test_the_table_has_a_row_for_each_setting(result):
    lines = smart_pixels_table(result).splitlines()
    assert len(lines) == 2 + len(list(settings(result)))
    row = next(line for line in lines if line.startswith("thickness, µm: 50"))
    assert row.split()[3:] == ["150", "1.50", "0.300", "0.0450", "0.9990", "3.33", "0.9900", "0.0020", "50.0"]
    assert "positions alone" in lines[-1]
    assert lines[-1].split()[3] == "-"


def test_figures_are_drawn(result, tmp_path):
    for name, plot in (("levers", plot_levers), ("bits", plot_bits)):
        path = tmp_path / f"{name}.png"
        plot(path, result)
        assert matplotlib.image.imread(path)[..., :3].std() > 0.05


def test_results_of_the_steps_become_numbers(tmp_path, monkeypatch):
    """All steps are done, and what they found comes out by lever and setting."""
    options = SmartPixelsOptions()
    plan = smart_pixels_steps(tmp_path, options)
    for k, (name, of_setting) in enumerate(plan.items()):
        about = plan[BASE]["events"].command if name.startswith("link") else ""
        done = {}
        for kind, step in of_setting.items():
            result = {
                "pulls": {"barrel": {"mdn": {"half_width_68": {"y_um": k}}}},
                "tracks": {
                    "n_findable": 200, "track_efficiency": 0.99, "reduction": 3.0 + k,
                    **dict.fromkeys(("edge_efficiency", "fake_rate", "n_tracks"), 0.5),
                    **dict.fromkeys(("resolution_d0_um", "resolution_z0_um", "resolution_qop_rel"), 1.0),
                },
            }.get(kind, {})  # fmt: skip
            done[step.name] = {"command": step.command, "about": about, "result": result}
            for path in step.outputs:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("", encoding="utf-8")
        own = of_setting["tracks"].outputs[0].parents[1]
        (own / DONE).write_text(json.dumps(done), encoding="utf-8")
    monkeypatch.setattr("tracking.bench.smart_pixels._pixel_bits", lambda path: 150.0)
    found = smart_pixels_study(tmp_path, options, lambda line: None)
    base = found["link"]["pixels"]
    assert base["half_width_68"] == {"y_um": 0}
    # 198 of 200: the exact 68 % interval of SciPy's binomial test.
    assert base["track_efficiency_interval"] == pytest.approx([0.9770, 0.9964], abs=2e-4)
    assert base["bits_per_cluster"] == 150
    assert found["levers"]["slices"]["2, 19"] is base
    assert found["levers"]["slices"]["19"]["reduction"] == 4.0
    assert found["link"]["6 bits a number"]["bits_per_cluster"] == 84
    assert "bits_per_cluster" not in found["link"]["positions alone"]
