#!/usr/bin/env bash
# Clusters of irradiated sensors, and networks recalibrated and trained again on them; half an hour on one core.
# Then: python benchmarks/irradiation.py WORK. Called again after an interruption it goes on where it stopped.
set -eu
cd "$(dirname "$0")/.."
work=${1:-irradiation-work}
mkdir -p "$work"
crossings() { # file, events, seed, sensor
  [ -f "$work/$1" ] ||
    smartpix simulate crossings --per-event 15000 --events "$2" --seed "$3" $4 -o "$work/$1"
}
recalibrated() { # region, point, clusters
  [ -f "$work/recalibrated-$1-$2.safetensors" ] ||
    smartpix calibrate "mdn-$1" "$work/$3" -o "$work/recalibrated-$1-$2.safetensors"
}
retrained() { # region, point, augmentation, epochs
  [ -f "$work/retrained-$1-$2.safetensors" ] ||
    smartpix train mdn "$work/train-$2.root" --region "$1" --from "mdn-$1" --learning-rate 2e-3 --augment $3 \
      --epochs "$4" -o "$work/retrained-$1-$2.safetensors"
}
events() { # point, events, sensor
  [ -f "$work/pu200-$1.root" ] ||
    smartpix simulate events --pileup 200 --events "$2" --seed 642001 $3 -o "$work/pu200-$1.root"
}
crossings test-0.root 4 643300 ""
# At the bias that is usual after this fluence.
usual="--fluence 5e15"
crossings train-5e15.root 8 643101 "$usual"
crossings nominal-5e15.root 3 643201 "$usual"
crossings test-5e15.root 4 643305 "$usual"
recalibrated barrel 5e15 nominal-5e15.root
recalibrated endcap 5e15 nominal-5e15.root
retrained barrel 5e15 mirror-x 60
retrained endcap 5e15 "mirror-x mirror-y" 40
# At one that leaves more of the Lorentz drift.
low="--fluence 5e15 --bias 200"
crossings train-5e15-200V.root 3 643150 "$low"
crossings test-5e15-200V.root 2 643306 "$low"
recalibrated barrel 5e15-200V train-5e15-200V.root
recalibrated endcap 5e15-200V train-5e15-200V.root
retrained barrel 5e15-200V mirror-x 24
retrained endcap 5e15-200V "mirror-x mirror-y" 16
events 0 2 ""
events 5e15 2 "$usual"
events 5e15-200V 2 "$low"
k=2
for fluence in 1e16 1e15; do
  crossings "train-$fluence.root" 2 $((643100 + k)) "--fluence $fluence"
  crossings "test-$fluence.root" 2 $((643300 + k)) "--fluence $fluence"
  recalibrated barrel "$fluence" "train-$fluence.root"
  retrained barrel "$fluence" mirror-x 24
  k=$((k + 1))
done
