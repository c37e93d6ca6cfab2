#!/bin/sh
# Install Panoloom's engine for this user, with a Python environment of its own. Linux and macOS.
#
#   sh packaging/install.sh [--dry-run] [--yes] [--target FOLDER] [--torch auto|cpu|cuda|rocm|mps]
#
# Says what it will download and how much that is, and asks, before it does anything. Needs no
# Python: where there is none that fits, uv brings one. Ends with `panoloom doctor`.
# Tested on Linux. The part for macOS has not been run yet.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target= torch=auto dry=0 yes=0
PYTORCH=https://download.pytorch.org/whl   # where PyTorch offers its builds, by name
UV=https://astral.sh/uv/install.sh         # uv's own installer

say() { printf '%s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 3; }
have() { command -v "$1" >/dev/null 2>&1; }
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }

while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=1 ;;
    --yes|-y) yes=1 ;;
    --target) [ $# -gt 1 ] || fail "--target wants a folder"; target=$2; shift ;;
    --torch) [ $# -gt 1 ] || fail "--torch wants a build"; torch=$2; shift ;;
    -h|--help) usage; exit 0 ;;
    *) printf 'install: unknown word %s\n' "$1" >&2; exit 2 ;;
  esac
  shift
done
case $torch in auto|cpu|cuda|rocm|mps) ;; *) printf 'install: no build %s\n' "$torch" >&2; exit 2 ;; esac

system=$(uname -s) machine=$(uname -m)
case $system in
  Linux) data=${XDG_DATA_HOME:-$HOME/.local/share}/panoloom ;;
  Darwin) data="$HOME/Library/Application Support/panoloom" ;;
  *) fail "this is $system; on Windows use packaging/install.ps1" ;;
esac
target=${target:-$data/engine}
[ -f "$here/pyproject.toml" ] || fail "no Panoloom beside this script: run it inside its folder"

# Which build of torch --------------------------------------------------------------------------
# CUDA: the newest build that the driver can run; the driver tells its version in its table.
cuda_tag() {
  version=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9]*\)\.\([0-9]*\).*/\1\2/p' | head -n 1)
  [ -n "$version" ] || return 1
  if [ "$version" -ge 130 ]; then echo cu130
  elif [ "$version" -ge 128 ]; then echo cu128
  elif [ "$version" -ge 126 ]; then echo cu126
  else return 1; fi
}
card=
if have nvidia-smi; then card=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1 || true); fi
if [ "$torch" = auto ]; then
  torch=cpu
  if [ "$system" = Darwin ]; then
    if [ "$machine" = arm64 ]; then torch=mps card="Apple's GPU"; fi
  elif [ -n "$card" ]; then
    if cuda_tag >/dev/null; then torch=cuda
    else say "The driver of your $card is too old for a build of torch (CUDA 12.6 is the oldest)."; fi
  elif have rocminfo && rocminfo 2>/dev/null | grep -q 'gfx'; then
    torch=rocm card="AMD GPU"
  fi
fi
case $torch in
  cuda) tag=$(cuda_tag || echo cu126); torch_mb=2900; disk_gb=8 ;;
  rocm) tag=rocm6.4; torch_mb=4500; disk_gb=18 ;;
  cpu) tag=cpu; torch_mb=190; disk_gb=2 ;;
  mps) tag=; torch_mb=80; disk_gb=2 ;;
esac
if [ "$system" = Darwin ]; then tag=; fi     # one build there

# Which Python ------------------------------------------------------------------------------------
python= uv=
fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))' >/dev/null 2>&1; }
for name in python3.13 python3.12 python3.11 python3; do
  if have "$name" && fits "$name"; then python=$(command -v "$name"); break; fi
done
if [ -z "$python" ]; then
  if have uv; then uv=$(command -v uv); else uv=$target/uv/uv; fi
fi

# What will be done -------------------------------------------------------------------------------
total=$((torch_mb + 260))
say "Panoloom's engine goes to $target"
say "  card      ${card:-none that torch can use}"
if [ -n "$python" ]; then
  say "  Python    $python, in an environment of its own"
else
  if [ ! -x "$uv" ]; then say "  download  uv, about 20 MB, from $UV"; total=$((total + 20)); fi
  say "  download  Python 3.11, about 30 MB, by uv"; total=$((total + 30))
fi
say "  download  torch, the build for ${tag:-this Mac}, about $torch_mb MB"
say "  download  what else it needs, about 260 MB"
say "  in all    about $total MB to download, $disk_gb GB on disk; the preview model is included"

free_kb=$(place=$target; while [ ! -d "$place" ]; do place=$(dirname -- "$place"); done; df -Pk "$place" | awk 'NR==2 {print $4}')
if [ "$free_kb" -lt $((disk_gb * 1000000)) ]; then
  fail "$disk_gb GB are needed there and $((free_kb / 1000000)) GB are free. Make room, or choose --target."
fi

run() {
  if [ "$dry" = 1 ]; then say "would run: $*"; else "$@"; fi
}
if [ "$dry" = 0 ] && [ "$yes" = 0 ]; then
  [ -t 0 ] || fail "say --yes to go on without being asked"
  printf 'Go on? [y/N] '; read -r answer
  case $answer in y|Y|yes) ;; *) say "Nothing was done."; exit 0 ;; esac
fi

# Do it ---------------------------------------------------------------------------------------------
run mkdir -p "$target"
if [ -n "$python" ]; then
  run "$python" -m venv "$target"
  install() { run "$target/bin/python" -m pip install --disable-pip-version-check "$@"; }
else
  if [ ! -x "$uv" ]; then
    if [ "$dry" = 1 ]; then
      say "would run: the installer $UV into $target/uv"
    elif have curl; then
      curl -LsSf "$UV" -o "$target/uv-install.sh"
      UV_INSTALL_DIR=$target/uv UV_NO_MODIFY_PATH=1 sh "$target/uv-install.sh"
      rm -f "$target/uv-install.sh"
    else
      fail "there is neither a Python from 3.11 to 3.13, nor uv, nor curl to get it"
    fi
  fi
  run "$uv" venv --allow-existing --python 3.11 --managed-python "$target"
  install() { run "$uv" pip install --python "$target/bin/python" "$@"; }
fi
# torch first and by itself: what comes after cannot swap the build that was chosen
wanted=$(grep '^torch==' "$here/packaging/constraints.txt" || echo torch)
if [ "$torch" = rocm ]; then wanted=torch; fi      # those builds come later than the others
if [ -n "$tag" ]; then install --index-url "$PYTORCH/$tag" "$wanted"; else install "$wanted"; fi
pins=$target/constraints.txt
if [ "$dry" = 0 ]; then grep -v '^torch==' "$here/packaging/constraints.txt" > "$pins"; fi
install -c "$pins" "$here"
if [ "$dry" = 1 ]; then say "would run: $target/bin/panoloom doctor"; say "Nothing was done."; exit 0; fi
say ""
status=0
"$target/bin/panoloom" doctor || status=$?
say ""
if [ "$status" = 0 ]; then
  say "Installed. Blender's extension finds it; or choose $target/bin/panoloom in its preferences."
else
  say "Installed, with the trouble above."
fi
exit "$status"
