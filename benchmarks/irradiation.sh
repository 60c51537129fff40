#!/usr/bin/env bash
# Clusters of irradiated sensors, and networks recalibrated and trained again on them; an hour and a half on one core.
# Then: python benchmarks/irradiation.py WORK. Called again after an interruption it goes on where it stopped.
set -eu
cd "$(dirname "$0")/.."
work=${1:-irradiation-work}
mkdir -p "$work"
crossings() { # file, events, seed, fluence
  [ -f "$work/$1" ] ||
    smartpix simulate crossings --per-event 15000 --events "$2" --seed "$3" --fluence "$4" -o "$work/$1"
}
recalibrated() { # region, fluence
  [ -f "$work/recalibrated-$1-$2.safetensors" ] ||
    smartpix calibrate "mdn-$1" "$work/nominal-$2.root" -o "$work/recalibrated-$1-$2.safetensors"
}
retrained() { # region, fluence, augmentation, epochs
  [ -f "$work/retrained-$1-$2.safetensors" ] ||
    smartpix train mdn "$work/train-$2.root" --region "$1" --from "mdn-$1" --learning-rate 2e-3 --augment $3 \
      --epochs "$4" -o "$work/retrained-$1-$2.safetensors"
}
events() { # fluence, file
  [ -f "$work/pu200-$2.root" ] ||
    smartpix simulate events --pileup 200 --events 3 --seed 643400 --fluence "$1" -o "$work/pu200-$2.root"
}
crossings test-0.root 4 643300 0
k=1
for fluence in 5e15 1e16 1e15; do
  crossings "train-$fluence.root" 10 $((643100 + k)) "$fluence"
  crossings "nominal-$fluence.root" 3 $((643200 + k)) "$fluence"
  crossings "test-$fluence.root" 4 $((643300 + k)) "$fluence"
  recalibrated barrel "$fluence"
  retrained barrel "$fluence" mirror-x 60
  k=$((k + 1))
done
recalibrated endcap 5e15
retrained endcap 5e15 "mirror-x mirror-y" 60
events 0 0
events 5e15 5e15
