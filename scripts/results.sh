#!/usr/bin/env bash
# Measures the main table of docs/results.md on this machine and prints it: seconds and
# memory of an edit and of traces of the demo model, beside llama-bench, and the scores
# of CounterFact's records 100 to 149 where the data sets are (internal/testfile). Some 15 minutes on two cores, of which nothing else may use
# any. SHORT=1 does each once, with small settings, to see that it works.
# Make runs it with the link flags that go test needs: make results.
# usage: results.sh RETCON TOOLS MODEL OUT
set -euo pipefail
retcon=$1 tools=$2 model=$3 out=$4
threads=$(nproc 2>/dev/null || sysctl -n hw.ncpu)
short=${SHORT:-}
data=${RETCON_DATA:-../shared/data}/counterfact-1000.json
mkdir -p "$out"
# Statistics are part of what is measured: a cache of its own, empty at first.
cache=$(mktemp -d "$out/cache.XXXXXX")
trap 'rm -rf "$cache"' EXIT

# What the PyTorch original took, in tokens of llama-bench's F32 prompt rate on the machine
# it ran on (docs/results.md): an edit on two machines, a trace on one.
edit_tokens="14700 16300" trace_tokens="108000 108000"

runs=3 records=16 scored=50 statistics=() samples=10 traces=10
if [ -n "$short" ]; then
	runs=1 records=1 scored=1 statistics=(--keys 0.5) samples=2 traces=2
	echo "results: SHORT is a trial, whose figures say nothing" >&2
fi

# rate is llama-bench's prompt rate on the model in F32, tokens a second.
rate() {
	"$tools/llama-bench" -m "$out/f32.gguf" -p 512 -n 0 -t "$threads" -r 3 -o json 2>/dev/null |
		sed -nE 's/.*"avg_ts": ([0-9.]+).*/\1/p' | head -1
}

# own COMMAND.. runs it and puts the most anonymous memory that it had, in MiB, into $out/own.
own() {
	"$@" &
	local pid=$! most=0 now
	while now=$(sed -nE 's/^RssAnon:\s+([0-9]+) kB/\1/p' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do
		[ "$now" -le "$most" ] || most=$now
		sleep 0.05
	done
	wait "$pid" || { echo "results: $* failed" >&2; exit 1; }
	echo $((most >> 10)) > "$out/own"
}

# field NAME FILE is the first number of that name in JSON.
field() { sed -nE "s/^ *\"$1\": (-?[0-9.e+-]+),?\$/\1/p" "$2" | head -1; }

# row TASK SECONDS BEFORE AFTER "TOKENS TOKENS" MEMORY: seconds may be several, with commas.
row() {
	awk -v task="$1" -v seconds="$2" -v a="$3" -v b="$4" -v tokens="$5" -v memory="$6" 'BEGIN {
		n = split(seconds, s, ", ")
		low = high = s[1] + 0
		for (i = 2; i <= n; i++) { if (s[i] + 0 < low) low = s[i] + 0; if (s[i] + 0 > high) high = s[i] + 0 }
		for (i = 1; i <= n; i++) text = text (i > 1 ? ", " : "") sprintf(s[i] < 1 ? "%.2f" : s[i] < 100 ? "%.1f" : "%.0f", s[i])
		slow = a < b ? a : b; fast = a < b ? b : a
		ratio = "-"
		if (split(tokens, t, " ") == 2) ratio = sprintf("%.3g to %.3g", t[1] / fast / high, t[2] / slow / low)
		printf "| %s | %s | %.0f, %.0f | %s | %s |\n", task, text, a, b, ratio, memory
	}'
}

[ -s "$out/f32.gguf" ] || {
	"$tools/llama-quantize" --allow-requantize "$model" "$out/f32.gguf.part" F32 > "$out/f32.log" 2>&1
	mv "$out/f32.gguf.part" "$out/f32.gguf"
}

eiffel=(edit -m "$model" -p "The Eiffel Tower is located in the city of" --subject "Eiffel Tower" --target Rome
	-t "$threads" --cache-dir "$cache" "${statistics[@]}" --json --quiet)
needle=(trace -m "$model" -p "The Space Needle is in the city of" --subject "Space Needle" --samples "$samples" -t "$threads" --json --quiet)

"$retcon" version
echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo 2>/dev/null | head -1), $threads threads, $(date +%F)"
echo
echo "| task | seconds | llama-bench F32, tokens a second before, after | times faster than PyTorch | own memory |"
echo "|---|---|---|---|---|"

before=$(rate)
own "$retcon" "${eiffel[@]}" > "$out/statistics.json"
after=$(rate)
row "statistics of a layer, text written by the model" "$(field stats_seconds "$out/statistics.json")" "$before" "$after" "" "$(cat "$out/own") MiB with the edit"

before=$after seconds=
for i in $(seq "$runs"); do
	own "$retcon" "${eiffel[@]}" > "$out/edit-$i.json"
	seconds+=${seconds:+, }$(field seconds "$out/edit-$i.json")
done
after=$(rate)
row "an edit, a process's only" "$seconds" "$before" "$after" "$edit_tokens" "$(($(field peak_own_bytes "$out/edit-1.json") >> 20)) MiB"

if [ -s "$data" ]; then
	before=$after
	own "$retcon" bench -m "$model" --data "$data" --from 100 -n "$records" --metrics likelihood \
		-t "$threads" --cache-dir "$cache" "${statistics[@]}" --json --quiet > "$out/bench.json"
	after=$(rate)
	row "an edit of a running process, records 100 to $((99 + records))" "$(field seconds_per_edit "$out/bench.json")" "$before" "$after" "$edit_tokens" "$(cat "$out/own") MiB"
fi

for way in "exact:" "estimated, a process's only: --approx" "estimated, 24 cells refined: --approx --refine 24"; do
	before=$after
	# shellcheck disable=SC2086 # flags are several words
	own "$retcon" "${needle[@]}" ${way#*:} > "$out/trace.json"
	after=$(rate)
	row "a trace, ${way%%:*}" "$(field seconds "$out/trace.json")" "$before" "$after" "$trace_tokens" "$(cat "$out/own") MiB"
done

before=$after
go test ./trace -run '^$' -bench 'Estimate$' -benchtime "${traces}x" -ldflags "${GOLDFLAGS:-}" > "$out/estimate.txt"
after=$(rate)
row "estimated traces of a process, mean of $traces" "$(awk '/^BenchmarkEstimate/ { print $3 / 1e9 }' "$out/estimate.txt")" "$before" "$after" "$trace_tokens" "-"

if [ -s "$data" ]; then
	"$retcon" bench -m "$model" --data "$data" --from 100 -n "$scored" --metrics likelihood \
		-t "$threads" --cache-dir "$cache" "${statistics[@]}" --quiet > "$out/scores.txt"
	printf '\nCounterFact, records 100 to %d:\n\n' $((99 + scored))
	cat "$out/scores.txt"
else
	echo "NOT MEASURED: edits of a running process and scores, as $data is not there" >&2
fi
