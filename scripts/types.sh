#!/usr/bin/env bash
# Writes MODEL in other types of weights, all of them (DIR/all-*.gguf) and ffn_down's alone
# (DIR/down-*.gguf), and prints which type each class of weights got: rows that are no
# multiple of 256 cannot be K-quants, and llama.cpp falls back to other types for them.
# For measuring edits on them: docs/lab/scores.md.
# usage: types.sh LLAMA_QUANTIZE MODEL DIR
set -euo pipefail
quantize=$1 model=$2 dir=$3
mkdir -p "$dir"

# types LOG: "class type xCOUNT" of every class of weights with more than one dimension.
types() {
	awk -F' - |, *' '/^\[ *[0-9]+\/ *[0-9]+\]/ && !/norm|bias/ {
		split($1, name, "] "); class = name[2]
		sub(/ *$/, "", class); sub(/\.weight$/, "", class); sub(/^blk\.[0-9]+\./, "", class)
		type = $0; sub(/.*type = +/, "", type)
		if (type ~ /converting to/) sub(/.*converting to /, "", type)
		sub(/[ ,].*/, "", type)
		if (!(class in seen)) { seen[class] = 1; order[++n] = class }
		count[class, tolower(type)]++; kinds[tolower(type)] = 1
	} END {
		for (i = 1; i <= n; i++) {
			line = ""
			for (k in kinds) if ((order[i], k) in count) line = line " " k "x" count[order[i], k]
			printf "%s:%s; ", order[i], line
		}
		print ""
	}' "$1"
}

write() { # write NAME FTYPE [flags]
	local name=$1 ftype=$2
	shift 2
	"$quantize" --allow-requantize "$@" "$model" "$dir/$name.gguf.part" "$ftype" > "$dir/$name.log" 2>&1
	mv "$dir/$name.gguf.part" "$dir/$name.gguf"
	echo "$name: $(types "$dir/$name.log")"
}

for type in F32 F16 Q8_0 Q6_K Q5_1 Q4_1 Q4_0 Q3_K Q2_K; do
	write "all-$type" "$type"
done
for type in f32 f16 q8_0 q6_k q5_1 q4_0 q3_k q2_k; do
	write "down-$type" Q4_1 --tensor-type "ffn_down=$type"
done
