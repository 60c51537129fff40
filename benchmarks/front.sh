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
# Sums of columns and rows alone: positive edges, and prices on learned bits. Short trainings on fewer clusters; with
# $clusters and three times the epochs they would be as long as those of the shipped networks.
fewer=front-work/2s-120k.parquet
[ -f "$fewer" ] || smartpix simulate clusters --dataset 2s -n 120000 --seed 21 -o "$fewer"
edges3="--set network.edges=[300,507,857,1448,2447,4136,6990]"
edges4="--set network.edges=[300,378,476,600,756,953,1201,1513,1906,2402,3027,3814,4806,6055,7630]"
front mlp-3bit "$fewer" --from mdn-2s-mlp-2t-2bit --network mlp --hidden 21 21 --data-bits 3 $edges3 --dense-bits 8 \
  --activation-bits 7 --epochs 44 --free 0.68 --learning-rate 6e-3
front mlp-3bit-bits "$fewer" --from front-work/mlp-3bit.safetensors --method bits --strength 0.01 --epochs 30 \
  --learning-rate 3e-3 --activation-bits 6
front mlp-4bit-bits "$fewer" --from front-work/mlp-3bit.safetensors --data-bits 4 $edges4 --method bits \
  --strength 0.008 --activation-bits 7 --epochs 32 --batch-size 256 --learning-rate 4e-3
front mlp-4bit-luts "$fewer" --from front-work/mlp-4bit-bits.safetensors --method luts --strength 0.015 \
  --set focus=[1.4,0.8,1.4,0.5] --activation-bits 6 --epochs 36 --learning-rate 4e-3
front mlp-4bit-luts-dear "$fewer" --from front-work/mlp-4bit-luts.safetensors --method luts --strength 0.028 \
  --set focus=[1.4,0.8,1.5,0.4] --epochs 26 --learning-rate 3.5e-3
front mlp-4bit-luts-070 "$fewer" --from front-work/mlp-4bit-luts-dear.safetensors --method luts --strength 0.07 \
  --set focus=[1.5,0.7,1.5,0.3] --epochs 44 --learning-rate 4e-3
front mlp-4bit-luts-070-2 "$fewer" --from front-work/mlp-4bit-luts-070.safetensors --method luts --strength 0.07 \
  --set focus=[1.75,0.75,1.3,0.35] --epochs 50 --learning-rate 3e-3
# Up to here the rows were made without the trees of the sums in the price, which came later. data/make.sh makes
# fixed-2s-sums with them in it.
front mlp-4bit-luts-090 "$clusters" --from front-work/mlp-4bit-luts-070-2.safetensors --method luts --strength 0.09 \
  --set focus=[1.7,0.75,1.3,0.4] --epochs 34 --learning-rate 2.5e-3
kept="--keep-zeros --method luts --strength 0.045"
front mlp-4bit-luts-kept "$fewer" --from front-work/mlp-4bit-luts-090.safetensors $kept \
  --set focus=[1.6,0.85,1.3,0.5] --epochs 34 --learning-rate 3e-3
front mlp-4bit-luts-kept-x "$fewer" --from front-work/mlp-4bit-luts-kept.safetensors $kept \
  --set focus=[1.95,0.8,1.25,0.45] --epochs 24
# What each method makes of sums of 3-bit codes.
sums="--from front-work/mlp-3bit.safetensors --epochs 14"
front mlp-mdmm-67 "$fewer" $sums --method mdmm --target 0.67
front mlp-bdmm-67 "$fewer" $sums --method bdmm --target 0.67
front mlp-mdmm-67-layers "$fewer" $sums --method mdmm --target 0.67 --scope layer
front mlp-l2-3e-3 "$fewer" $sums --method l2 --strength 3e-3
front mlp-mdmm-67-small "$fewer" --from front-work/mlp-mdmm-67.safetensors --epochs 12 --shrink --keep-zeros
afresh="--network mlp --hidden 21 21 --dense-bits 8 --free 0.2 --epochs 14"
front mlp-2bit-learned "$fewer" --from mdn-2s-mlp-2t-2bit $afresh --data-bits 2 --threshold 340 --adc-max 1650 \
  --learn-edges
[ -f front-work/norm-float.safetensors ] || smartpix train mdn "$fewer" --region barrel --network mlp \
  --set network.batch_norm=true --noise 50 --threshold 300 --bits 4 --epochs 14 -o front-work/norm-float.safetensors
front mlp-norm "$fewer" --from front-work/norm-float.safetensors $afresh
# What the network that sees all 20 slices teaches the smallest.
again="--from fixed-2s-sums --keep-zeros --method luts --strength 0.03 --set focus=[2.2,0.95,1.2,0.5] --epochs 40"
front mlp-100k "$all_slices" $again --learning-rate 1.5e-3
front mlp-100k-taught "$all_slices" $again --learning-rate 1.5e-3 --teacher mdn-2s-conv-20t-float
