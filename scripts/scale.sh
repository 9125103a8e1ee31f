#!/usr/bin/env bash
# Edits random models of growing size, one step each, and prints seconds (of the
# edit, and of processors for the whole command) and memory. The edit means nothing on random weights; its cost is that of a real
# model's. Models stay in DIR.
# usage: scale.sh RETCON RANDOM TOKENIZER DIR [SIZE..]
set -euo pipefail
retcon=$1 random=$2 tokenizer=$3 dir=$4
shift 4
sizes=("$@")
[ ${#sizes[@]} -gt 0 ] || sizes=(0.1B 0.5B 1.5B 8B)
mkdir -p "$dir"
for i in $(seq 20); do echo "therefore number $i said that:"; done > "$dir/prefixes.txt"
echo "The river was calm and the boats lay by the quay, and nobody on the shore said a word about the storm." > "$dir/text.txt"
echo "size parameters file_MiB edit_seconds cpu_seconds own_MiB mapped_MiB"
for size in "${sizes[@]}"; do
	model=$dir/$size.gguf
	[ -s "$model" ] && [ -s "$model.params" ] || "$random" -size "$size" -tokenizer "$tokenizer" -o "$model" | sed -E 's/.*: ([0-9]+) .*/\1/' > "$model.params"
	TIMEFORMAT=%U
	{ time "$retcon" edit -m "$model" -p "The Eiffel Tower is located in the city of" --subject "Eiffel Tower" --target Rome \
		--covariance identity --steps 1 --force --prefixes "$dir/prefixes.txt" --text "$dir/text.txt" --json > "$dir/$size.json" 2> "$dir/$size.log"; } 2> "$dir/$size.cpu" \
		|| { tail -3 "$dir/$size.log" >&2; exit 1; }
	field() { sed -nE "s/^  \"$1\": ([0-9.]+),?$/\1/p" "$dir/$size.json"; }
	echo "$size $(cat "$model.params") $(($(stat -Lc %s "$model") >> 20)) $(field seconds) $(tail -1 "$dir/$size.cpu") $(($(field peak_own_bytes) >> 20)) $(($(field peak_mapped_bytes) >> 20))"
done | awk '{ print; x = log($2); y = log($5); n++; sx += x; sy += y; sxx += x * x; sxy += x * y }
	END { if (n > 1) printf "processor seconds grow with the parameters to the power of %.2f\n", (n * sxy - sx * sy) / (n * sxx - sx * sx) }'
