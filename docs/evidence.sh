#!/usr/bin/env bash
# Everything that docs/evaluation.md, docs/choices.md, docs/replication.md, docs/recognition.md, README.md and the model
# card say of quality, and the figures in docs/figures, from the face shards in the folder $1: hours on a CPU, resumable;
# what has been done already is not done again, but for the figures.
# Numbers of faces are those of a machine without a GPU; more of them continue what is there.
set -euo pipefail
faces=$1
cd "$(dirname "$0")/.."
evaluate() { faceinpaint evaluate "$@" --precision bf16 > /dev/null; }
celeba=$faces/celeba64-val.tar portraits=$faces/portraits64-val.tar asian=$faces/asian64-tight-val.tar

evaluate "$celeba" --out evidence/evaluation --faces 500 --methods default,over-z,harmonic,biharmonic,Telea
evaluate "$celeba" --out evidence/evaluation --faces 32 --methods paper,DIP
evaluate "$celeba" --out evidence/evaluation --faces 16 --masks centre,left,drop-20,drop-40,drop-60,drop-80 \
    --methods paper-calibrated
# where DIP is close
evaluate "$celeba" --out evidence/evaluation --faces 96 --masks centre --methods DIP
evaluate "$celeba" --out evidence/evaluation --faces 64 --masks bottom --methods DIP
evaluate "$celeba" --out evidence/evaluation --faces 100 --methods TV,PatchMatch
evaluate "$portraits" "$asian" --out evidence/evaluation --faces 100 --methods default,over-z,harmonic,biharmonic,Telea
evaluate "$portraits" "$asian" --out evidence/evaluation --faces 32 --methods TV,PatchMatch
evaluate "$portraits" --out evidence/evaluation --faces 12 --methods paper,DIP

evaluated() { faceinpaint evaluate "$@" --model faces128 --out evidence/evaluation128 > /dev/null; }
# portraits in that model's framing
if [ -f "$faces/portraits128-val.tar" ]; then
    evaluated "$faces/portraits128-val.tar" --faces 38 --methods default,faces64-enlarged,harmonic,biharmonic
fi
# the larger model, in single precision, on celeba148-val.tar if that is there too
if [ -f "$faces/celeba148-val.tar" ]; then
    larger() { evaluated "$faces/celeba148-val.tar" "$@"; }
    larger --faces 16 --methods PatchMatch
    larger --faces 8 --masks centre --methods DIP
    larger --faces 500 --masks centre,left,right,top,bottom --methods default,faces64-enlarged,harmonic,biharmonic
    larger --faces 100 --methods default,faces64-enlarged,harmonic,biharmonic \
        --update faceinpaint_fast/weights/faces128/README.md
fi

# who is recognised: needs the extra `recognition`
evaluate "$celeba" --recognise "$faces/celeba-val-identities.csv" --out evidence/recognition --faces 500 \
    --masks centre,eyes,mouth,left,top,free-form,drop-80 --methods damaged,undamaged,default,harmonic,biharmonic

# photographs, in the folder $2 if it is given: needs the extra `photo`
if [ -n "${2:-}" ]; then
    OMP_NUM_THREADS=1 faceinpaint evaluate --photos "$2" --out evidence/photos --sheets docs/photos --update docs/photos.md
    python docs/photo_figure.py "$(find "$2" -name '*.jpg' | sort | sed -n 4p)"
fi

# METHOD NAME [--set FIELD=VALUE]...
choice() {
    local method=$1 name=$2
    shift 2
    evaluate "$celeba" --out evidence/choices --faces 200 --masks centre,left,drop-80 --methods "$method" \
        --as "$name" "$@"
}
choice default default
choice fast fast
choice default "20 steps a layer" --set stages=1:20:0.1,2:20:0.1,3:20:0.1
choice default "layer 1 alone" --set stages=1:10:0.1
choice default "layers 1 and 2" --set stages=1:10:0.1,2:10:0.1
choice default "layer 3 alone" --set stages=3:10:0.1
choice default "layers 1 to 4" --set stages=1:10:0.1,2:10:0.1,3:10:0.1,4:10:0.1
choice default "rate of 0.03" --set stages=1:10:0.03,2:10:0.03,3:10:0.03
choice default "rate of 0.3" --set stages=1:10:0.3,2:10:0.3,3:10:0.3
choice default "constant rate" --set schedule=constant
choice default "no penalty" --set lambda_u=0
choice default "a fifth of the penalty" --set lambda_u=0.1
choice default "5 times the penalty" --set lambda_u=2.5
choice default "5 iterations over z before" --set iterations=5
choice default "3 restarts" --set restarts=3
choice default "both ways round" --set flips=true
choice default "symmetry" --set symmetry=true
choice default "both ways round, symmetry" --set flips=true --set symmetry=true
choice default "0.2 L1 and 0.797 SSIM, as printed" --set lambda_c=0.2 --set lambda_s=0.797
choice default "0.8 L1 and 0.2 SSIM" --set lambda_c=0.8 --set lambda_s=0.2
choice default "L1 alone" --set lambda_c=1 --set lambda_s=0
choice default "with D, 0.003" --set lambda_d=0.003
choice default "no weights, alpha = 0" --set alpha=0
choice default "alpha = 6" --set alpha=6
choice default "Poisson blend" --set blend=poisson
choice default "biharmonic blend" --set blend=biharmonic
choice default "no blend" --set blend=none
choice default "tension 0.5" --set tension=0.5
choice default "tension 1" --set tension=1
choice default "tension 4" --set tension=4
choice default "fp32" --set precision=fp32
choice over-z "over z"
choice over-z "over z, tension 2" --set tension=2
choice over-z "the guess alone" --set iterations=1 --set tension=2
choice over-z "over z, no prior" --set lambda_z=0

# the printed method, and what remains of it without each of its parts: NAME [--set FIELD=VALUE]...
printed() {
    local name=$1
    shift
    evaluate "$celeba" --out evidence/replication --faces 16 --masks centre,left,drop-80 --methods paper \
        --as "$name" "$@"
}
printed "paper without SSIM" --set lambda_s=0
printed "paper without L1" --set lambda_c=0
printed "paper without D" --set lambda_d=0
printed "paper, L1 alone" --set lambda_d=0 --set lambda_s=0
printed "paper, alpha = 0" --set alpha=0
printed "paper, no blend" --set blend=none
printed "paper, 100 iterations" --set iterations=100
printed "paper, 300 iterations" --set iterations=300
# G(z^) alone, known pixels too
drops=drop-20,drop-40,drop-60,drop-80
evaluate "$celeba" --out evidence/replication --faces 16 --masks "$drops" --methods paper-generated
evaluate "$celeba" --out evidence/replication --faces 200 --masks "$drops" --methods over-z-generated

# of faces that may be shown; Fig. 4 shows none
faceinpaint evaluate "$portraits" --figures docs/figures --precision bf16
faceinpaint evaluate "$celeba" --figures docs/figures --figure 4

faceinpaint evaluate --out evidence/evaluation --chart docs/figures/evaluation.png --update README.md \
    --update docs/evaluation.md --update faceinpaint_fast/weights/faces64/README.md > /dev/null
faceinpaint evaluate --out evidence/choices --update docs/choices.md > /dev/null
faceinpaint evaluate --out evidence/recognition --update README.md --update docs/recognition.md \
    --chart docs/figures/recognition.png > /dev/null
faceinpaint evaluate --out evidence --update docs/replication.md > /dev/null
