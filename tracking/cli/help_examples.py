"""The examples at the end of each command's ``--help``."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["EXAMPLES"]

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "run": (
        "smartpix run F.root -o out --set cone.quantile=0.99",
        "smartpix run 'pu200-*.root' --events 0:100 --dask local",
        "smartpix run F.root --options run.toml --write edges.parquet",
    ),
    "compare": (
        "smartpix compare out-a out-b",
        "smartpix compare out-a out-b out-c -o compared.pdf",
        "smartpix compare a/summary.json b/summary.json --json",
    ),
    "options": (
        "smartpix options cone",
        "smartpix options train gnn --json",
        "smartpix options --set cone.quantile=0.99 --write-options run.toml",
    ),
    "examples": ("smartpix examples", "smartpix examples cone_study.ipynb -o notebooks"),
    "info": ("smartpix info F.root", "smartpix info gnn", "smartpix info out --json"),
    "display": ("smartpix display", "smartpix display F.root --event 3 -o event.html"),
    "beamspot": ("smartpix beamspot F.root --events 200 --json",),
    "doctor": ("smartpix doctor",),
    "simulate events": (
        "smartpix simulate events --pileup 200 --events 3 --seed 7 -o pu200.root",
        "smartpix simulate events --pileup 60 --jets 20 --detector odd --seed 3 -o jets.root",
    ),
    "simulate crossings": (
        "smartpix simulate crossings --seed 1 -o crossings.root",
        "smartpix simulate crossings --together 1 2 3 --distance 0.05 3 --seed 1 -o groups.root",
    ),
    "simulate clusters": (
        "smartpix simulate clusters --dataset 2s --type 2 -n 100000 --seed 1 -o 2s.parquet",
        "smartpix simulate clusters --dataset merged -n 100000 --seed 1 -o merged.parquet",
    ),
    "simulate toys": ("smartpix simulate toys --kind 3d --events 10000 --seed 1 -o toys.npz",),
    "train mdn": (
        "smartpix train mdn crossings.root --region barrel -o mine.safetensors",
        "smartpix train mdn 2s.parquet --region barrel --noise 50 --threshold 300 --bits 4 -o chip.safetensors",
    ),
    "train mixture": (
        "smartpix train mixture groups.root --region barrel --particles 2 -o pair.safetensors",
    ),
    "train count": ("smartpix train count groups.root --region barrel -o count.safetensors",),
    "train shape": (
        "smartpix train shape --detector telescope --crossings 50000 --seed 1 -o shape.safetensors",
    ),
    "train front": ("smartpix train front groups.root --region barrel -o front.safetensors",),
    "train gnn": (
        "smartpix train gnn pu200.root F.root -o gnn.safetensors",
        "smartpix train gnn F.root --network interaction -o trigger.safetensors",
    ),
    "train gravnet": ("smartpix train gravnet F.root -o gravnet.safetensors",),
    "train garnet": ("smartpix train garnet F.root -o garnet.safetensors",),
    "train deepcore": ("smartpix train deepcore cores.root -o deepcore.safetensors",),
    "train trkx": ("smartpix train trkx --model lstm-50 -o lstm.safetensors",),
    "train ramp": ("smartpix train ramp --finder graph -o ramp.safetensors",),
    "train path": ("smartpix train path F.root --gates G.root -o path.safetensors",),
    "train link": ("smartpix train link F.root -o link.safetensors",),
    "calibrate": (
        "smartpix calibrate mine.safetensors nominal.root -o here.safetensors",
        "smartpix calibrate --from-tracks F.root -o calibration.json",
    ),
    "compress": (
        "smartpix compress crossings.root --region barrel --from mdn-barrel -o fixed.safetensors",
        "smartpix compress 2s.parquet --region barrel --method mdmm --target 0.67 -o small.safetensors",
    ),
    "export": ("smartpix export fixed-barrel -o chip", "smartpix export gnn -o gnn.onnx"),
    "export graphs": (
        "smartpix export graphs 'pu60-*.root' -o graphs --jobs 2",
        "smartpix export graphs F.root -o graphs --format npz --window --events 0:100",
    ),
    "export calibrator": (
        "smartpix export calibrator -o estimates.onnx --file F.root --check F.root",
        "smartpix export calibrator --file F.root --table errors.json",
    ),
    "bench mdn": ("smartpix bench mdn --clusters 20000 --json",),
    "bench export": ("smartpix bench export --json",),
    "bench seeding": ("smartpix bench seeding --events 3 --pileup 60,200 -o seeding",),
    "bench tracking": ("smartpix bench tracking --pileup 60 --events 5 --finders chain",),
    "bench scaling": ("smartpix bench scaling --pileup 20,200 --threads 1 -o scaling",),
    "bench dense": ("smartpix bench dense --events 5 -o dense",),
    "bench link": ("smartpix bench link pu200.root --events 2 -o link",),
    "bench trigger": ("smartpix bench trigger pu200.root --no-logic -o trigger",),
    "bench helix": ("smartpix bench helix F.root --events 5 --json",),
    "study slices": ("smartpix study slices --dataset 2s --clusters 50000 -o slices",),
    "study geometry": ("smartpix study geometry --clusters 50000 -o geometry",),
    "study levers": ("smartpix study levers --clusters 50000 -o levers",),
    "study pull": ("smartpix study pull F.root -o pulls",),
    "study angle-pt": ("smartpix study angle-pt --clusters 50000 -o angle",),
    "study front": ("smartpix study front fixed-2s-talk fixed-2s-smallest -o front",),
    "study trkx": ("smartpix study trkx --events 1000 -o trkx",),
    "study smart-pixels": ("smartpix study smart-pixels --quick -o smart-pixels",),
    "study systematics": ("smartpix study systematics F.root --events 10 -o systematics",),
    "convert": (
        "smartpix convert FOLDER -o F.root",
        "smartpix convert F.parquet --detector odd.csv -o F.root",
    ),
    "detector": (
        "smartpix detector odd --draw odd.pdf",
        "smartpix detector mine.toml -o mine.csv --material mine-material.toml",
    ),
    "new-detector": (
        "smartpix new-detector telescope -o telescope --quick",
        "smartpix new-detector mine.toml -o mine --plan",
    ),
    "completion": ('eval "$(smartpix completion bash)"', "smartpix completion fish"),
}
"""Lines by command; a test parses each."""
