# Causeway: `make help` lists what can be done. Nothing here needs more than Go,
# git and make on a Debian machine; the rest is installed by test/lab/setup.sh.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.release=$(VERSION)

# How long `make fuzz` and the fuzzing inside `make test` take, over all targets
# together. FUZZTIME=30s gives every target that long instead.
FUZZ_TOTAL       ?= 600
FUZZ_TOTAL_SHORT ?= 60
FUZZTIME         ?=

# The lab has its own line below: it runs as root, without the race detector.
UNIT := $$(go list ./... | grep -v '/test/lab$$')

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/causeway, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/causeway ./cmd/causeway

.PHONY: demo
demo: root build ## two sites joined by a tunnel, seen live (KEEP=1 leaves it up)
	@test/lab/setup.sh demo
	@go run ./test/demo $(if $(KEEP),-keep)

.PHONY: demo-down
demo-down: root ## take down what `make demo KEEP=1` left up
	@go run ./test/demo -down

.PHONY: test
test: deps lint unit fuzz-short lab ## everything that CI runs

.PHONY: deps
deps: ## install the Debian packages that the tests need
	@test/lab/setup.sh test

.PHONY: lint
lint: ## gofmt, vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt would change:"; echo "$$out"; exit 1; }
	go vet ./...
	go mod tidy -diff
	go tool -modfile=tools.mod staticcheck ./...

# Without root the tests that make network namespaces skip, and say so; in CI
# nothing may skip. A slow machine needs more than the ten minutes that go test gives.
.PHONY: unit
unit: ## unit and architecture tests, with the race detector
	@[ -z "$$CI" ] || [ "$$(id -u)" = 0 ] || { echo "make unit: in CI it needs root, or the tests in network namespaces would skip"; exit 1; }
	go test -race -timeout 25m $(UNIT)

.PHONY: fuzz
fuzz: ## every fuzz target, ten minutes in all
	@FUZZTIME=$(FUZZTIME) FUZZ_TOTAL=$(FUZZ_TOTAL) .ci/fuzz

.PHONY: fuzz-short
fuzz-short:
	@FUZZTIME=$(FUZZTIME) FUZZ_TOTAL=$(FUZZ_TOTAL_SHORT) .ci/fuzz

# As root a missing capability is a failure; another user sees the tests
# skipped, each with what it lacks (in CI that is a failure too). How many run at
# once test/lab/places_test.go says; -parallel lets those in who wait there.
.PHONY: lab
lab: ## network namespaces with a real strongSwan (root)
	$(if $(filter 0,$(shell id -u)),CAUSEWAY_LAB=require )go test ./test/lab/... -count=1 -timeout 33m -parallel 64

.PHONY: lab-long
lab-long: root ## the long forms: ten minutes of colliding rekeys, five of IKEv1 rekeys, 30 s of forged requests, 10 GiB each way with every offload on and off (root)
	CAUSEWAY_LONG=1 CAUSEWAY_LAB=require go test ./test/lab -count=1 -timeout 30m -run '^(TestCollidingRekeys|TestIKEv1Rounds|TestFlood)$$'
	CAUSEWAY_LONG=1 CAUSEWAY_LAB=require go test ./test/lab -count=1 -timeout 4h -parallel 1 -run '^(TestOffloads|TestKernelESP)$$'
	CAUSEWAY_LONG=1 go test ./test/transcript -count=1 -timeout 10m -run '^TestCrossing$$'
	CAUSEWAY_LONG=1 go test ./ike -count=1 -timeout 10m -run '^TestFlood$$'

.PHONY: bench
bench: root build ## throughput beside strongSwan and wireguard-go; rewrites docs/performance.md
	@test/lab/setup.sh bench
	@go run ./test/bench $(BENCH)

# The stages of a packet, for benchstat: STAGES=FILE keeps what an earlier run
# wrote. Ten runs each.
.PHONY: bench-stages
bench-stages: ## benchmarks of every stage of a packet's way, benchstat-ready
	@go test -run '^$$' -bench . -count $(or $(COUNT),10) ./esp/... ./tunnel/... ./routing/...

.PHONY: bench-profile
bench-profile: root ## CPU profiles of both gateways under one TCP flow, into bin/
	@test/lab/setup.sh bench
	@go build -o bin/causeway ./cmd/causeway
	@go run ./test/bench -only causeway -tests tcp -rounds 1 -seconds 12 -profile bin

.PHONY: bench-many
bench-many: root build ## the same flows over one, two and a hundred connections
	@test/lab/setup.sh bench
	@go run ./test/bench -many $(BENCH)

.PHONY: bench-scale
bench-scale: root build ## a thousand connections between two gateways: rate, memory, CPU at rest
	@test/lab/setup.sh bench
	@go run ./test/bench -scale $(or $(CONNECTIONS),1000)

.PHONY: clean
clean: ## remove what the build made
	rm -rf bin

.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { echo "make $(MAKECMDGOALS): needs root, for network namespaces: sudo make $(MAKECMDGOALS)"; exit 1; }
