"""The figure of benchmarks/irradiation.py."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from smartpix.simulate.drift import Sensor, electric_field
from smartpix.simulate.radiation import operating_bias
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, RED, SIGMA_NOTE, about, figure

COLOURS = {"0": GREY, "1e15": BLUE, "5e15": ORANGE, "1e16": RED}
WAYS = {"unaware": (RED, "o"), "recalibrated": (ORANGE, "s"), "retrained": (GREEN, "D")}
UNIT = r"$10^{15}$ $n_{eq}$/cm²"


def draw(result: dict, path: Path) -> None:
    """Field, collected charge, and the two slopes of three networks."""
    title = about("irradiated sensors of 100 µm", None, "networks on simulated clusters")
    with figure(path, title, nrows=2, ncols=2, figsize=(16, 12), note=f"{SIGMA_NOTE}.") as (_, axes):
        field, charge, alpha, beta = axes.flat
        _draw_field(field)
        _draw_charge(charge, result["sensor"])
        _draw_slope(alpha, result["estimates"], "cot_alpha", "cot alpha")
        _draw_slope(beta, result["estimates"], "cot_beta", "cot beta")


def _draw_field(axis: Axes) -> None:
    z = np.linspace(-0.05, 0.05, 401)
    for name, colour in COLOURS.items():
        sensor = Sensor(bias=operating_bias(float(name)), fluence=float(name))
        label = f"{float(name) / 1e15:g}, {sensor.bias:g} V"
        axis.plot(1e3 * z + 50, electric_field(sensor, z) / 1e3, color=colour, label=label)
    axis.set_xlabel("height above the far side [µm]")
    axis.set_ylabel("electric field [kV/cm]")
    axis.legend(title=UNIT, loc="upper left", fontsize=13, title_fontsize=13)


def _draw_charge(axis: Axes, sensors: dict) -> None:
    for name, colour in COLOURS.items():
        biases = sensors[name]["collected_by_bias"]
        if biases:
            axis.plot([float(b) for b in biases], [100 * v for v in biases.values()], "-o", color=colour,
                      label=f"{float(name) / 1e15:g}")  # fmt: skip
        label = None if biases else f"{float(name) / 1e15:g}"
        axis.plot(
            sensors[name]["bias"], 100 * sensors[name]["collected"], "*", color=colour, ms=18, label=label
        )
    axis.set_xlabel("bias of 100 µm [V]")
    axis.set_ylabel("collected charge [%]")
    axis.set_xlim(0, 850)
    axis.set_ylim(0, 105)
    axis.legend(title=f"{UNIT}; star: bias in use", loc="lower right", fontsize=13, title_fontsize=13)


def _draw_slope(axis: Axes, estimates: dict, target: str, words: str) -> None:
    start = estimates["barrel 0"]["unaware"]["half_width_68_central"][target]
    for way, (colour, marker) in WAYS.items():
        found = {
            float(name.split()[1]): ways[way]["half_width_68_central"][target]
            for name, ways in estimates.items()
            if name.startswith("barrel") and way in ways and not name.endswith("V")
        } | {0.0: start}  # fmt: skip
        at = sorted(found)
        axis.plot([x / 1e15 for x in at], [found[x] for x in at], "-", marker=marker, color=colour, label=way)
        if way in (low := estimates.get("barrel 5e15-200V", {})):
            axis.plot(5, low[way]["half_width_68_central"][target], marker, mfc="none", color=colour, ms=13)
    axis.plot([], [], "ok", mfc="none", label="at 200 V instead of 450 V")
    axis.axhline(1.5 * start, ls=":", color=GREY, label="1.5 x without radiation")
    axis.set_xlabel(f"fluence [{UNIT}]")
    axis.set_ylabel(rf"$\sigma$ of {words}")
    axis.set_xlim(0, 10.5)
    axis.set_ylim(0, 1.45 * axis.get_ylim()[1])
    axis.legend(fontsize=13, loc="upper left", title="barrel, |cot alpha| < 2", title_fontsize=13)
