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

# Estimates of the chain: crossings with broad angles, so that they carry the cluster's information alone.
# Conditions vary from event to event, so that small mistakes about them cost little.
vary=""
for range in bias=0.05 temperature=0.03 lorentz=0.03 charge=0.05 noise=0.1 threshold=0.03 sigma_t=0.1 phase=30; do
  vary="$vary --set randomise.$range"
done
[ -f "$work/crossings.root" ] || smartpix simulate crossings --events 100 --seed 11 $vary -o "$work/crossings.root"
smartpix train shape "$work/crossings.root" -o weights/shape-50x12.5x100.safetensors
# Sigmas of a training that knows many conditions are wider than those of one: they are calibrated in the nominal one.
[ -f "$work/nominal.root" ] || smartpix simulate crossings --events 90 --seed 31 -o "$work/nominal.root"
calibrated() { smartpix calibrate "$work/$1.safetensors" "$work/nominal.root" -o "weights/$1.safetensors"; }
(
  smartpix train mdn "$work/crossings.root" --region barrel --epochs 400 -o "$work/mdn-barrel.safetensors"
  smartpix train mdn "$work/crossings.root" --region endcap --augment mirror-x mirror-y --epochs 150 \
    -o "$work/mdn-endcap.safetensors"
  calibrated mdn-barrel
  calibrated mdn-endcap
) &
chain=$!

# Several particles in a cluster: groups of crossings. Networks of sets give each particle, the mixture gives one
# particle's possibilities. Of half of the pairs the places are uniform, as in the cores of jets.
make_groups() { [ -f "$work/$1" ] || smartpix simulate crossings --per-event 5000 --events "$2" --seed "$3" $4 -o "$work/$1"; }
make_groups groups-train.root 60 50001 "--together 1 2 3 $vary"
make_groups groups-train-2.root 60 50002 "--together 1 2 3 $vary"
make_groups groups-23.root 120 50101 "--together 2 3 $vary"
make_groups groups-apart.root 45 50103 "--together 2 --distance 0.4 3 $vary"
for k in 1 2 3 4 5 6 7 8; do
  make_groups groups-area-$k.root 40 5021$k "--together 2 --distance 0.02 1.5 --set groups.law=area $vary"
done
make_groups groups-nominal.root 40 51001 "--together 1 2 3"
for k in 1 2 3; do
  make_groups groups-area3-$k.root 40 5022$k "--together 3 --distance 0.02 1.5 --set groups.law=area $vary"
done
make_groups groups-area-nominal.root 40 51011 "--together 1 2 3 --distance 0.02 1.5 --set groups.law=area"
# How many particles a cluster is of. In the end-caps clusters are longer, and a larger network is needed.
counted="$work/groups-train.root $work/groups-nominal.root"
smartpix train count "$work"/groups-{train,train-2,nominal}.root --region endcap --augment mirror-x mirror-y \
  --filters 12 --hidden 32 --activation relu --batch-norm --epochs 100 -o weights/count-endcap.safetensors
smartpix train count $counted --region barrel --epochs 120 -o weights/count-barrel.safetensors
smartpix train count $counted --region barrel --hidden 12 --filters 3 --epochs 40 -o "$work/count-small.safetensors"
smartpix compress "$work"/groups-{train,train-2,nominal}.root --learn count --from "$work/count-small.safetensors" \
  --region barrel --network columns --hidden 12 12 --filters 3 0 --threshold 400 --epochs 60 -o weights/fixed-count-barrel.safetensors
after() { echo "--from $work/$1.safetensors --train-seed $2"; }
particles() { # weights, region, particles, augmentation, epochs, files, more
  files=""
  for name in $6; do files="$files $work/groups-$name.root"; done
  smartpix train mixture $files --region "$2" --particles "$3" --hidden 48 --filters 12 --augment $4 --epochs "$5" $7 \
    -o "$work/$1.safetensors"
}
large="--hidden 96 --filters 32 --activation relu --batch-norm --learning-rate 3e-3 --set validation_share=0.05"
pairs="area-1 area-2 area-3 area-4 train train-2 23 apart"
# In the order of y at first, so that the components part; then in any.
particles pair-barrel-y1 barrel 2 mirror-x 10 "$pairs" "--order y $large"
particles pair-barrel-2 barrel 2 mirror-x 52 "$pairs" "$large $(after pair-barrel-y1 2)"
particles pair-barrel-3 barrel 2 mirror-x 100 "$pairs" "$large $(after pair-barrel-2 3)"
particles pair-barrel barrel 2 mirror-x 100 "area-5 area-6 area-7 area-8 $pairs" "$large $(after pair-barrel-3 4)"
particles pair-endcap-1 endcap 2 "mirror-x mirror-y" 8 "$pairs" "--order y $large"
particles pair-endcap-2 endcap 2 "mirror-x mirror-y" 40 "$pairs" "$large $(after pair-endcap-1 2)"
particles pair-endcap endcap 2 "mirror-x mirror-y" 100 "$pairs" "$large $(after pair-endcap-2 3)"
triples="train train-2 23"
particles triple-barrel-1 barrel 3 mirror-x 8 "$triples" "--order y $large"
particles triple-barrel-2 barrel 3 mirror-x 32 "$triples" "$large $(after triple-barrel-1 2)"
particles triple-barrel barrel 3 mirror-x 60 "area3-1 area3-2 area3-3 $triples" "$large $(after triple-barrel-2 3)"
particles triple-endcap-1 endcap 3 "mirror-x mirror-y" 8 "$triples" "--order y $large"
particles triple-endcap-2 endcap 3 "mirror-x mirror-y" 32 "$triples" "$large $(after triple-endcap-1 2)"
particles triple-endcap endcap 3 "mirror-x mirror-y" 60 "area3-1 area3-2 area3-3 $triples" \
  "$large $(after triple-endcap-2 3)"
for name in pair-barrel pair-endcap triple-barrel triple-endcap; do
  smartpix calibrate "$work/$name.safetensors" "$work"/groups-{nominal,area-nominal}.root -o "weights/$name.safetensors"
done
smartpix train mixture "$work/crossings.root" --region endcap --components 2 --hidden 40 --filters 8 \
  --augment mirror-x mirror-y --epochs 70 -o "$work/bimodal-endcap.safetensors"
calibrated bimodal-endcap

# Networks of `smartpix bench mdn`, on the talk's data set 2s: float ones as the published, others as a chip reads out.
# With all 20 slices a cluster takes 22 kB, twice in memory: fewer of them.
[ -f "$work/2s.parquet" ] || smartpix simulate clusters --dataset 2s -n 400000 --seed 21 -o "$work/2s.parquet"
[ -f "$work/2s-20t.parquet" ] || smartpix simulate clusters --dataset 2s -n 100000 --seed 22 -o "$work/2s-20t.parquet"
bench() { # weights, then options
  name=$1
  shift
  smartpix train mdn "$work/2s.parquet" --region barrel "$@" -o "weights/mdn-2s-$name.safetensors"
}
chip="--noise 50 --threshold 300"
bench mlp-2t-float --network mlp --epochs 60
bench mlp-2t-2bit --network mlp --noise 50 --threshold 340 --bits 2 --adc-max 3600 --epochs 50
bench columns-2t-chip $chip --epochs 70
bench columns-2t-4bit $chip --bits 4 --epochs 40
bench columns-2t-float --epochs 30
bench conv-2t-float --network conv --epochs 30
bench conv-2t-4bit --network conv $chip --bits 4 --epochs 30
smartpix train mdn "$work/2s-20t.parquet" --region barrel --network conv --slices $(seq 0 19) --epochs 30 \
  -o weights/mdn-2s-conv-20t-float.safetensors

# The talk's network as a chip reads out, in floating point, in two goes, and in whole numbers from there.
bench conv-2t-chip-1 --network conv $chip --epochs 30
mv weights/mdn-2s-conv-2t-chip-1.* "$work"
bench conv-2t-chip --network conv $chip --from "$work/mdn-2s-conv-2t-chip-1.safetensors" --learning-rate 2e-3 --epochs 34
smartpix compress "$work/2s.parquet" --region barrel --network conv --dense-bits 8 --from mdn-2s-conv-2t-chip \
  --epochs 30 --learning-rate 2e-3 --free 0.2 -o weights/fixed-2s-talk.safetensors
# The others: learned bits under a price that rises.
priced() { # folder, weights, clusters, region, float weights, threshold, augmentation, epochs, price in the end
  options="--region $4 --method bits --learning-rate 2e-3"
  smartpix compress "$3" $options --network columns --dense-bits 8 --activation-bits 6 --threshold "$6" --from "$5" \
    --strength 0.005 --epochs 26 --free 0.25 --augment $7 -o "$work/$2-1.safetensors"
  smartpix compress "$3" $options --from "$work/$2-1.safetensors" --strength "$9" --epochs "$8" --augment $7 \
    -o "$1/$2.safetensors"
}
priced weights fixed-2s-smallest "$work/2s.parquet" barrel mdn-2s-columns-2t-4bit 300 mirror-x 30 0.018

# Sums of columns and rows alone, in codes without negative levels: round after round under a price in look-up tables.
[ -f "$work/2s-120k.parquet" ] || smartpix simulate clusters --dataset 2s -n 120000 --seed 21 -o "$work/2s-120k.parquet"
sums() { # folder, name, then options
  smartpix compress "$work/2s-120k.parquet" --region barrel "${@:3}" -o "$1/$2.safetensors"
}
cheaper() { sums "$1" "$2" --from "$work/$3.safetensors" --method luts --strength "$4" --set focus="$5" "${@:6}"; }
sums "$work" sums-1 --from mdn-2s-mlp-2t-2bit --network mlp --hidden 21 21 --data-bits 3 --dense-bits 8 \
  --set network.edges=[300,507,857,1448,2447,4136,6990] --activation-bits 7 --epochs 44 --free 0.68 --learning-rate 6e-3
sums "$work" sums-2 --from "$work/sums-1.safetensors" --data-bits 4 \
  --set network.edges=[300,378,476,600,756,953,1201,1513,1906,2402,3027,3814,4806,6055,7630] --method bits \
  --strength 0.008 --activation-bits 7 --epochs 32 --batch-size 256 --learning-rate 4e-3
cheaper "$work" sums-3 sums-2 0.015 [1.4,0.8,1.4,0.5] --activation-bits 6 --epochs 36 --learning-rate 4e-3
cheaper "$work" sums-4 sums-3 0.04 [1.4,0.8,1.5,0.4] --epochs 40 --learning-rate 3.5e-3
cheaper "$work" sums-5 sums-4 0.07 [1.6,0.8,1.4,0.4] --epochs 50 --learning-rate 3e-3
# A round that keeps the last one's zeros regains what the price took.
kept() { cheaper "$1" "$2" "$3" "$4" "$5" --keep-zeros --epochs "$6" --learning-rate "$7"; }
kept "$work" sums-6 sums-5 0.05 [1.9,0.8,1.3,0.45] 60 2.5e-3
kept "$work" sums-7 sums-6 0.07 [2.0,0.85,1.3,0.45] 60 2e-3
kept "$work" sums-8 sums-7 0.05 [2.1,0.9,1.2,0.5] 80 2e-3
kept weights fixed-2s-sums sums-8 0.03 [2.2,0.95,1.2,0.5] 80 1.5e-3
wait "$chain"
priced "$work" fixed-barrel "$work/crossings.root" barrel mdn-barrel 400 mirror-x 24 0.03
priced "$work" fixed-endcap "$work/crossings.root" endcap mdn-endcap 400 "mirror-x mirror-y" 24 0.03
calibrated fixed-barrel
calibrated fixed-endcap

# TrackML's clusters were digitised with a Lorentz angle of 0.12 rad and without noise; a bias of 170 V per 100 um gives
# that angle at 2 T.
trackml="--field 2 --bias 170 --noise 0 --threshold 75 --threshold-dispersion 0 --adc-bits 0 --slices 19 \
  --set readout.clock=crossing --set beam_spot.sigma_t=0"
smartpix detector --pitch-u 0.05 --pitch-v 0.05625 --thickness 0.15 --endcap-thickness 0.3 -o "$work/trackml-like.csv"
[ -f "$work/trackml-crossings.root" ] || smartpix simulate crossings --events 60 --seed 12 \
  --detector "$work/trackml-like.csv" $trackml -o "$work/trackml-crossings.root"
smartpix train shape "$work/trackml-crossings.root" -o weights/shape-trackml.safetensors

# The graph network: mixed pile-up, jets, both detectors, and some tracks from decays; one for all of the window's
# edges, to compare with; and one for what the first leaves, where most tracks are from decays.
make_events() { [ -f "$work/$5" ] || smartpix simulate events --pileup "$1" --events "$2" --seed "$3" $4 -o "$work/$5"; }
decays="--set generate.secondaries=true --displaced"
make_events 20 20 2001 "" gnn-20.root
make_events 60 16 2002 "" gnn-60.root
make_events 200 8 2003 "" gnn-200.root
make_events 200 16 2013 "" gnn-200-more.root
make_events 60 12 2014 "--jets 20" gnn-jets.root
make_events 60 16 2021 "--jets 10 --jet-particles 15 30 --jet-radius 0.03 --jet-pt 500 2000" cores-gnn.root
make_events 60 8 2022 "--jets 20" jets-gnn.root
make_events 200 16 2015 "$decays 60" gnn-decays.root
make_events 200 10 2016 "$decays 300 --set generate.displaced_d0=[0.3,15.0]" gnn-displaced.root
make_events 20 60 4001 "--detector $work/trackml-like.csv $trackml" gnn-trackml.root
smartpix train gnn "$work"/gnn-{20,60,200,200-more,jets,decays,displaced,trackml}.root \
  "$work"/{cores,jets}-gnn.root --set split.mode=off --epochs 60 --patience 15 -o weights/gnn.safetensors
smartpix train gnn "$work"/gnn-{20,60,200,200-more,jets,trackml}.root --graph window --epochs 40 --patience 15 -o weights/gnn-window.safetensors
smartpix train gnn "$work"/gnn-{200,200-more,decays,displaced}.root --set after=weights/gnn.safetensors \
  --set cone.sigma_d0=3.0 --set cone.min_pt=0.7 --epochs 60 --patience 15 -o weights/gnn-displaced.safetensors

# DeepCore: jets with cores, many in an event, over little pile-up.
make_events 5 60 50101 "--jets 100 --jet-particles 15 30 --jet-radius 0.05 --jet-pt 500 2000" deepcore-jets.root
smartpix train deepcore "$work/deepcore-jets.root" --epochs 32 --batch-size 16 --learning-rate 1.5e-3 \
  -o weights/deepcore.safetensors

# Finders of the RAMP tracking challenge, on events that they make themselves.
smartpix train ramp --finder graph --epochs 25 -o weights/ramp-graph.safetensors
smartpix train ramp --finder phi-lstm --hidden 56 --epochs 30 --events 4000 -o weights/ramp-phi-lstm.safetensors
# The learned cone: true paths at pile-up 200, half of them with single stiff pions on top.
singles="--jets 300 --jet-particles 1 --gun-pt 0.3 10"
make_events 200 10 610001 "" path-train.root
make_events 200 8 610011 "$singles" path-train-single.root
make_events 200 10 610002 "" path-train-more.root
make_events 200 10 610012 "$singles" path-train-single-more.root
make_events 200 6 620002 "" path-gates.root
make_events 200 6 620011 "$singles" path-gates-single.root
make_events 200 8 620012 "$singles" path-gates-single-more.root
smartpix train path "$work"/path-train{,-single,-more,-single-more}.root \
  --gates "$work"/path-gates{,-single,-single-more}.root --epochs 40 -o weights/path.safetensors
# GravNet on the chain's graphs at pile-up 200.
make_events 200 10 643001 "" pu200-train.root
smartpix train gravnet "$work"/pu200-train.root "$work"/path-train{,-more}.root --set split.mode=off --epochs 30 --pieces 16 \
  -o weights/gravnet.safetensors
# HEP.TrkX's networks that are small enough to ship, on toys that are made as they go.
trkx() { # model, then options
  model=$1
  shift
  smartpix train trkx --model "$model" "$@" -o "weights/trkx-$model.safetensors"
}
trkx lstm-50 --learning-rate 0.005
trkx lstm-100 --samples 512000 --learning-rate 0.01
trkx conv-autoencoder-2d --samples 1638400 --learning-rate 0.005
trkx conv --samples 128000 --learning-rate 0.005 --set validation=1024 --set test=5120

# The trigger's network, in floating point and in whole numbers (arXiv 2112.02048, with what edges know more).
smartpix train gnn "$work/pu200-train.root" --network interaction --hidden 8 --features kinks --epochs 60 \
  -o weights/trigger.safetensors
smartpix train gnn "$work/pu200-train.root" --network interaction --hidden 8 --features kinks --epochs 30 \
  --bits 8 --start weights/trigger.safetensors --learning-rate 2e-3 -o weights/trigger-fixed.safetensors

# The code of clusters on the link, at pile-up 200.
smartpix train link "$work/pu200-train.root" --latent 8 --bits 5 -o weights/link-8x5.safetensors
smartpix train link "$work/pu200-train.root" --latent 4 --bits 6 --rate 0 --epochs 4 -o weights/link-4x6.safetensors
# Estimates of the barrel for what the second brings to the host.
smartpix train mdn "$work/pu200-train.root" --region barrel --code link-4x6 --from mdn-barrel --epochs 24 --learning-rate 2e-3 \
  -o weights/mdn-barrel-link-4x6.safetensors
