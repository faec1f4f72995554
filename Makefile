# doozerd: `make help` tells what there is.

GO        ?= go
FUZZTIME  ?= 1m
SEEDS     ?= 500
FIRST     ?= 1
BENCHOUT  ?= -
FAULTSOUT ?=
SOAK      ?= 30m
PATIENCE  ?= 30m
VERSION   := $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' internal/version/version.go)
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
PAGES     := doc/doozer.1 doc/doozerd.1

.PHONY: help build run test race sim faults fuzz bench screenshots figures soak lint proto check dist clean deps

help: ## list what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13

# Without cgo: the same programs on every host, and a tenth less memory.
build: ## build doozerd and doozer into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

run: build ## build, then run one node: clients on 127.0.0.1:8046, WebView on :8080
	bin/doozerd -w :8080

# Nothing comes from the cache (-count=1): go test does not know of what the programs are made that end-to-end tests run.
test: deps lint proto-fresh ## install what tests need, then run every check and test
	$(GO) test -count=1 -timeout $(PATIENCE) ./...
	$(GO) test -count=1 -timeout $(PATIENCE) -race -short ./...
	@$(MAKE) --no-print-directory sim
	@$(MAKE) --no-print-directory sim FIRST=0 || \
		{ echo "fresh seeds have found something: replay it with make sim SEED=n, mend it, and keep the seed in internal/sim/sim_test.go"; exit 1; }

race: ## run every test under the race detector
	$(GO) test -count=1 -timeout $(PATIENCE) -race ./...

sim: ## simulate SEEDS (500) clusters from seed FIRST (1) on; SEED=s replays one with a trace
	@$(GO) run ./internal/sim/simulate $(if $(SEED),-seed $(SEED),-seeds $(SEEDS) -first $(FIRST))

faults: ## break each rule of the sequencer in turn: the simulation must notice; FAULTSOUT=doc/simulation.md keeps what it saw
	@$(GO) run ./internal/sim/plant -o "$(FAULTSOUT)"

fuzz: ## run every fuzz target for FUZZTIME (1m) each
	@set -e; for file in $$(grep -rl '^func Fuzz' --include='*_test.go' .); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' $$file); do \
			echo "== $$(dirname $$file) $$target"; \
			$(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) $$(dirname $$file); \
		done; \
	done

bench: ## measure, as ratios in one run; BENCHOUT=doc/performance.md keeps the results
	$(GO) run ./internal/e2e/bench -o $(BENCHOUT)

screenshots: deps ## take the pictures of the WebView in doc/screenshots
	$(GO) run ./internal/e2e/shots -o doc/screenshots

figures: etcd ## measure clusters, beside etcd too (ten minutes); BENCHOUT=doc/performance.md keeps the results
	@PATH="$(CURDIR)/bin/etcd:$$PATH" $(GO) run ./internal/e2e/cluster/figures -o $(BENCHOUT)

# Figures say so where there is no etcd, and do the rest.
.PHONY: figures etcd
etcd:
	-@.ci/etcd bin/etcd

soak: ## three nodes under load for SOAK (30m), with a fault every 20 s: nothing may grow
	$(GO) run ./internal/e2e/cluster/soak -for $(SOAK)

lint: ## gofmt, go vet, staticcheck, manual pages
	@dirty=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$dirty" ] || { echo "gofmt these: $$dirty"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@for page in $(PAGES); do \
		said=$$(MANWIDTH=80 man --warnings -E UTF-8 -l $$page 2>&1 >/dev/null); \
		[ -z "$$said" ] || { echo "$$page: $$said"; exit 1; }; \
	done

proto: ## generate Go from internal/wire/*.proto
	$(GO) generate ./internal/wire

# Generated code that is out of date is a change somebody forgot. Another protoc
# writes other comments, so only the one that made it can tell.
.PHONY: proto-fresh
proto-fresh:
	@made=$$(sed -n 's/.*protoc  *v/libprotoc /p' internal/wire/doozer.pb.go); have=$$(protoc --version); \
	if [ "$$have" != "$$made" ]; then \
		echo "generated code not compared: it was made by $$made, here is $$have"; \
	else \
		$(MAKE) --no-print-directory proto && git diff --exit-code --stat -- 'internal/wire/*.pb.go' || \
		{ echo "generated code was out of date: commit it"; exit 1; }; \
	fi

check: test race sim fuzz ## all that is worth running before a release

dist: ## build release archives into dist/
	@rm -rf dist; set -e; for p in $(PLATFORMS); do \
		name=doozerd-$(VERSION)-$${p%/*}-$${p#*/}; mkdir -p dist/$$name/man; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -trimpath -ldflags='-s -w' -o dist/$$name/ ./cmd/...; \
		cp README.md LICENSE dist/$$name/; cp $(PAGES) dist/$$name/man/; \
		tar -C dist -czf dist/$$name.tar.gz $$name; rm -r dist/$$name; \
	done; cd dist && sha256sum *.tar.gz > SHA256SUMS && cat SHA256SUMS

deps: # what the tests run beside Go
	@.ci/install

clean: ## remove what was built
	rm -rf bin dist
