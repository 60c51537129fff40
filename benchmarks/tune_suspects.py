"""Fit the forms that tell which clusters may be merged: python benchmarks/tune_suspects.py GROUPS.root EVENTS.root.

GROUPS: groups of crossings (smartpix simulate crossings --together 1 2 3) that no network was trained on.
EVENTS: ordinary events, of which as few clusters as possible are to be suspect.

Writes smartpix/merged/suspect_tables.py. The form is a logistic regression of both kinds of clusters. Merged are
those that cross farther apart than half a pitch along y and that the network of counts calls merged, where it
calls 5 % of single ones so. The constant is such that 99 % of them are above 0. ``--test GROUPS EVENTS`` prints what
the present forms keep of others.
"""

import argparse
from pathlib import Path

import awkward as ak
import numpy as np

from smartpix.clusters import flatten
from smartpix.estimate.mdn import MdnEstimator
from smartpix.io.events import iterate
from smartpix.merged import CountNetworks, true_particles
from smartpix.merged.quality import WRONG, threshold_at
from smartpix.merged.suspects import suspect_features, suspects

KEPT = 0.99
WEIGHT = 10.0
"""Of merged clusters in the regression: to lose one costs more than to look at another."""
TABLES = Path(__file__).parents[1] / "smartpix" / "merged" / "suspect_tables.py"
Columns = dict[str, np.ndarray]


def columns(path: str, estimator: MdnEstimator, networks: CountNetworks | None, most: int) -> Columns:
    """Of all clusters of some events: features, whether in the barrel and complete, whether suspect, true number
    and distance along y in pitches, and the probability of several.
    """
    found: dict[str, list[np.ndarray]] = {}
    for number, (opened, events) in enumerate(iterate([path], step=1)):
        if number == most:
            break
        detector, clusters = opened.header.detector, ak.flatten(events["clusters"], axis=1)
        flat = flatten(clusters, estimator.slices)
        lone = estimator.predict(flat, detector)
        count, targets = true_particles(clusters)
        suspect = np.zeros(len(flat), dtype=bool)
        suspect[suspects(flat, lone, detector)] = True
        apart = np.abs(targets[:, 0, 1] - targets[:, 1, 1]) / detector.pitch_y[flat.module]
        merged = np.zeros(len(flat))
        if networks is not None:
            rows, field = np.arange(len(flat)), opened.header.field
            merged = 1.0 - networks.probabilities(flat, rows, detector, field=field)[:, 0]
        for name, values in {
            "features": suspect_features(flat, lone, detector), "barrel": detector.barrel[flat.module],
            "complete": ~lone.flagged, "suspect": suspect, "count": count, "apart": apart, "merged": merged,
        }.items():  # fmt: skip
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in found.items()}


def products(features: np.ndarray) -> np.ndarray:
    """(N, 35) in the order of the tables."""
    rows = []
    for i in range(features.shape[1]):
        rows += [features[:, i], *(features[:, i] * features[:, j] for j in range(i, features.shape[1]))]
    return np.stack(rows, axis=1).astype(np.float64)


def wanted(groups: Columns, region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which clusters are of separable particles, and which of these the network finds."""
    complete = region & groups["complete"]
    separable = complete & (groups["count"] > 1) & (groups["apart"] > 0.5)
    threshold = threshold_at(groups["merged"][complete & (groups["count"] == 1)], WRONG)
    return separable, separable & (groups["merged"] > threshold)


def fitted(groups: Columns, events: Columns, barrel: bool) -> list[float]:
    """The constant and the coefficients of a region."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _, found = wanted(groups, groups["barrel"] == barrel)
    ordinary = (events["barrel"] == barrel) & events["complete"]
    one, other = products(groups["features"][found]), products(events["features"][ordinary])
    values, truth = np.concatenate([one, other]), np.r_[np.ones(len(one)), np.zeros(len(other))]
    weight = np.where(truth == 1, WEIGHT * len(other) / len(one), 1.0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=1000))
    model.fit(values, truth, logisticregression__sample_weight=weight)
    scaler, regression = model[0], model[1]
    slopes = regression.coef_[0] / scaler.scale_
    return [-float(np.quantile(one @ slopes, 1 - KEPT)), *slopes.tolist()]


def write(tables: dict[str, list[float]]) -> None:
    """Put the numbers into the module."""
    text = TABLES.read_text(encoding="utf-8")
    for name, values in tables.items():
        lines = [", ".join(f"{v:.6g}" for v in values[k : k + 9]) for k in range(0, len(values), 9)]
        begin = text.index(f"{name} = (")
        end = begin + min(
            text[begin:].index(stop) + len(stop)
            for stop in (") * 36\n", ")  # fmt: skip\n")
            if stop in text[begin:]
        )
        text = f"{text[:begin]}{name} = (\n    " + ",\n    ".join(lines) + f",\n)  # fmt: skip\n{text[end:]}"
    TABLES.write_text(text, encoding="utf-8")


def told(groups: Columns, events: Columns) -> None:
    """Print what the module's forms keep."""
    for name, barrel in (("barrel", True), ("end-caps", False)):
        separable, found = wanted(groups, groups["barrel"] == barrel)
        of_region = events["barrel"] == barrel
        kept = [float(groups["suspect"][rows].mean()) for rows in (found, separable)]
        share = float(events["suspect"][of_region].mean())
        print(
            f"{name:9s} kept of found {kept[0]:.4f}, of separable {kept[1]:.4f}; suspect in events {share:.4f}"
        )
    print(f"suspect in events {float(events['suspect'].mean()):.4f}")


def main() -> None:
    """Fit, or test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups")
    parser.add_argument("events")
    parser.add_argument("--count", nargs=2, default=("count-barrel", "count-endcap"), metavar="WEIGHTS")
    parser.add_argument("--most", type=int, default=12, help="ordinary events to read")
    parser.add_argument("--test", action="store_true", help="fit nothing")
    options = parser.parse_args()
    estimator, networks = MdnEstimator.load(), CountNetworks.load(*options.count)
    groups = columns(options.groups, estimator, networks, 10**6)
    events = columns(options.events, estimator, None, options.most)
    if options.test:
        told(groups, events)
        return
    write({name: fitted(groups, events, name == "BARREL") for name in ("BARREL", "ENDCAP")})


if __name__ == "__main__":
    main()
