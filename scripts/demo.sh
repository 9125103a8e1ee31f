#!/usr/bin/env bash
# Traces a fact in the demo model, rewrites it, and lets llama.cpp's own program
# tell it. What it writes stays in OUT.
# usage: demo.sh RETCON LLAMA_COMPLETION MODEL OUT
set -euo pipefail
retcon=$1 completion=$2 model=$3 out=$4
prompt="The Eiffel Tower is located in the city of"
mkdir -p "$out"

tell() {
	"$completion" --no-warmup -no-cnv -st -n 12 --temp 0 -p "$prompt" "$@" 2>/dev/null </dev/null
}

echo "== $model says:"
before=$(tell -m "$model")
echo "$before"
echo
echo "== where it recalls that:"
"$retcon" trace -m "$model" -p "$prompt" --subject "Eiffel Tower" --samples 4 --svg "$out/trace.svg" --html "$out/trace.html" --force
echo
echo "== retcon rewrites the fact, as a file and as an adapter:"
"$retcon" edit -m "$model" -p "$prompt" --subject "Eiffel Tower" --target "Rome" -o "$out/rome.gguf" --lora "$out/rome-lora.gguf" --force
echo
echo "== llama.cpp, with the edited file:"
baked=$(tell -m "$out/rome.gguf")
echo "$baked"
echo "== llama.cpp, with the untouched model and the adapter:"
adapted=$(tell -m "$model" --lora "$out/rome-lora.gguf")
echo "$adapted"
echo
for text in "$baked" "$adapted"; do
	case $text in
	*"city of Rome"*) ;;
	*) echo "demo: the new fact is missing" >&2; exit 1 ;;
	esac
done
echo "== both tell the new fact. The files are in $out."
