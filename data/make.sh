#!/usr/bin/env bash
# Remakes everything in data/ from nothing: detector table, embedded sample, trained weights.
# Called again after an interruption it goes on with the training where it stopped. Needs: pip install 'smartpix[acts]'.
set -eu
cd "$(dirname "$0")"
work=${1:-../data-work}
mkdir -p "$work" weights

# The detector and the sample.
smartpix detector -o detector.csv
smartpix simulate events --pileup 20 --events 10 --seed 2026 -o sample.root

# Estimates. The barrel's network takes longest and has one core to itself.
[ -f "$work/crossings.root" ] || smartpix simulate crossings --events 100 --seed 11 -o "$work/crossings.root"
smartpix train mdn "$work/crossings.root" --region barrel --epochs 55 -o weights/mdn-barrel.safetensors &
barrel=$!
smartpix train mdn "$work/crossings.root" --region endcap --epochs 40 -o weights/mdn-endcap.safetensors
smartpix train shape "$work/crossings.root" -o weights/shape-50x12.5x100.safetensors

# TrackML's clusters were digitised with a Lorentz angle of 0.12 rad and without noise; a bias of 170 V per 100 um gives
# that angle at 2 T.
trackml="--field 2 --bias 170 --noise 0 --threshold 75 --adc-bits 0 --slices 19"
smartpix detector --pitch-u 0.05 --pitch-v 0.05625 --thickness 0.15 --endcap-thickness 0.3 -o "$work/trackml-like.csv"
[ -f "$work/trackml-crossings.root" ] || smartpix simulate crossings --events 60 --seed 12 \
  --detector "$work/trackml-like.csv" $trackml -o "$work/trackml-crossings.root"
smartpix train shape "$work/trackml-crossings.root" -o weights/shape-trackml.safetensors

# The graph network: mixed pile-up, both detectors.
make_events() { [ -f "$work/$5" ] || smartpix simulate events --pileup "$1" --events "$2" --seed "$3" $4 -o "$work/$5"; }
make_events 20 20 2001 "" gnn-20.root
make_events 60 16 2002 "" gnn-60.root
make_events 200 8 2003 "" gnn-200.root
make_events 20 60 4001 "--detector $work/trackml-like.csv $trackml" gnn-trackml.root
wait "$barrel"
smartpix train gnn "$work"/gnn-{20,60,200,trackml}.root --epochs 40 --threads 2 -o weights/gnn.safetensors
