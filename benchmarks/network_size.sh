#!/usr/bin/env bash
# Trains graph networks of several sizes on the events of data/make.sh (about an hour on one core), then measures them.
set -eu
cd "$(dirname "$0")/.."
events=${1:-data-work}
mkdir -p network-size-work
for size in "8 1" "8 2" "8 3" "12 2" "16 1" "16 2" "32 2"; do
  set -- $size
  output=network-size-work/gnn-$1-$2.safetensors
  [ -f "$output" ] ||
    smartpix train gnn "$events"/gnn-{20,60,200,200-more,jets,trackml}.root --hidden "$1" --passes "$2" --epochs 30 -o "$output"
done
python benchmarks/network_size.py data/weights/gnn.safetensors network-size-work/*.safetensors
