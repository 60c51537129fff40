#!/usr/bin/env bash
# Trains the networks of docs/chip.md's front from the shipped ones, on the clusters of data/make.sh; half an hour to an hour.
# Then: smartpix study front front-work/*.safetensors fixed-2s-smallest -o benchmarks/results
set -eu
cd "$(dirname "$0")/.."
clusters=${1:-data-work/2s.parquet}
mkdir -p front-work
[ -f "$clusters" ] || smartpix simulate clusters --dataset 2s -n 400000 --seed 21 -o "$clusters"
front() { # name, then options
  name=$1
  shift
  [ -f "front-work/$name.safetensors" ] ||
    smartpix compress "$clusters" --region barrel --learning-rate 2e-3 "$@" -o "front-work/$name.safetensors"
}
constraint="--from fixed-2s-talk --method mdmm --rate 0.2 --damping 50"
front conv-mdmm-50 $constraint --target 0.5 --epochs 14
front conv-mdmm-67 $constraint --target 0.67 --epochs 14
front conv-mdmm-67-tuned --from front-work/conv-mdmm-67.safetensors --keep-zeros --epochs 12
front conv-mdmm-80 $constraint --target 0.8 --epochs 14
front conv-l1-1e-3 --from fixed-2s-talk --method l1 --strength 1e-3 --epochs 10
front conv-l1-4e-3 --from fixed-2s-talk --method l1 --strength 4e-3 --epochs 10
front conv-bits-1e-3 --from fixed-2s-talk --method bits --strength 1e-3 --epochs 10
