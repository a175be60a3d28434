# "make help" lists the targets. All of them can be called on a fresh machine, and do nothing twice.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The tests of clusters measure and need the machine's memory: never two at a time.
.NOTPARALLEL:

BIN      := bin
PROGRAM  := $(BIN)/sparkchaos
SCENARIO ?= scenarios/driver-node-power-off.yaml
FUZZTIME ?= 10s
KILLS    ?= 1000

# What "make mutation" changes: packages, behind a colon some of their files, behind an @ a package whose tests are tried, too.
MUTATION_TARGETS ?= ./pkg/check ./pkg/model@./pkg/check ./pkg/history:reader.go,follow.go ./pkg/anchor ./pkg/faults:state.go,disturbance.go,journal.go
# How many mutants of each target are tried, drawn at random by MUTATION_SEED; empty: all.
MUTANTS          ?=
MUTATION_SEED    ?= 1
# The score in percent that each target must have.
MUTATION_SCORE   ?= 85

# Tests that kill the staging server; those on S3 need the component versitygw.
LOSS_TESTS := ./internal/stagingcli/losstest

# A commit is stamped into the binary where git can tell it; in a checkout that belongs to someone else it refuses to.
BUILDVCS := $(shell git rev-parse --verify --quiet HEAD >/dev/null 2>&1 && echo true || echo false)

# Tests that start clusters; without root each of them says so and is skipped.
CLUSTER_PACKAGES := ./pkg/cluster/embedded/...
SUITES           ?= ./suites/scenarios ./suites/badluck ./suites/existing ./suites/chaosmesh
CLUSTER_TIMEOUT  ?= 180m
# Which specs are run, by their labels in Ginkgo's language.
LABELS           ?= !tier:nightly
CLUSTER_LOG      := $(BIN)/cluster-tests.log
# How many clusters at once: while the specs of one wait for time limits, those of another work. Each needs up to 8 GiB.
PROCS            ?= $(shell awk '/^MemAvailable/ {n = int($$2 / 8388608); print (n < 1 ? 1 : n > 2 ? 2 : n)}' /proc/meminfo)
# How many packages are tested at once: many tests wait for time limits, so more than there are cores.
UNIT_PACKAGES    ?= $(shell echo $$((2 * $$(nproc))))
GINKGO           := go tool ginkgo run -v --keep-going --fail-on-empty --timeout=$(CLUSTER_TIMEOUT) --output-dir=$(BIN)
CLUSTER_TESTS    := $(if $(filter 0,$(shell id -u)),1,)

# What releases are made and checked with; the workflow has the same version of goreleaser.
GORELEASER := go run github.com/goreleaser/goreleaser/v2@v2.16.0
ACTIONLINT := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

GO_DIRECTORIES := benchmarks cmd internal pkg suites components fault when invariant sparkchaostest examples $(wildcard *.go)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: system-packages components images ## Judge SCENARIO (default: driver-node-power-off) on a cluster on this machine; needs root
	$(PROGRAM) run $(SCENARIO)

.PHONY: test
test: export SPARKCHAOS_BROWSER_TESTS := 1
# The pictures of report.html that the browser tests take, for people to look at.
test: export SPARKCHAOS_SCREENSHOTS := $(CURDIR)/$(BIN)/screenshots
test: system-packages ## Run all tests but the scenarios of tier nightly; needs root for those with clusters
	@mkdir -p $(BIN)/screenshots
	@scripts/steps test-unit test-staging+test-workloads programs test-cluster

.PHONY: test-full
test-full: export LABELS :=
test-full: spark-images spark-operator test test-install platforms reproducible ## Run all tests and all scenarios; about two hours on 2 cores

.PHONY: test-unit
test-unit: ## Run the tests that need neither root nor components, with the race detector
	env -u SPARKCHAOS_CLUSTER_TESTS go test -race -p $(UNIT_PACKAGES) -timeout 30m $$(go list ./... | grep -vE "/(suites|benchmarks)(/|$$$$)")

.PHONY: test-staging
test-staging: versitygw ## Kill the staging server under load, on files and on an S3 server
	SPARKCHAOS_STAGING_TESTS=1 SPARKCHAOS_STAGING_KILLS=10 go test -race -v -count=1 -timeout 30m $(LOSS_TESTS)

.PHONY: soak
soak: versitygw ## Kill the staging server KILLS times (default 1000) under load, on files and on an S3 server; print the figures
	SPARKCHAOS_STAGING_TESTS=1 SPARKCHAOS_STAGING_KILLS=$(KILLS) go test -v -count=1 -timeout 4h $(LOSS_TESTS)

.PHONY: chaos-mesh
chaos-mesh: system-packages build ## Build Chaos Mesh and its image into the cache; needs root
	@$(PROGRAM) components build chaos-mesh
	$(PROGRAM) image build chaos-mesh

.PHONY: spark-operator
spark-operator: system-packages build ## Build kubeflow's spark-operator and its image into the cache; needs root
	@$(PROGRAM) components build spark-operator
	$(PROGRAM) image build spark-operator

.PHONY: versitygw
versitygw: build
	@$(PROGRAM) components build versitygw

.PHONY: test-workloads
test-workloads: system-packages ## Run the tests of the witness plugin and of the applications, inside a small Spark
	mvn --batch-mode --quiet --file workloads/pom.xml verify

.PHONY: test-spark-versions
test-spark-versions: system-packages ## Run the witness in a small Spark of each supported version, from PyPI's pyspark; needs Python with pip
	scripts/test-spark-versions

.PHONY: programs
programs: system-packages components versitygw chaos-mesh images ## Build into the cache all that the tests of clusters need

.PHONY: test-cluster
test-cluster: programs ## Run the tests that start clusters; needs root
	@mkdir -p $(BIN) && rm -f $(CLUSTER_LOG)
	SPARKCHAOS_CLUSTER_TESTS=$(CLUSTER_TESTS) go test -v -count=1 -p 1 -timeout $(CLUSTER_TIMEOUT) $(CLUSTER_PACKAGES) 2>&1 | tee $(CLUSTER_LOG)
	SPARKCHAOS_CLUSTER_TESTS=$(CLUSTER_TESTS) SPARKCHAOS_RUNS=$(CURDIR)/$(BIN)/runs \
	  $(GINKGO) --procs=$(PROCS) --label-filter='$(LABELS)' --json-report=suites.json $(SUITES)

.PHONY: test-example
test-example: system-packages components images ## Run the suite in examples/ginkgo, as a team's own, on an embedded cluster; needs root
	cd examples/ginkgo && go vet ./... && go test -v -count=1 -timeout 40m ./...

.PHONY: test-install
test-install: system-packages components images ## Install the program without a checkout, from a module proxy, and run a scenario; needs root
	SPARKCHAOS_INSTALL_TESTS=1 go test -v -count=1 -timeout 60m ./internal/installtest

.PHONY: test-kind-smoke
test-kind-smoke: export KIND_SMOKE := 1
test-kind-smoke: test-kind ## Run some scenarios on a cluster of kind, with Docker or a daemon of their own; needs root

.PHONY: test-kind
test-kind: system-packages components chaos-mesh images ## Run the tests on clusters of kind, with Docker or a daemon of their own; needs root
	scripts/test-kind $(GINKGO) --json-report=kind.json

.PHONY: build
build: ## Build bin/sparkchaos
	go build -trimpath -buildvcs=$(BUILDVCS) -o $(PROGRAM) ./cmd/sparkchaos

.PHONY: system-packages
system-packages: ## Install what must come from the distribution (Debian, root); elsewhere say what is missing
	@scripts/install-system-packages

.PHONY: components
components: build ## Build Kubernetes, containerd, runc, CNI plugins and CoreDNS into the cache, once per machine
	@$(PROGRAM) components build

.PHONY: components-lock
components-lock: ## Renew internal/components/components.lock after a change in components/ or of a recipe
	go test ./internal/components -run '^TestLockIsCurrent$$' -count=1 -update
	@git diff --stat -- internal/components/components.lock || true

.PHONY: jars-lock
jars-lock: ## Renew workloads/jars.sha256 after a change of the dependencies in workloads/pom.xml; needs Maven
	go test ./internal/image -run '^TestJarsLock$$' -count=1 -timeout 60m -update
	@git diff --stat -- workloads/jars.sha256 || true

.PHONY: spark-release
spark-release: ## Add the release VERSION of Spark to those that images are built of, with its digest; needs Python with pip
	scripts/spark-release "$(VERSION)"

.PHONY: images
images: build ## Build the container images that scenarios use into the cache
	$(PROGRAM) image build

.PHONY: spark-images
spark-images: system-packages build ## Build the images of other versions of Spark that nightly scenarios run in; needs root and pip
	$(PROGRAM) image build spark --spark 3.5.9
	$(PROGRAM) image build spark --spark 4.3.0
	$(PROGRAM) image build spark --spark 4.3.0 --python

.PHONY: lint
lint: ## Check formatting, go vet, staticcheck, and that the library is compatible
	@unformatted=$$(gofmt -l $(GO_DIRECTORIES)); \
	if [[ -n $$unformatted ]]; then echo "gofmt would change these files; run gofmt -w on them:" $$unformatted >&2; exit 1; fi
	@scripts/steps vet+staticcheck+api

.PHONY: vet
vet:
	go vet ./...
	cd examples/ginkgo && go vet ./...

.PHONY: platforms
platforms: ## Vet the code for the other platforms that releases are for; minutes the first time (part of make test-full)
	scripts/vet-platforms linux/arm64 darwin/arm64 windows/amd64

.PHONY: reproducible
reproducible: ## Check that two builds of the commit are equal bit by bit; minutes, as one has an empty cache (part of make test-full)
	SPARKCHAOS_RELEASE_TESTS=1 go test -v -count=1 -timeout 90m -run '^TestTwoBuilds' ./internal/releasetest

.PHONY: release-check
release-check: ## Check the configuration of releases and the workflow
	go test -count=1 ./internal/releasetest
	$(GORELEASER) check
	$(ACTIONLINT) .github/workflows/*.yml docs/ci/github.yml

.PHONY: release-dry-run
release-dry-run: export TAP_TOKEN := none
release-dry-run: export IMAGE := sparkchaos/sparkchaos
release-dry-run: ## Make a release into dist/, without what needs other services: signatures, SBOMs, images
	$(GORELEASER) release --clean --snapshot --skip=sign,sbom,docker

.PHONY: staticcheck
staticcheck: $(BIN)/staticcheck
	$(BIN)/staticcheck ./...

.PHONY: api
api: $(BIN)/apidiff ## Check that the library is compatible with what it was at the commit in scripts/api-baseline
	scripts/check-api

$(BIN)/apidiff: components/apidiff/go.mod components/apidiff/go.sum
	cd components/apidiff && GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false -o $(CURDIR)/$(BIN)/ tool
	@touch $@

$(BIN)/staticcheck: components/staticcheck/go.mod components/staticcheck/go.sum
	cd components/staticcheck && GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false -o $(CURDIR)/$(BIN)/ tool
	@touch $@

.PHONY: web
web: ## Bundle the TypeScript of report.html; needs Node.js and npm
	cd web && npm ci --no-fund --no-audit && npm run build

.PHONY: reference
reference: ## Write docs/reference from the code
	go test ./internal/cli -run '^TestReferenceIsCurrent$$' -count=1 -update

.PHONY: man
man: build ## Write the manual pages into bin/man
	$(PROGRAM) man $(BIN)/man

.PHONY: site
site: ## Build the documentation as static HTML in bin/site
	go run ./internal/site -into $(BIN)/site

.PHONY: bench
bench: export SPARKCHAOS_BROWSER_TESTS := 1
bench: system-packages components images ## Run the benchmarks and print their figures; as root those of clusters and whole runs, too
	SPARKCHAOS_CLUSTER_TESTS=$(CLUSTER_TESTS) go test -run '^$$' -bench . -benchmem -p 1 -timeout $(CLUSTER_TIMEOUT) ./...

.PHONY: fuzz
fuzz: ## Run each fuzz test for FUZZTIME (default 10s)
	FUZZTIME=$(FUZZTIME) scripts/fuzz

.PHONY: mutation
mutation: ## Change code in one place at a time and print which changes the tests do not notice; MUTANTS=n tries n of them
	go run ./internal/mutate $(if $(MUTANTS),-sample $(MUTANTS)) -seed $(MUTATION_SEED) -threshold $(MUTATION_SCORE) $(MUTATION_TARGETS)

.PHONY: clean
clean: ## Remove what was built in the checkout; the cache outside of it stays
	rm -rf $(BIN)
