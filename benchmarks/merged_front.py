"""One particle against two in a cluster: the ECAL talk's networks, their toy, and anomaly scores of autoencoders;
writes benchmarks/results/merged-front.json and docs/front-merged.png.

    python benchmarks/merged_front.py [--work FOLDER] [--part NAME ...]

Event files are simulated into FOLDER, if they are not there, with the commands of SAMPLES. One thread. Parts that
are not asked for keep their results; without any, with ``--part``, only the figure is drawn.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from chain import RESULTS, smartpix
from merged_figure import draw
from merged_samples import Clusters, complete_clusters, noise_clusters, simple_windows
from sklearn.metrics import roc_auc_score

from smartpix.merged.anomaly import AutoencoderOptions, autoencoder_sizes, true_rate
from smartpix.merged.autoencoders import anomaly_scores
from smartpix.merged.count import CountNetwork
from smartpix.merged.ecal import FrontNetwork, front_inputs
from smartpix.merged.front import FRONT_NETWORKS, FrontOptions, sizes
from smartpix.merged.quality import area_under_curve, found_at
from smartpix.merged.toy import ToyOptions, toy_images
from smartpix.shipped import data_path
from smartpix.train.anomaly import train_autoencoder
from smartpix.train.anomaly_options import TrainAutoencoderOptions
from smartpix.train.front import front_probabilities, train_front
from smartpix.train.front_options import TrainFrontOptions

GROUPS = ("crossings", "--together", "1", "2", "3", "--distance", "0.05", "3", "--per-event", "5000")
RANDOM = [
    f"randomise.{name}"
    for name in (
        "bias=0.05", "temperature=0.03", "lorentz=0.03", "charge=0.05", "noise=0.1", "threshold=0.03",
        "sigma_t=0.1", "phase=30",
    )
]  # fmt: skip
CORES = (
    "events", "--pileup", "60", "--jets", "10", "--jet-particles", "15", "30", "--jet-radius", "0.03", "--jet-pt",
    "500", "2000",
)  # fmt: skip
SAMPLES = {
    "groups-train": [
        *GROUPS,
        "--events",
        "60",
        "--seed",
        "50401",
        *(f for r in RANDOM for f in ("--set", r)),
    ],
    "groups-test": [*GROUPS, "--events", "24", "--seed", "52401"],
    "cores-train": [*CORES, "--events", "60", "--seed", "50011"],
    "cores-test": [*CORES, "--events", "12", "--seed", "52402"],
    "pileup-train": ["events", "--pileup", "200", "--events", "8", "--seed", "2003"],
    "pileup-test": ["events", "--pileup", "200", "--events", "12", "--seed", "8471"],
}
"""Event files, and the arguments of ``smartpix simulate`` that make them."""
SIMPLE_SEED, N_SIMPLE = 50404, 12_000
NOISE_SEED, N_NOISE = 52404, 10_000
EPOCHS = {"ecal-cnn": 4, "tmva-cnn": 4, "ecal-dnn": 10, "ecal-shape": 10}
BATCH = 256
TOY_SEEDS = (1, 2, 3)
NEW_SIZES = {"ecal-dnn": (1000, 4000, 16_000), "tmva-cnn": (1000, 16_000)}
"""Clusters of events to go on with."""
PASSES = 64_000
"""Clusters seen in such a training, those of all its passes together, so that all take as many steps."""
N_USUAL = {"dense": 40_000, "conv": 16_000}
"""Clusters of one particle from each of two files to train an autoencoder on."""
N_PILEUP = 120_000
"""Clusters of one particle to count false rates of: 1e-5 are one of them."""
RATES = (1e-2, 1e-5)
COUNTS = ("count-barrel", "fixed-count-barrel")
"""Of floating point and of whole numbers; those that ship are measured."""


def samples(name: str, work: Path) -> Clusters:
    """Clusters of a file, which is simulated if it is not there."""
    path = work / f"{name}.root"
    if not path.exists():
        smartpix("simulate", *SAMPLES[name], "-o", str(path))
    return complete_clusters([str(path)])


def told_apart(chance: np.ndarray, test: Clusters) -> dict[str, float]:
    """How one and two particles are told apart."""
    one, two = chance[test.count == 1], chance[test.count == 2]
    return {"auc": area_under_curve(two, one), "efficiency": found_at(one, two)}


def trained(train: Clusters, name: str, start: FrontNetwork | None = None, **more: float) -> FrontNetwork:
    """A network of the front that tells one particle from more."""
    settings = {"epochs": EPOCHS[name], "batch_size": BATCH} | more
    options = TrainFrontOptions(FrontOptions(name), **settings)
    return train_front(train.images, (train.count > 1).astype(np.int64), options, start, lambda line: None)


def microseconds(network: FrontNetwork, images: np.ndarray) -> dict[str, float]:
    """Processor time per cluster on one thread, of what the network sees and of the network; median of 5."""
    found = []
    for _ in range(5):
        begin = time.process_time()
        inputs = front_inputs(images, network.options)
        seen = time.process_time()
        with torch.inference_mode():
            network(inputs)
        found.append((seen - begin, time.process_time() - seen))
    inputs_s, network_s = np.median(found, axis=0) / len(images) * 1e6
    return {"us_inputs": float(inputs_s), "us_network": float(network_s)}


def toy() -> dict:
    """ROOT's toy at its full size: four in five images train, the others test."""
    result = {}
    for name in FRONT_NETWORKS:
        options = FrontOptions(name, 1, 16, 16, unit=1.0)
        aucs = []
        for seed in TOY_SEEDS:
            images, label = toy_images(ToyOptions(seed=50_410 + seed))
            first = len(images) * 4 // 5
            network = train_front(
                images[:first], label[:first], TrainFrontOptions(options, seed=seed), report=lambda line: None
            )
            aucs.append(float(roc_auc_score(label[first:], front_probabilities(network, images[first:]))))
        size = sizes(options)
        result[name] = {"trained": size.trained, "moving": size.moving, "auc": aucs}
        print("toy", name, result[name], flush=True)
    return result


def front(work: Path) -> dict:
    """All networks on groups of crossings close together."""
    train, test = samples("groups-train", work), samples("groups-test", work)
    result: dict = {"n_train": len(train), "n_test": np.bincount(test.count).tolist(), "networks": {}}
    for name in FRONT_NETWORKS:
        begin = time.process_time()
        network = trained(train, name)
        spent = time.process_time() - begin
        size = sizes(network.options)
        result["networks"][name] = {
            "trained": size.trained, "moving": size.moving, "training_s": spent,
            **told_apart(front_probabilities(network, test.images), test),
            **microseconds(network, test.images[:4096]),
        }  # fmt: skip
        print("front", name, result["networks"][name], flush=True)
    return result


def transfer(work: Path) -> dict:
    """What a training on simple windows gives, and shifted copies, where few clusters of events are at hand."""
    train, test = samples("cores-train", work), samples("cores-test", work)
    simple = simple_windows(N_SIMPLE, SIMPLE_SEED)
    rows = np.random.default_rng(SIMPLE_SEED).permutation(len(train))
    result: dict = {"n_simple": len(simple), "n_test": np.bincount(test.count).tolist(), "networks": {}}
    for name, new_sizes in NEW_SIZES.items():
        start = trained(simple, name)
        own = {"0": {"simple alone": told_apart(front_probabilities(start, test.images), test)}}
        for n in new_sizes:
            part, epochs = train.take(rows[:n]), PASSES // n
            ways = {
                "from scratch": trained(part, name, epochs=epochs),
                "after simple": trained(part, name, start, epochs=epochs),
                "copies": trained(part, name, epochs=epochs, shift=1),
                "after simple, copies": trained(part, name, start, epochs=epochs, shift=1),
            }
            own[str(n)] = {
                way: told_apart(front_probabilities(network, test.images), test)
                for way, network in ways.items()
            }
            print("transfer", name, n, own[str(n)], flush=True)
        result["networks"][name] = own
    return result


def anomaly(work: Path) -> dict:
    """Autoencoders that know clusters of one particle, on four questions."""
    singles = [
        part.images[(part.count == 1) & ~part.fragment]
        for part in (samples(name, work) for name in ("groups-train", "pileup-train"))
    ]
    groups, pileup, cores = (samples(f"{name}-test", work) for name in ("groups", "pileup", "cores"))
    whole = (pileup.count == 1) & ~pileup.fragment
    tail = pileup.density > np.quantile(pileup.density[whole], 0.99)
    lone = pileup.images[whole & ~tail][:N_PILEUP]
    beside = [part.images[(part.count == 1) & part.fragment] for part in (pileup, cores)]
    questions = {
        "two, close together": (groups.images[groups.count == 1], groups.images[groups.count == 2]),
        "beside its crossing": (lone, np.concatenate(beside)),
        "charge in the upper 1 %": (lone, pileup.images[whole & tail]),
        "noise alone": (lone, noise_clusters(N_NOISE, NOISE_SEED)),
    }
    result: dict = {
        "n_train": {kind: 2 * n for kind, n in N_USUAL.items()},
        "questions": {q: [len(a), len(b)] for q, (a, b) in questions.items()}, "networks": {},
    }  # fmt: skip
    for name, kind, variational, beta in (
        ("dense", "dense", False, 0.0),
        ("dense variational", "dense", True, 0.8),
        ("conv", "conv", False, 0.0),
        ("conv variational", "conv", True, 0.8),
    ):
        options = AutoencoderOptions(kind, variational, beta=beta)
        train = TrainAutoencoderOptions(options, epochs=20 if kind == "dense" else 5)
        usual = np.concatenate([images[: N_USUAL[kind]] for images in singles])
        network = train_autoencoder(usual, train, lambda line: None)
        size = autoencoder_sizes(options)
        scores: dict = {}
        for question, sides in questions.items():
            low, high = (anomaly_scores(network, images) for images in sides)
            for score in low:
                label = np.repeat([0, 1], [len(low[score]), len(high[score])])
                rates = {f"{rate:g}": true_rate(low[score], high[score], rate) for rate in RATES}
                scores.setdefault(score, {})[question] = {
                    "auc": float(roc_auc_score(label, np.concatenate([low[score], high[score]]))),
                    "true_rate": {k: None if np.isnan(v) else v for k, v in rates.items()},
                }
        result["networks"][name] = {
            "encoder": size.encoder, "decoder": size.decoder, "beta": beta, "scores": scores,
        }  # fmt: skip
        print("anomaly", name, json.dumps(result["networks"][name]), flush=True)
    return result


def ships(name: str) -> bool:
    """Whether there are weights of this name."""
    return (data_path("weights") / f"{name}.safetensors").exists()


def counts(work: Path) -> dict:
    """The shipped networks that count particles, on the same clusters as the front."""
    test = samples("groups-test", work)
    result: dict = {"networks": {}}
    for name in filter(ships, COUNTS):
        network = CountNetwork.load(name)
        images = np.ascontiguousarray(test.images[:4096])
        network.of_images(images)
        found = []
        for _ in range(5):
            begin = time.process_time()
            network.of_images(images)
            found.append(time.process_time() - begin)
        result["networks"][name] = {
            "trained": network.description["metrics"]["parameters"],
            **told_apart(1 - network.of_images(test.images)[:, 0].astype(np.float64), test),
            "us_inputs": 0.0, "us_network": float(np.median(found)) / len(images) * 1e6,
        }  # fmt: skip
        print("counts", name, result["networks"][name], flush=True)
    return result


PARTS = {
    "toy": lambda work: toy(),
    "front": front,
    "transfer": transfer,
    "anomaly": anomaly,
    "counts": counts,
}


def main(work: Path, parts: list[str]) -> None:
    """Measure some parts and keep the others."""
    torch.set_num_threads(1)
    work.mkdir(exist_ok=True)
    path = RESULTS / "merged-front.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for part in parts:
        begin = time.process_time()
        result[part] = PARTS[part](work)
        print(part, f"{time.process_time() - begin:.0f} s", flush=True)
        result["remake"] = "python benchmarks/merged_front.py"
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draw(result, Path(__file__).resolve().parents[1] / "docs" / "front-merged.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("merged-work"))
    parser.add_argument("--part", choices=PARTS, nargs="*", default=list(PARTS))
    options = parser.parse_args()
    main(options.work, options.part)
