# make check is quick and needs nothing; make test is everything; make help lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL: # the prerequisites of a target are steps in order

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# Static: the daemon and the server run in the lab, whatever its C library.
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
# Packages whose tests run the whole system; all others run under the race detector.
SCENARIOS = $(shell go list ./test/... | grep -E '/test/(lab|acceptance)(/|$$)')
UNITS     = $(shell go list ./... | grep -vE '/test/(lab|acceptance)(/|$$)')
FUZZTIME ?= 20s
WORLDS ?= 20000
ARGS ?=

.PHONY: help build test check race lint accept demo bench sim otel kubelab fuzz cover package rootfs bootstrap clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## static programs: bin/recoveryd and bin/mcp-target (the demo server)
	@mkdir -p bin
	$(GOBUILD) -o bin/recoveryd ./cmd/recoveryd
	$(GOBUILD) -o bin/mcp-target ./test/target

test: bootstrap build lint rootfs ## everything: install what is needed, build, lint, unit tests with -race, acceptance
	@export RECOVERYD_LAB_BIN='$(CURDIR)/bin'
	{ failed=0
	  go test -json -race -timeout 20m $(UNITS) || failed=1
	  go test -json -timeout 60m -p 1 -count=1 $(SCENARIOS) || failed=1
	  exit $$failed
	} | go run ./test/report

check: build lint ## build, lint and unit tests, without root, lab or network
	@go test -json -short -timeout 10m $(UNITS) | go run ./test/report

race: ## unit tests with the race detector
	@go test -json -race -timeout 10m $(UNITS) | go run ./test/report

accept: build rootfs ## the tests that run the whole system, verbose
	RECOVERYD_LAB_BIN='$(CURDIR)/bin' go test -v -count=1 -timeout 60m -p 1 $(SCENARIOS)

lint: ## gofmt, go mod tidy, go vet, staticcheck
	@unformatted=$$(gofmt -l cmd internal pkg test)
	if [ -n "$$unformatted" ]; then echo "not formatted by gofmt: $$unformatted" >&2; exit 1; fi
	if ! diff=$$(go mod tidy -diff); then
	  if [ -n "$$diff" ]; then printf '%s\n' "$$diff" "go.mod or go.sum is not tidy: go mod tidy" >&2; exit 1; fi
	  echo "whether go.mod is tidy cannot be told: not every module can be had here" >&2
	fi
	go vet ./...
	go run $(STATICCHECK) ./...

demo: build ## the main job on this machine, no root and no systemd: faults, cures, times (ARGS=--keep stays up)
	@CGO_ENABLED=0 go build -o bin/demo ./test/demo
	exec bin/demo $(ARGS)

bench: build rootfs ## how fast and how cheap recoveryd is, in the lab, beside a bare listener (ARGS="-o json")
	@CGO_ENABLED=0 go build -o bin/floor ./test/bench/floor
	CGO_ENABLED=0 go build -o bin/bench ./test/bench
	exec bin/bench $(ARGS)

sim: ## 20,000 simulated worlds of a day, and the broken rules that must be caught (WORLDS=N)
	go test -count=1 -timeout 60m ./internal/sim -run 'TestManyWorlds|TestEveryBrokenRuleIsCaught' -worlds $(WORLDS) -days 1 -mutants -v

otel: ## the trace of a real incident through a real OpenTelemetry collector (fetches its modules, builds for some minutes)
	cd test/otel
	go vet .
	go test -count=1 -v .

kubelab: ## a real Kubernetes control plane on loopback (built once: 5 to 15 minutes), the tests that need one, the corpus of situations made anew
	@if ! go run ./test/kubelab/cmd/kubelab build >/dev/null; then
	  printf '\n*** NO KUBELAB HERE: its tests are skipped; the reason stands above ***\n\n' >&2
	  exit 0
	fi
	go test -v -count=1 -timeout 10m ./test/kubelab/...
	out=$$(mktemp -d); trap 'rm -rf "$$out"' EXIT
	go run ./test/kubelab/corpus -check -o "$$out"

fuzz: ## every fuzz target for FUZZTIME each
	@for pkg in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -r -n1 dirname | sort -u); do
	  for name in $$(go test -list '^Fuzz' ./$$pkg | grep '^Fuzz'); do
	    echo "fuzz $$pkg $$name"
	    go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) ./$$pkg
	  done
	done

cover: ## test coverage by package; the profile is in dist/cover.out
	@mkdir -p dist
	go test -coverprofile=dist/cover.out $(UNITS)
	go tool cover -func=dist/cover.out | tail -1

package: ## .deb and .rpm with bill of materials and checksums into dist/ (GOARCH=arm64, VERSION=1.2.3)
	@scripts/package

rootfs: ## the lab's root file system (once)
	@if reason=$$(go run ./test/lab/cmd/lab check 2>&1); then go run ./test/lab/cmd/lab rootfs
	else printf '\n*** NO LAB HERE: tests that need one will be skipped ***\n%s\n\n' "$$reason" >&2; fi

bootstrap: ## install what the tests need (Debian and Ubuntu, as root)
	@scripts/bootstrap

clean: ## remove what was built here; the lab's cache stays (go run ./test/lab/cmd/lab prune)
	rm -rf bin dist
