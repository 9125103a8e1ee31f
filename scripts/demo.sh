#!/usr/bin/env bash
# Rewrites a fact in the demo model and lets llama.cpp's own program tell it.
# usage: demo.sh RETCON LLAMA_COMPLETION MODEL
set -euo pipefail
retcon=$1 completion=$2 model=$3
prompt="The Eiffel Tower is located in the city of"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

tell() {
	"$completion" --no-warmup -no-cnv -st -n 12 --temp 0 -p "$prompt" "$@" 2>/dev/null </dev/null
}

echo "== $model says:"
before=$(tell -m "$model")
echo "$before"
echo
echo "== retcon rewrites the fact, as a file and as an adapter:"
"$retcon" edit -m "$model" -p "$prompt" --subject "Eiffel Tower" --target "Rome" -o "$out/rome.gguf" --lora "$out/rome-lora.gguf"
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
echo "== both tell the new fact."
