"""Position and direction of the particle from one cluster, with covariance: the interface and its two implementations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters, flatten, windows
from smartpix.geometry import Detector
from smartpix.io import Header
from smartpix.schema import N_COLUMNS, N_ROWS, InputError
from smartpix.weights import data_path, load_arrays, load_weights

__all__ = ["TARGETS", "Estimate", "Estimator", "MdnEstimator", "choose_estimator", "estimate", "sensor_of", "truth_targets"]

Floats = npt.NDArray[np.float64]

TARGETS = ("x", "y", "cot_alpha", "cot_beta")
REGIONS = ("barrel", "endcap")


@dataclass(frozen=True)
class Estimate:
    """Gaussian estimates of N clusters in their sensor frames.

    Attributes:
        mean: (N, 4) x and y of the midplane crossing in mm from the module centre, cot alpha, cot beta.
        cholesky: (N, 4, 4) lower-triangular factor M of the covariance M M^T.
    """

    mean: Floats
    cholesky: Floats

    def __len__(self) -> int:
        return len(self.mean)

    def covariance(self) -> Floats:
        """(N, 4, 4)."""
        return np.asarray(self.cholesky @ np.swapaxes(self.cholesky, 1, 2))

    def sigma(self) -> Floats:
        """(N, 4) standard deviations: the row norms of the factor."""
        return np.asarray(np.linalg.norm(self.cholesky, axis=2))


class Estimator(Protocol):
    """Anything that turns clusters into estimates."""

    @property
    def slices(self) -> Sequence[int]:
        """Time slices it needs."""
        ...

    def predict(self, clusters: FlatClusters, detector: Detector) -> Estimate:
        """Estimates of all clusters, in their order."""
        ...


@dataclass(frozen=True)
class MdnEstimator:
    """The mixture density network, one set of weights for the barrel and one for the end-caps.

    Drift in the magnetic field shears barrel clusters and not those of the end-caps, hence two sets.
    """

    models: Mapping[str, Any]
    descriptions: Mapping[str, Mapping[str, Any]]

    @classmethod
    def load(cls, barrel: str = "mdn-barrel", endcap: str = "mdn-endcap") -> MdnEstimator:
        """Load shipped weights by name, or others by path.

        Raises:
            InputError: missing file or weights of another architecture.
        """

        from smartpix.model import ARCHITECTURE, Mdn

        models, descriptions = {}, {}
        for region, name in zip(REGIONS, (barrel, endcap), strict=True):
            arrays, descriptions[region] = load_weights(name, ARCHITECTURE)
            model = Mdn()
            load_arrays(model, arrays, name)
            models[region] = model.eval()
        if descriptions["barrel"]["slices"] != descriptions["endcap"]["slices"]:
            raise InputError("MDN weights: barrel and end-cap were trained on different slices; use a matching pair")
        return cls(models, descriptions)

    @property
    def slices(self) -> Sequence[int]:
        """Time slices the network was trained on."""
        return tuple(self.descriptions["barrel"]["slices"])

    def predict(self, clusters: FlatClusters, detector: Detector) -> Estimate:
        """Estimates of all clusters, in their order."""
        import torch

        from smartpix.model import TARGET_SCALE, encode, split_outputs

        mean, cholesky = np.zeros((len(clusters), 4)), np.zeros((len(clusters), 4, 4))
        images, origin = windows(clusters)
        barrel = detector.barrel[clusters.module]
        for region, chosen in zip(REGIONS, (barrel, ~barrel), strict=True):
            where = np.flatnonzero(chosen)
            if len(where) == 0:
                continue
            with torch.inference_mode():
                raw = torch.cat(
                    [
                        self.models[region](encode(torch.from_numpy(images[part])))
                        for part in np.array_split(where, len(where) // 4096 + 1)
                    ]
                )
                m, c = (a.double().numpy() for a in split_outputs(raw))
            factors = self.descriptions[region]["calibration"]
            cut = clusters.truncated[where][:, None]
            scale = np.array(TARGET_SCALE) * np.where(cut, factors["truncated"], factors["complete"])
            mean[where] = m * np.array(TARGET_SCALE)
            cholesky[where] = c * scale[:, :, None]
        mean[:, :2] += window_center(origin, clusters.module, detector)
        return Estimate(mean, cholesky)


def window_center(origin: Floats, module: npt.NDArray[np.int32], detector: Detector) -> Floats:
    """(N, 2) x and y (mm) of the centre pixel (row 6, column 10) of windows that start at ``origin`` (row, column)."""
    x = (origin[:, 1] + N_COLUMNS // 2 + 0.5) * detector.pitch_x[module] - detector.half_x[module]
    y = (origin[:, 0] + N_ROWS // 2 + 0.5) * detector.pitch_y[module] - detector.half_y[module]
    return np.stack([x, y], axis=1)


def truth_targets(clusters: ak.Array, min_share: float = 0.0) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """True (x, y, cot alpha, cot beta) of each cluster's main particle, (N, 4), and whether it has one of ``min_share``."""
    main = ak.firsts(clusters["truth"])
    has = ak.to_numpy(ak.fill_none(main["share"] >= min_share, False))
    columns = [ak.to_numpy(ak.fill_none(main[name], np.nan)).astype(np.float64) for name in TARGETS]
    return np.stack(columns, axis=1), has


def sensor_of(detector: Detector, field: float) -> dict[str, dict[str, float]]:
    """Pitch, thickness (mm) and field (T) of barrel and end-cap; a region without modules is left out.

    Raises:
        InputError: the modules of a region differ, so that one set of weights cannot serve it.
    """
    kinds = {}
    for region, chosen in zip(REGIONS, (detector.barrel, ~detector.barrel), strict=True):
        if not np.any(chosen):
            continue
        values = np.stack([detector.pitch_x, detector.pitch_y, detector.thickness], axis=1)[chosen]
        if not np.allclose(values, values[0], rtol=1e-4):
            raise InputError(f"detector table: the {region} has modules of several pitches or thicknesses; split the file")
        x, y, t = (round(float(v), 6) for v in values[0])
        kinds[region] = {"pitch_x": x, "pitch_y": y, "thickness": t, "field": field}
    return kinds


def choose_estimator(
    header: Header, kind: str = "auto", mdn_barrel: str = "mdn-barrel", mdn_endcap: str = "mdn-endcap", shape: str = "auto"
) -> Estimator:
    """The estimator for a file: ``"mdn"``, ``"shape"``, or ``"auto"`` (the MDN where it was trained for the file's sensor).

    Args:
        header: of the file.
        kind: which.
        mdn_barrel, mdn_endcap: shipped weights by name, or others by path.
        shape: likewise; ``"auto"`` takes the shipped ones that fit the sensor.

    Raises:
        InputError: unknown kind, unusable weights, or none trained for this sensor (lists those there are).
    """
    from smartpix.shape import ShapeEstimator

    if kind not in ("auto", "mdn", "shape"):
        raise InputError(f"estimates '{kind}' are unknown; use auto, mdn or shape")
    sensor = sensor_of(header.detector, header.field)
    candidates: list[tuple[str, MdnEstimator | ShapeEstimator]] = []
    if kind != "shape":
        candidates.append(("mdn", MdnEstimator.load(mdn_barrel, mdn_endcap)))
    if kind != "mdn":
        names = [p.stem for p in sorted(data_path("weights").glob("shape-*.json"))] if shape == "auto" else [shape]
        candidates += [(name, ShapeEstimator.load(name)) for name in names]
    known = []
    for name, candidate in candidates:
        trained = {region: description["sensor"] for region, description in candidate.descriptions.items()}
        known.append(f"{name}: {trained} with slices {list(candidate.slices)}")
        fits = all(r in trained and _same_sensor(trained[r], sensor[r]) for r in sensor)
        if fits and set(candidate.slices) <= set(header.slices):
            return candidate
    raise InputError(
        f"no {'estimates' if kind == 'auto' else kind} trained for the sensor {sensor} with slices {list(header.slices)}; "
        f"there are {known}. Train one: `smartpix train shape` on a simulated file of that sensor"
    )


def _same_sensor(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return all(abs(a[k] - b[k]) <= 0.02 * abs(b[k]) for k in ("pitch_x", "pitch_y", "thickness", "field"))


def estimate(clusters: ak.Array, header: Header, estimator: Estimator) -> Estimate:
    """Estimates of cluster records (one event's, or flattened).

    Raises:
        InputError: an estimate is not finite (damaged weights).
    """
    result = estimator.predict(flatten(clusters, estimator.slices), header.detector)
    if not (np.all(np.isfinite(result.mean)) and np.all(np.isfinite(result.cholesky))):
        raise InputError(
            "estimates: the network gives values that are not finite; its weights are damaged, train or copy them again"
        )
    return result
