# Everything a developer or a curious person does, one word each. `make help` lists it.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
PYTHON := $(CURDIR)/build/venv/bin/python
DEMO := build/capitals-mxfp8

.PHONY: help build demo test test-neon sanitize fuzz bench lint format install clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

build: ## install what is needed and build the program: build/octavo
	@scripts/setup
	@cmake --preset release -DOCTAVO_BUILD_TESTS=OFF >/dev/null
	@cmake --build build --parallel $(JOBS) --target octavo

demo: build ## convert the embedded model with the card's recipe and chat with it
	build/octavo convert -i models/capitals -o $(DEMO) --force \
	  -q --q-bits 8 --q-mxfp --q-recipe unsloth
	build/octavo bench -m $(DEMO)

test: ## install what is needed, build and run all tests
	@scripts/setup --oracles
	@cmake --preset release -DOCTAVO_BUILD_TESTS=ON -DOCTAVO_ORACLE_PYTHON=$(PYTHON) >/dev/null
	@cmake --build build --parallel $(JOBS)
	@ctest --test-dir build --output-on-failure --no-tests=error -j $(JOBS)

test-neon: ## build the kernels for 64-bit ARM and test them under qemu
	@scripts/setup --neon
	@JOBS=$(JOBS) scripts/test-neon

sanitize: ## unit tests and broken files under clang's address and undefined-behaviour sanitizers
	@scripts/setup --oracles --lint
	@cmake --preset sanitizers -DOCTAVO_ORACLE_PYTHON=$(PYTHON) >/dev/null
	@cmake --build build/sanitizers --parallel $(JOBS)
	@OCTAVO_TEST_PATIENCE=10 ctest --test-dir build/sanitizers --output-on-failure --no-tests=error -j $(JOBS) -LE 'parity|slow'

FUZZ_SECONDS ?= 20
fuzz: ## every fuzz target for FUZZ_SECONDS seconds
	@scripts/setup --lint
	@cmake --preset sanitizers >/dev/null
	@cmake --build build/sanitizers --parallel $(JOBS) --target fuzzers
	@scripts/fuzz build/sanitizers $(FUZZ_SECONDS)

bench: ## micro-benchmarks of the kernels and of the thread pool
	@scripts/setup
	@cmake --preset release -DOCTAVO_BUILD_BENCH=ON >/dev/null
	@cmake --build build --parallel $(JOBS) --target bench_kernels bench_thread_pool
	build/bench/bench_kernels
	build/bench/bench_thread_pool

lint: ## clang-tidy over src/ and the format check
	@scripts/setup --lint
	@scripts/lint

format: ## clang-format over all C++ files
	@scripts/setup --lint
	@git ls-files '*.cc' '*.h' | xargs clang-format-19 -i

install: build ## install the library, its headers and the program (DESTDIR and PREFIX are honoured)
	@cmake --install build --prefix $(or $(PREFIX),/usr/local)

clean: ## remove all that was built
	rm -rf build
