#!/usr/bin/env bash
# Trains the networks of docs/chip.md's front from the shipped ones, on the clusters of data/make.sh; an hour or two.
# Then: smartpix study front front-work/*.safetensors fixed-2s-smallest -o benchmarks/results
set -eu
cd "$(dirname "$0")/.."
clusters=${1:-data-work/2s.parquet}
all_slices=${2:-data-work/2s-20t.parquet}
mkdir -p front-work
[ -f "$clusters" ] || smartpix simulate clusters --dataset 2s -n 400000 --seed 21 -o "$clusters"
[ -f "$all_slices" ] || smartpix simulate clusters --dataset 2s -n 100000 --seed 22 -o "$all_slices"
front() { # name, clusters, then options
  name=$1
  [ -f "front-work/$name.safetensors" ] ||
    smartpix compress "$2" --region barrel --learning-rate 2e-3 "${@:3}" -o "front-work/$name.safetensors"
}
talk="--from fixed-2s-talk"
constraint="$talk --epochs 14"
front conv-mdmm-50 "$clusters" $constraint --method mdmm --target 0.5
front conv-mdmm-67 "$clusters" $constraint --method mdmm --target 0.67
front conv-mdmm-67-tuned "$clusters" --from front-work/conv-mdmm-67.safetensors --keep-zeros --epochs 12
front conv-mdmm-80 "$clusters" $constraint --method mdmm --target 0.8 --damping 3000
front conv-l1-1e-3 "$clusters" $talk --method l1 --strength 1e-3 --epochs 14
front conv-l1-4e-3 "$clusters" $talk --method l1 --strength 4e-3 --epochs 14
front conv-bits-2e-3 "$clusters" $talk --method bits --strength 2e-3 --epochs 14
afresh="--network conv --from mdn-2s-conv-2t-chip --free 0.2 --epochs 20 --dense-bits 8"
two="$afresh --data-bits 2 --threshold 340 --adc-max 1650"
front conv-2bit-even "$clusters" $two
front conv-2bit-learned "$clusters" $two --learn-edges
front conv-100k "$all_slices" $talk --epochs 30
front conv-100k-taught "$all_slices" $talk --epochs 30 --teacher mdn-2s-conv-20t-float
front conv-bits-1e-2 "$clusters" $talk --method bits --strength 1e-2 --epochs 14
front conv-bdmm-67 "$clusters" $constraint --method bdmm --target 0.67
