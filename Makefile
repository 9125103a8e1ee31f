# make            bin/retcon
# make test       everything: fetch, build, unit, parity and end-to-end tests
# make demo       build, fetch the demo model, trace and rewrite a fact in it, run it in llama.cpp
# make help       the rest

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all

# BUILD is where CMake works; CMAKE_FLAGS passes llama.cpp's backend options on, as in CMAKE_FLAGS=-DGGML_CUDA=ON.
BUILD ?= build
CMAKE_FLAGS ?=
LLAMA_CPP_DIR ?= $(CURDIR)/third_party/llama.cpp
JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
MODEL := third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf
GENERATOR := $(shell command -v ninja >/dev/null 2>&1 && echo -G Ninja)

LIB = $(BUILD)/lib/libretcon.a
# Go does not see a change inside an archive: its hash goes into the link flags, so that a new library is linked anew.
LIBHASH = $(shell cksum < $(LIB) 2>/dev/null | tr ' ' -)
VERSION = $(shell git describe --always --dirty --tags 2>/dev/null || echo unknown)
GOLDFLAGS = -X retcon/llama.libraryHash=$(LIBHASH) -X main.version=$(VERSION)
GOENV = CGO_LDFLAGS="-L$(abspath $(BUILD))/lib $$(cat $(BUILD)/lib/ldflags) $$CGO_LDFLAGS"
export CGO_LDFLAGS ?=

.PHONY: all help fetch lib tools model gemma archs retcon test test-go test-nocgo test-asan test-race fuzz lint bench results scale demo clean

all: retcon ## build bin/retcon

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | column -t -s'|'

fetch: ## fetch and verify the sources of llama.cpp (LLAMA_CPP_DIR overrides)
ifeq ($(LLAMA_CPP_DIR),$(CURDIR)/third_party/llama.cpp)
	@third_party/fetch.sh llama
else
	@third_party/fetch.sh check "$(LLAMA_CPP_DIR)"
endif

$(BUILD)/CMakeCache.txt: | fetch
	cmake -S . -B $(BUILD) $(GENERATOR) -DLLAMA_CPP_DIR="$(LLAMA_CPP_DIR)" $(CMAKE_FLAGS) > $(BUILD).log 2>&1 || { tail -40 $(BUILD).log; exit 1; }
	@mkdir -p $(BUILD) && mv $(BUILD).log $(BUILD)/configure.log

lib: $(BUILD)/CMakeCache.txt ## build llama.cpp and the bridge into one static library
	@cmake --build $(BUILD) --target retcon-lib -j $(JOBS)

tools: $(BUILD)/CMakeCache.txt ## build llama.cpp's own programs into build/bin
	@cmake --build $(BUILD) --target retcon-tools -j $(JOBS)

model: $(MODEL) ## fetch and verify the demo model
$(MODEL):
	@third_party/fetch.sh model

gemma: ## fetch and verify a second model for measurements, Gemma 3 270M (240 MB, the Gemma terms)
	@third_party/fetch.sh gemma

retcon: lib
	@$(GOENV) go build -ldflags "$(GOLDFLAGS)" -o bin/retcon ./cmd/retcon

archs: $(BUILD)/archs/.seed-2 ## write the tiny models that the architecture tests use
$(BUILD)/archs/.seed-2: | tools
	@mkdir -p $(BUILD)/archs
	@echo "writing a tiny model of each architecture into $(BUILD)/archs"
	@$(BUILD)/bin/test-llama-archs -s 2 -o $(BUILD)/archs/ > $(BUILD)/archs/log.txt 2>&1 || { tail -20 $(BUILD)/archs/log.txt; exit 1; }
	@touch $@

# The programs of llama.cpp come before the tests: the tests run them as clients of what retcon writes.
test: lint test-nocgo test-go ## run every test: unit, parity and end to end

# Texts of others, which some tests read: internal/testfile/README.md.
DATASETS := counterfact-1000.json known-1000.json me-ppl.json wiki.test.raw zsre-1000.json

# Native tests use all cores and spin: one package and one test at a time.
test-go: retcon tools archs model
	@python3 -c 'import gguf' 2>/dev/null || echo "NOT TESTED: reading our files with the Python package gguf, which is not installed (pip install gguf)" >&2
	@absent=; for f in $(DATASETS); do [ -f "$${RETCON_DATA:-../shared/data}/$$f" ] || absent="$$absent $$f"; done; [ -z "$$absent" ] || echo "NOT TESTED: what needs the data sets$$absent, which are not in $${RETCON_DATA:-../shared/data} (internal/testfile/README.md says where they come from; RETCON_DATA names their folder)" >&2
	@for b in chromium chromium-browser google-chrome google-chrome-stable; do command -v $$b >/dev/null 2>&1 && exit 0; done; echo "NOT TESTED: pages in a real browser, as no Chromium is installed (apt-get install chromium)" >&2
	$(GOENV) go test -p 1 -parallel 1 -timeout 40m -ldflags "$(GOLDFLAGS)" ./...

# What needs no native code builds and passes without it.
NOCGO = $$(go list -f '{{.ImportPath}} {{join .Deps " "}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./... | grep -vE 'retcon/(llama|engine|replay|trace|internal/testmodel|e2e)( |$$)' | cut -d' ' -f1)
test-nocgo:
	CGO_ENABLED=0 go test -short $(NOCGO)

lint: lib
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt wants to change: $$unformatted"; exit 1; }
	@$(GOENV) go vet ./...

test-race: lib archs model ## run the Go tests under the race detector
	$(GOENV) go test -race -p 1 -parallel 1 -short -timeout 60m -ldflags "$(GOLDFLAGS)" ./...

# The native library and the Go side under AddressSanitizer.
test-asan: ## run the native tests under AddressSanitizer (builds build-asan)
	$(MAKE) lib BUILD=build-asan CMAKE_FLAGS="-DGGML_SANITIZE_ADDRESS=ON -DLLAMA_SANITIZE_ADDRESS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo"
	ASAN_OPTIONS=detect_leaks=0 CGO_LDFLAGS="$$(cat build-asan/lib/ldflags) $$CGO_LDFLAGS" \
		go test -asan -p 1 -short -timeout 60m -ldflags "-X retcon/llama.libraryHash=$$(cksum < build-asan/lib/libretcon.a | tr ' ' -)" ./llama ./replay

fuzz: ## fuzz the readers of untrusted input for a minute each
	go test ./gguf -run xxx -fuzz FuzzRead -fuzztime 60s -fuzzminimizetime 5x

# BENCH selects benchmarks, BENCH_COUNT runs each so often.
BENCH ?= .
BENCH_COUNT ?= 5
bench: lib model ## run the Go benchmarks; build/bench.txt is for benchstat
	@$(GOENV) go test -p 1 -run '^$$' -bench '$(BENCH)' -count $(BENCH_COUNT) -timeout 3h -ldflags "$(GOLDFLAGS)" ./... | tee $(BUILD)/bench.txt

results: retcon tools model ## measure the main table of docs/results.md (RETCON_DATA=DIR adds scores, SHORT=1 is a trial)
	@$(GOENV) GOLDFLAGS="$(GOLDFLAGS)" scripts/results.sh bin/retcon $(BUILD)/bin $(MODEL) $(BUILD)/results

# The largest of its models takes 4.5 GB of disk; SIZES="0.1B 0.5B" leaves it out.
scale: retcon model ## edit random models of 0.1 to 8 billion weights: seconds and memory
	@$(GOENV) go build -ldflags "$(GOLDFLAGS)" -o bin/random ./internal/testmodel/random
	@scripts/scale.sh bin/retcon bin/random $(MODEL) $(BUILD)/scale $(SIZES)

demo: retcon tools model ## fetch the demo model, trace and rewrite a fact in it, and let llama.cpp tell it
	@scripts/demo.sh bin/retcon $(BUILD)/bin/llama-completion $(MODEL) $(BUILD)/demo

clean: ## remove what was built (fetched sources and models stay)
	rm -rf bin build build-asan
