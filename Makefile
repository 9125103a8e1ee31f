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
# TOOLS is the build folder whose programs of llama.cpp, and the tiny models that they write, tests use; BIN is where retcon goes.
TOOLS ?= $(BUILD)
BIN ?= bin
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
# How tests find all that (internal/built).
TESTENV = RETCON_BUILD=$(abspath $(BUILD)) RETCON_TOOLS=$(abspath $(TOOLS)) RETCON_BIN=$(abspath $(BIN))

.PHONY: all help fetch lib tools model gemma qwen qwen-large archs retcon test test-go test-isa test-nocgo test-asan test-race test-mutated test-kill test-cycles fuzz lint check bench results scale demo clean

all: retcon ## build bin/retcon

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | column -t -s'|'

fetch: ## fetch and verify the sources of llama.cpp (LLAMA_CPP_DIR overrides)
ifeq ($(LLAMA_CPP_DIR),$(CURDIR)/third_party/llama.cpp)
	@third_party/fetch.sh llama
else
	@third_party/fetch.sh check "$(LLAMA_CPP_DIR)"
endif

$(sort $(BUILD)/CMakeCache.txt $(TOOLS)/CMakeCache.txt): | fetch
	cmake -S . -B $(@D) $(GENERATOR) -DLLAMA_CPP_DIR="$(LLAMA_CPP_DIR)" $(CMAKE_FLAGS) > $(@D).log 2>&1 || { tail -40 $(@D).log; exit 1; }
	@mkdir -p $(@D) && mv $(@D).log $(@D)/configure.log

lib: $(BUILD)/CMakeCache.txt ## build llama.cpp and the bridge into one static library
	@cmake --build $(BUILD) --target retcon-lib -j $(JOBS)

tools: $(TOOLS)/CMakeCache.txt ## build llama.cpp's own programs into build/bin
	@cmake --build $(TOOLS) --target retcon-tools -j $(JOBS)

model: $(MODEL) ## fetch and verify the demo model
$(MODEL):
	@third_party/fetch.sh model

gemma: ## fetch and verify a second model for measurements, Gemma 3 270M (240 MB, the Gemma terms)
qwen: ## fetch and verify a model that people use, Qwen2.5-Coder-0.5B-Instruct (491 MB, Apache-2.0)
qwen-large: ## fetch and verify Qwen2.5-Coder-1.5B-Instruct (1.1 GB, Apache-2.0)
gemma qwen qwen-large:
	@third_party/fetch.sh $@

retcon: lib
	@$(GOENV) go build -ldflags "$(GOLDFLAGS)" -o $(BIN)/retcon ./cmd/retcon

archs: $(TOOLS)/archs/.seed-2 ## write the tiny models that the architecture tests use
$(TOOLS)/archs/.seed-2: | tools
	@mkdir -p $(@D)
	@echo "writing a tiny model of each architecture into $(@D)"
	@$(TOOLS)/bin/test-llama-archs -s 2 -o $(@D)/ > $(@D)/log.txt 2>&1 || { tail -20 $(@D)/log.txt; exit 1; }
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
	$(GOENV) $(TESTENV) go test -p 1 -parallel 1 -timeout 40m -ldflags "$(GOLDFLAGS)" ./...

# The suite as another processor would run it, each in a build folder of its own:
# what ggml compiles for, it uses, and the bridge has no kernels for AVX-512 where the
# processor would have none. avx512 is an Ice Lake: AVX-512 with VNNI and VBMI, but
# no BF16. native is all that this machine has. The programs of llama.cpp are clients
# of what retcon writes, and so are those of the main build folder.
ISA ?= native
BUILD_native = $(BUILD)
BUILD_avx2 = build-avx2
BUILD_avx512 = build-avx512
ISA_avx2 = -DGGML_NATIVE=OFF $(AVX2) -DRETCON_AVX512=OFF
ISA_avx512 = -DGGML_NATIVE=OFF $(AVX2) -DGGML_AVX512=ON -DGGML_AVX512_VNNI=ON -DGGML_AVX512_VBMI=ON
AVX2 = -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON

test-isa: tools archs model ## run the Go tests as another processor would: ISA=avx2, avx512 or native
	@[ -n "$(BUILD_$(ISA))" ] || { echo "ISA=$(ISA): not avx2, avx512 or native" >&2; exit 2; }
	@! [ $(ISA) = avx512 ] || grep -qw avx512_vnni /proc/cpuinfo || { echo "ISA=avx512: this processor has no AVX-512 with VNNI" >&2; exit 1; }
	@$(MAKE) --no-print-directory retcon BUILD=$(BUILD_$(ISA)) BIN=$(BUILD_$(ISA))/bin CMAKE_FLAGS="$(ISA_$(ISA)) $(CMAKE_FLAGS)"
	@$(BUILD_$(ISA))/bin/retcon version
	@$(MAKE) --no-print-directory test-go BUILD=$(BUILD_$(ISA)) BIN=$(BUILD_$(ISA))/bin TOOLS=$(TOOLS) CMAKE_FLAGS="$(ISA_$(ISA)) $(CMAKE_FLAGS)"

# What needs no native code builds and passes without it.
NOCGO = $$(go list -f '{{.ImportPath}} {{join .Deps " "}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./... | grep -vE 'retcon/(llama|engine|replay|trace|internal/testmodel|e2e)( |$$)' | cut -d' ' -f1)
test-nocgo:
	CGO_ENABLED=0 go test -short $(NOCGO)

lint: lib ## gofmt, go vet and staticcheck, whose version go.mod pins
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt wants to change: $$unformatted"; exit 1; }
	@$(GOENV) go vet ./...
	@$(GOENV) go tool staticcheck ./...

# A few seconds of the native packages: the binding, programs, kernels, replays of the demo model and of two tiny ones,
# the command's usage.
CHECK = TestModelInfo|TestHooks|TestProgram|TestQuantisedProducts|TestReplayDemo|TestArchitectures/^(llama|gpt2)-dense$$|TestScripts/^(usage|help|version)$$|TestDocumented
check: lint test-nocgo ## what to run between edits, under two minutes once built
	$(GOENV) $(TESTENV) go test -p 1 -parallel 1 -short -run '$(CHECK)' -ldflags "$(GOLDFLAGS)" ./llama ./replay ./cmd/retcon

test-race: lib archs model ## run the Go tests under the race detector
	$(GOENV) $(TESTENV) go test -race -p 1 -parallel 1 -short -timeout 60m -ldflags "$(GOLDFLAGS)" ./...

# The native library and the Go side under AddressSanitizer.
test-asan: ## run the native tests under AddressSanitizer (builds build-asan)
	$(MAKE) lib BUILD=build-asan CMAKE_FLAGS="-DGGML_SANITIZE_ADDRESS=ON -DLLAMA_SANITIZE_ADDRESS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo"
	ASAN_OPTIONS=detect_leaks=0 CGO_LDFLAGS="$$(cat build-asan/lib/ldflags) $$CGO_LDFLAGS" \
		go test -asan -p 1 -short -timeout 60m -ldflags "-X retcon/llama.libraryHash=$$(cksum < build-asan/lib/libretcon.a | tr ' ' -)" ./llama ./replay

# What docs/reliability.md promises, for longer than make test tries it.
MUTATIONS ?= 33
KILLS ?= 200
CYCLES ?= 1000
LONG = $(GOENV) $(TESTENV) go test -count=1 -v -p 1 -timeout 6h -ldflags "$(GOLDFLAGS)"
test-mutated: retcon archs ## hand damaged files to every reader and to llama.cpp: MUTATIONS=33 times as many as make test (10,000 models)
	$(GOENV) RETCON_MUTATIONS=$(MUTATIONS) go test -count=1 -p 1 -timeout 6h -run Mutated ./gguf ./fact ./eval ./trace/average ./edit ./edit/rome
	RETCON_MUTATIONS=$(MUTATIONS) $(LONG) ./engine -run TestMutated

test-kill: retcon ## end runs by kill -9 at KILLS=200 random moments, and go on with them
	RETCON_KILLS=$(KILLS) $(LONG) ./e2e -run TestKill

test-cycles: lib model ## edit and score the demo model CYCLES=1000 times in one process, and watch what it holds
	RETCON_CYCLES=$(CYCLES) RETCON_CYCLES_MODEL=$(abspath $(MODEL)) $(LONG) ./engine -run TestCycles

fuzz: ## fuzz the readers of untrusted input for a minute each
	go test ./gguf -run xxx -fuzz FuzzRead -fuzztime 60s -fuzzminimizetime 5x
	go test ./internal/textfile -run xxx -fuzz FuzzReader -fuzztime 60s -fuzzminimizetime 5x
	go test ./fact -run xxx -fuzz FuzzRecords -fuzztime 60s -fuzzminimizetime 5x
	go test ./trace/average -run xxx -fuzz FuzzParseFacts -fuzztime 60s -fuzzminimizetime 5x
	go test ./edit/rome -run xxx -fuzz FuzzReadHParams -fuzztime 60s -fuzzminimizetime 5x

# BENCH selects benchmarks, BENCH_COUNT runs each so often.
BENCH ?= .
BENCH_COUNT ?= 5
bench: lib model ## run the Go benchmarks; build/bench.txt is for benchstat
	@$(GOENV) go test -p 1 -run '^$$' -bench '$(BENCH)' -count $(BENCH_COUNT) -timeout 3h -ldflags "$(GOLDFLAGS)" ./... | tee $(BUILD)/bench.txt

results: retcon tools model ## measure the main table of docs/results.md (SHORT=1 is a trial)
	@$(GOENV) GOLDFLAGS="$(GOLDFLAGS)" scripts/results.sh $(BIN)/retcon $(TOOLS)/bin $(MODEL) $(BUILD)/results

# The largest of its models takes 4.5 GB of disk; SIZES="0.1B 0.5B" leaves it out.
scale: retcon model ## edit random models of 0.1 to 8 billion weights: seconds and memory
	@$(GOENV) go build -ldflags "$(GOLDFLAGS)" -o bin/random ./internal/testmodel/random
	@scripts/scale.sh bin/retcon bin/random $(MODEL) $(BUILD)/scale $(SIZES)

demo: retcon tools model ## fetch the demo model, trace and rewrite a fact in it, and let llama.cpp tell it
	@scripts/demo.sh bin/retcon $(BUILD)/bin/llama-completion $(MODEL) $(BUILD)/demo

clean: ## remove what was built (fetched sources and models stay)
	rm -rf bin build build-asan build-avx2 build-avx512
