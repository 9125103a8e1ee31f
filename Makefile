# make            bin/retcon
# make test       everything: fetch, build, unit, parity and end-to-end tests
# make demo       build, fetch the demo model, rewrite a fact in it, run it in llama.cpp
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
GOENV = CGO_LDFLAGS="$$(cat $(BUILD)/lib/ldflags) $$CGO_LDFLAGS"
export CGO_LDFLAGS ?=
GOFLAGS_TEST ?=

.PHONY: all help fetch lib tools model retcon test test-go test-nocgo test-asan test-race fuzz lint bench demo clean FORCE

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

retcon: lib
	@$(GOENV) go build -ldflags "$(GOLDFLAGS)" -o bin/retcon ./cmd/retcon

clean: ## remove what was built (fetched sources and models stay)
	rm -rf bin build build-asan
