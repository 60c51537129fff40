"""The studies behind ``smartpix study``: what each choice of sensor, readout and network buys, pulls, and
beta against pT.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.clusters import flatten
from smartpix.estimate.base import same_sensor, sensor_of, sensor_words, truth_targets
from smartpix.estimate.calibrate import cluster_shapes
from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
from smartpix.estimate.quality import half_width, quality
from smartpix.estimate.shape import ShapeEstimator
from smartpix.io.cluster_set import ClusterSet
from smartpix.io.events import EventFile, iterate, open_events
from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS, NetworkOptions
from smartpix.samples import from_clusters
from smartpix.schema import REGIONS, InputError, check, check_types, nearest, quoted
from smartpix.simulate.datasets import (
    REGION,
    SENSOR_TYPES,
    DatasetOptions,
    bend,
    beta_angle,
    simulate_dataset,
)
from smartpix.simulate.drift import Sensor
from smartpix.simulate.induction import N_SLICES
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train.loop import train_on
from smartpix.train.options import TrainMdnOptions
from tracking.bench.clusters import CHIP, CHIP_2_BITS, CHIP_4_BITS, TEST_SEED
from tracking.bench.mdn import VARIANTS

log = logging.getLogger(__name__)

__all__ = ["LEVERS", "Setting", "StudyOptions", "angle_pt_study", "lever_study", "pull_study"]

Floats = npt.NDArray[np.float64]
Report = Callable[[str], None]

STUDY_SEED = 7001


@dataclass(frozen=True)
class Setting:
    """One choice of everything, around the base: 50 x 12.5 x 100 um, slices 0 and 19, noise 50 e, threshold
    300 e, float.
    """

    sensor: Sensor = SENSOR_TYPES[2]
    slices: tuple[int, ...] = (0, 19)
    readout: ReadoutOptions = CHIP
    network: NetworkOptions = field(default_factory=NetworkOptions)
    induction: str = "pixelav"


def _thick(micrometres: float) -> Sensor:
    """At the same mean field of 1 V/um."""
    t = micrometres / 1000
    return Sensor(0.05, 0.0125, t, bias=micrometres, depletion=7.7 * (t / 0.1) ** 2)


def _geometry(number: int) -> str:
    s = SENSOR_TYPES[number]
    return f"{number}: {s.pitch_x * 1e3:g} x {s.pitch_y * 1e3:g} x {s.thickness * 1e3:g} um"


LEVERS: dict[str, dict[str, Setting]] = {
    "which two slices": {
        f"{a} and {b}": Setting(slices=(a, b))
        for a, b in ((0, 19), (1, 19), (2, 19), (3, 19), (4, 19), (6, 19), (9, 19), (0, 2), (0, 4), (0, 6),
        (2, 5))
    },
    "number of slices": {
        "1 (19)": Setting(slices=(19,)),
        "2 (0, 19)": Setting(),
        "3 (0, 3, 19)": Setting(slices=(0, 3, 19)),
        "4 (0, 2, 4, 19)": Setting(slices=(0, 2, 4, 19)),
        "8": Setting(slices=(0, 1, 2, 3, 4, 6, 9, 19)),
        "20": Setting(slices=tuple(range(N_SLICES))),
    },
    "noise [e]": {f"{n}": Setting(readout=replace(CHIP, noise=n)) for n in (0, 20, 40, 50, 60)},
    "threshold [e]": {
        f"{t}": Setting(readout=replace(CHIP, threshold=t)) for t in (0, 100, 200, 300, 400, 600)
    } | {"300, dispersion 100": Setting(readout=replace(CHIP, threshold_dispersion=100.0)),
    "0, no noise": Setting(readout=replace(CHIP, noise=0.0, threshold=0.0))},
    "input bits": {
        "float": Setting(), "4": Setting(readout=CHIP_4_BITS),
        "3": Setting(readout=replace(CHIP, adc_bits=3)), "2": Setting(readout=CHIP_2_BITS),
    },
    "thickness [um]": {f"{t}": Setting(sensor=_thick(t)) for t in (50, 100, 150, 200)},
    "geometry": {_geometry(k): Setting(sensor=s) for k, s in SENSOR_TYPES.items()},
    "network": {
        "mlp, 2,219": Setting(network=NetworkOptions("mlp")),
        "conv, 2,029": Setting(network=NetworkOptions("conv")),
        "columns, 1,300": Setting(network=NetworkOptions(filters=3, hidden=10)),
        "columns, 2,178": Setting(),
        "columns, 9 k": Setting(network=NetworkOptions(filters=8, hidden=36)),
        "columns, 102 k": Setting(network=NetworkOptions(filters=32, hidden=128)),
    },
    "induction followed to": {
        "3 x 3 pixels": Setting(), "5 x 13 pixels": Setting(induction="full"),
    },
}  # fmt: skip
"""Settings by lever and label; in each the base is among them."""


@dataclass(frozen=True)
class StudyOptions:
    """How long each network of a study is trained: the same for all, shorter than the shipped ones.

    Attributes:
        clusters: clusters simulated for each sensor; a fifth is held out.
        epochs: epochs of each training.
        seed: seed of each training.
        dataset: sample of tracks: ``2s`` (barrel), ``3s`` (barrel, flat in pT) or ``4s`` (end-caps).
    """

    clusters: int = 120_000
    epochs: int = 25
    seed: int = 1
    dataset: str = "2s"

    def __post_init__(self) -> None:
        check_types("study", self)
        check("study", "clusters", self.clusters, self.clusters >= 5000, "at least 5000")
        check(
            "study",
            "seed",
            self.seed,
            0 <= self.seed <= LARGEST_SEED,
            f"0 or more and at most {LARGEST_SEED}",
        )
        check(
            "study",
            "epochs",
            self.epochs,
            1 <= self.epochs <= MOST_EPOCHS,
            f"at least 1 and at most {MOST_EPOCHS}",
        )


def lever_study(levers: Sequence[str], options: StudyOptions, report: Report = log.info) -> dict[str, Any]:
    """Train the column network (or the one named) at each setting of some levers.

    Returns:
        By lever and label: ``half_width_68`` (all), ``half_width_68_central`` (|cot alpha| < 2), ``nll``,
        ``coverage68``, ``parameters``; and ``options``.

    Raises:
        InputError: unknown lever.
    """
    for lever in levers:
        if lever not in LEVERS:
            raise InputError(
                f"study: lever {quoted(lever)} is unknown.{nearest(lever, LEVERS)} There are "
                f"{', '.join(LEVERS)}"
            )
    clusters: dict[tuple[Sensor, str], ClusterSet] = {}
    done: dict[str, dict[str, Any]] = {}
    results: dict[str, Any] = {"options": asdict(options), "levers": {}}
    settings = [(lever, label, setting) for lever in levers for label, setting in LEVERS[lever].items()]
    # One sensor after the other, so that only one sample is in memory.
    for lever, label, setting in sorted(settings, key=lambda s: repr((s[2].sensor, s[2].induction))):
        key = repr(setting)
        if key not in done:
            sample = (setting.sensor, setting.induction)
            if sample not in clusters:
                clusters.clear()
                used = {
                    s
                    for _, _, other in settings
                    if (other.sensor, other.induction) == sample
                    for s in other.slices
                }
                made = DatasetOptions(
                    options.dataset, setting.sensor, slices=tuple(sorted(used)), induction=setting.induction
                )
                clusters[sample] = simulate_dataset(made, options.clusters, STUDY_SEED)
            done[key] = _train(setting, clusters[sample], options)
        report(
            f"{lever}: {label}: cot alpha {done[key]['half_width_68_central']['cot_alpha']:.3f} (|cot alpha| "
            f"< 2)"
        )
        results["levers"].setdefault(lever, {})[label] = done[key]
    # In the order of the tables.
    results["levers"] = {lever: {k: results["levers"][lever][k] for k in LEVERS[lever]} for lever in levers}
    return results


def _train(setting: Setting, clusters: ClusterSet, options: StudyOptions) -> dict[str, Any]:
    sensor = DatasetOptions(sensor=setting.sensor).described()
    samples = from_clusters(clusters.select(setting.slices), setting.readout, sensor, {}, options.seed)
    training = TrainMdnOptions(setting.network, epochs=options.epochs, seed=options.seed)
    with tempfile.TemporaryDirectory() as folder:
        metrics = train_on(
            samples, REGION[options.dataset], Path(folder) / "w.safetensors", training, lambda _: None
        )
    return {
        k: metrics[k]
        for k in ("half_width_68", "half_width_68_central", "nll", "coverage68", "parameters", "truncated")
    }


def pull_study(files: Sequence[str | Path], mdn: tuple[str, str] | None, shape: str | None) -> dict[str, Any]:
    """Residuals and pulls of the networks, with the cluster-shape estimates beside them, on simulated events.

    Args:
        files: event files with truth.
        mdn: weights for barrel and end-caps; shape: of the cluster-shape estimates. None: without them.

    Returns:
        By region (``barrel``, ``endcap``) and estimator (``mdn``, ``shape``) the output of
        :func:`smartpix.estimate.quality.quality`, and under ``"arrays"`` (not for JSON) the residuals, pulls
            and which clusters are flagged.

    Raises:
        InputError: a file has no truth, lacks slices or is of another sensor than the weights.
    """
    estimators: dict[str, MdnEstimator | ShapeEstimator] = {}
    if mdn is not None:
        estimators["mdn"] = MdnEstimator.load(*mdn)
    if shape is not None:
        estimators["shape"] = ShapeEstimator.load(shape)
    for file in files:
        _check_fits(open_events(file), estimators)
    parts: dict[tuple[str, str], list[tuple[Floats, ...]]] = {}
    for opened, events in iterate(list(files), step=5):
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["clusters"], axis=1)))
        clusters = ak.flatten(events["clusters"], axis=1)
        target, has = truth_targets(clusters, 0.95, event)
        clusters, target = clusters[has], target[has]
        detector = opened.header.detector
        barrel = detector.barrel[ak.to_numpy(clusters["module_index"])]
        estimates = {name: e.predict(flatten(clusters, e.slices), detector) for name, e in estimators.items()}
        pixels = flatten(clusters, opened.header.slices[-1:])
        spanned = cluster_shapes(
            pixels.first, pixels.counts, pixels.row, pixels.column, pixels.charge[:, -1].astype(np.float64)
        )[:, 1:]
        # All are judged on the same clusters.
        flagged = np.any([estimate.flagged for estimate in estimates.values()], axis=0)
        for name, estimate in estimates.items():
            for region, inside in zip(REGIONS, (barrel, ~barrel), strict=True):
                parts.setdefault((region, name), []).append(
                    (
                        estimate.mean[inside],
                        estimate.cholesky[inside],
                        target[inside],
                        flagged[inside],
                        spanned[inside],
                    )
                )
    results: dict[str, Any] = {region: {} for region in REGIONS}
    arrays: dict[tuple[str, str], tuple[Floats, Floats]] = {}
    for (region, name), pieces in parts.items():
        mean, cholesky, target, flagged, sizes = (np.concatenate(p) for p in zip(*pieces, strict=True))
        if not len(mean):
            continue
        results[region][name] = quality(mean, cholesky, target, flagged.astype(bool), region, sizes)
        residual = (target - mean)[~flagged.astype(bool)]
        arrays[(region, name)] = residual, residual / np.linalg.norm(cholesky, axis=2)[~flagged.astype(bool)]
    results["arrays"] = arrays
    return results


def _check_fits(opened: EventFile, estimators: Mapping[str, MdnEstimator | ShapeEstimator]) -> None:
    if not opened.has_truth:
        raise InputError(f"{opened.path}: has no truth; give simulated files")
    sensors = sensor_of(opened.header.detector, opened.header.field)
    for name, estimator in estimators.items():
        missing = set(estimator.slices) - set(opened.header.slices)
        if missing:
            raise InputError(
                f"{opened.path}: lacks the slices {sorted(missing)} that the estimates need; simulate with "
                f"them"
            )
        for region, sensor in sensors.items():
            trained = estimator.descriptions.get(region, {}).get("sensor")
            if trained is None or not same_sensor(trained, sensor):
                other = "another region" if trained is None else sensor_words(trained)
                raise InputError(
                    f"{opened.path}: the {region} is of the sensor {sensor_words(sensor)} and the {name} "
                    f"weights are for {other}; "
                    "give files of what the weights are for"
                )


def angle_pt_study(variant: str, n_clusters: int) -> dict[str, Any]:
    """What one layer's beta tells about the transverse momentum.

    The bend dphi = pi/2 - beta - atan(y_local / R) is measured with the network's beta; truly it is
    asin(0.3 q B R / (2 pT)).

    Args:
        variant: of :data:`tracking.bench.mdn.VARIANTS`.
        n_clusters: of data set 2s.

    Returns:
        ``mrad_gev`` (slope of the true bend with q/pT at large pT), ``slope`` (of the measured with the true
        bend), ``sigma_beta_deg`` (68 % half width), ``pt_of_one_sigma_gev`` (where the bend equals it),
        ``by_pt`` with the share of right charge signs; and under ``"arrays"`` (not for JSON) q/pT, true and
        measured bend.
    """
    if variant not in VARIANTS:
        raise InputError(f"study angle-pt: variant {quoted(variant)} is unknown.{nearest(variant, VARIANTS)}")
    chosen = VARIANTS[variant]
    network = MdnNetwork.load(chosen.weights)
    options = DatasetOptions(slices=tuple(network.description["slices"]))
    clusters = simulate_dataset(options, n_clusters, TEST_SEED + 1)
    samples = from_clusters(clusters, chosen.readout, options.described(), {}, TEST_SEED)
    keep = ~samples.truncated
    mean, _ = network.predict_images(samples.images[keep])
    pt, y_local = clusters.labels["pt"][keep], clusters.labels["y-local"][keep]
    turned = np.arctan(y_local / options.radius)
    true = np.pi / 2 - beta_angle(pt, y_local, options.radius, options.field) - turned
    measured = np.arctan(mean[:, 3]) - turned
    sigma = half_width(measured - true)
    slope = float((measured * true).sum() / (true**2).sum())
    constant = bend(options.radius, options.field)
    by_pt = []
    for low, high in ((0.1, 0.2), (0.2, 0.3), (0.3, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 10.0)):
        inside = (np.abs(pt) >= low) & (np.abs(pt) < high)
        if inside.sum() >= 20:
            right = float((np.sign(measured[inside]) == np.sign(pt[inside])).mean())
            by_pt.append({"low": low, "high": high, "n": int(inside.sum()), "right_charge": right})
    return {
        "variant": variant,
        "n": int(keep.sum()),
        "mrad_gev": constant * 1e3,
        "slope": slope,
        "sigma_beta_deg": float(np.degrees(sigma)),
        "pt_of_one_sigma_gev": float(constant / np.sin(sigma)),
        "by_pt": by_pt,
        "arrays": (1 / pt, true, measured),
    }
