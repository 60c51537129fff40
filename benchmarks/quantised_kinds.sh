#!/usr/bin/env bash
# The shapes of docs/chip.md's networks, trained on crossings for the slices and the readout of the chain, and the chain
# on each of them.
set -eu
cd "$(dirname "$0")/.."
work=kinds-work
mkdir -p $work
vary=""
for range in bias=0.05 temperature=0.03 lorentz=0.03 charge=0.05 noise=0.1 threshold=0.03 sigma_t=0.1 phase=30; do
  vary="$vary --set randomise.$range"
done
[ -f $work/crossings.root ] || smartpix simulate crossings --events 30 --seed 11 $vary -o $work/crossings.root
[ -f $work/nominal.root ] || smartpix simulate crossings --events 15 --seed 31 -o $work/nominal.root
[ -f $work/pu200.root ] || smartpix simulate events --pileup 200 --events 4 --seed 642001 -o $work/pu200.root
kind() { # name, then options
  [ -f $work/$1-1.safetensors ] || smartpix compress $work/crossings.root --region barrel --learning-rate 3e-3 \
    "${@:2}" -o $work/$1-1.safetensors
  smartpix calibrate $work/$1-1.safetensors $work/nominal.root -o $work/$1.safetensors
}
kind barrel-talk --from fixed-2s-talk --threshold 400 --epochs 12
kind barrel-sums --from fixed-2s-sums --threshold 400 \
  --method luts --strength 0.05 --epochs 40
PYTHONPATH=. python benchmarks/quantised_kinds.py $work/pu200.root $work/barrel-talk.safetensors fixed-barrel \
  $work/barrel-sums.safetensors
