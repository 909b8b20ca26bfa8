# Everything worth running. `make help` lists it; a fresh machine needs Go and gcc.

GO       ?= go
LINT_V   := v2.15.0
LINT     := bin/golangci-lint-$(LINT_V)
PACKAGES := ./...

# Packages in which goroutines share memory run under the race detector, which
# makes them several times slower. All others, and what starts processes, run plain.
# The MongoDB engine waits for its test server most of the time: it runs plain, too.
RACED     = $(shell $(GO) list $(PACKAGES) | grep -E '/(config|server/(identity|observe|store|visit|api|deliver|privacy|decision))(/|$$)' | grep -v /mongodb)
# Tests that kill writers and cut power hundreds of times look for lost data, not
# for races: without the detector they take 15 s.
COSTLY    = Killed|PowerCut|TornLog
PLAIN     = $(filter-out $(RACED),$(shell $(GO) list $(PACKAGES)))

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-geo bench-recommend bench-rules evaluate measures test-long test-crash generate tidy build lint

help: ## list what can be run
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## seed the demo city and serve it on 127.0.0.1:8080; prints what to try
	$(GO) run ./server demo

test: check ## check, then every test (CI runs this, no more and no less)
	$(GO) test -race -timeout 15m -skip '$(COSTLY)' $(RACED)
	$(GO) test -timeout 15m $(PLAIN)
	$(GO) test -timeout 15m -run '$(COSTLY)' ./server/store/...

check: lint tidy ## formatting, vet, lint, generated files (the first run builds the linter: about 3 minutes)
	@unformatted=$$(gofmt -l $(wildcard config context docs geo recommend sdk-contract server)); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)
	@before=$$($(generated)); $(GO) generate $(PACKAGES); after=$$($(generated)); \
	if [ "$$before" != "$$after" ]; then echo "generated files were stale; they are fresh now: look at them and commit them"; exit 1; fi

lint: $(LINT)
	$(LINT) run --allow-parallel-runners $(PACKAGES)

# go install works beside any go.mod and verifies what it downloads.
$(LINT):
	@echo "building golangci-lint $(LINT_V) into ./bin, once: about 3 minutes"
	@mkdir -p bin
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_V)
	@mv bin/golangci-lint $@

# What is generated, as one text that changes when any of it does.
generated = find . -name '*.gen.*' -not -path './bin/*' | sort | xargs cksum

tidy: ## tell whether go.mod names exactly what is used
	$(GO) mod tidy -diff

generate: ## write the generated files anew
	$(GO) generate $(PACKAGES)

build: ## build the binary into ./bin/satnav
	$(GO) build -trimpath -o bin/satnav ./server

bench: ## throughput of /v1/context beside a bare echo, a flood, durable events on both engines and delivery, then the benchmarks of every floor
	$(GO) run ./server bench --overload
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)

bench-geo: ## index, containment and crossings beside their slow twins and the goals; import, match, edit, start and calls among 100,000 geofences
	$(GO) test -run '^$$' -bench . -benchmem ./geo/
	$(GO) test -run '^$$' -bench Geofences -benchtime 1x ./server/app/
	$(GO) test -run '^$$' -bench Walks -benchtime 200000x ./server/app/

bench-recommend: ## suggestions, learning and ingest, and the heap of a million shoppers
	$(GO) test -run '^$$' -bench . -benchmem ./recommend/...
	$(GO) test -run '^$$' -bench 'Heap' -benchtime 1x ./context/who
	$(GO) test -run '^$$' -bench 'Ingest|Batch' ./server/app ./server/visit

bench-rules: ## scene and candidate parts of 200 and 2,000 rules, and a simulation of 200 rules on 1,000 scenes
	$(GO) test -run '^$$' -bench . -benchmem ./recommend/rule/
	$(GO) test -run '^$$' -bench Try -benchtime 3x ./server/visit/

FOLDS ?= 0
evaluate: build ## ask the live API about the histories in FOLDER, fold by fold: make evaluate FOLDER=DIR FOLDS='0 1 2' SCORER='python3 score.py'
	@for fold in $(FOLDS); do \
	  bin/satnav evaluate --folder '$(FOLDER)' --fold $$fold --preds 'bin/$(notdir $(FOLDER))-$$fold.tsv' || exit 1; \
	  if [ -n "$(SCORER)" ]; then $(SCORER) '$(FOLDER)' 'bin/$(notdir $(FOLDER))-$$fold.tsv' --fold $$fold || exit 1; fi; \
	done

measures: build ## run every test, and write into bin/measures.md which promise about personal data each holds and what came of it
	@failed=0; \
	$(GO) test -json -timeout 30m $(PACKAGES) > bin/measures.events || failed=1; \
	bin/satnav measures --record < bin/measures.events || failed=1; \
	bin/satnav measures > bin/measures.md || failed=1; exit $$failed

test-long: ## the suites with their long forms (hours on a small machine)
	SATNAV_TEST_LONG=1 $(GO) test -timeout 6h $(PACKAGES)

test-crash: ## kill writers and servers, cut their power, break and fill their disks, let stores hang, and look for what is lost
	SATNAV_TEST_LONG=1 $(GO) test -count=1 -timeout 2h -run 'Crash|Kill|Power|Torn|Broken|Flush|Reserve|Away|Brake|TakenOver' ./server/...
