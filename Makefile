# Everything that can be done with the repository. `make` alone lists it.
# A machine with Go needs nothing else for `make run` and `make test`.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s
WALKS       ?= 20000
KILLS       ?= 200

.DEFAULT_GOAL := help
.PHONY: help run build test race fuzz golden check soak bench docs screenshots

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## start the sandbox: everything in one process, nothing to set up
	./bin/remit sandbox

build: ## make the one binary, ./bin/remit
	CGO_ENABLED=0 go build -trimpath -o bin/remit ./cmd/remit

test: ## every test, on both stores; installs PostgreSQL and Chromium where it can
	@bash .ci/need
	go test -timeout 15m ./...

race: ## every test, watched for data races (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 30m ./...

fuzz: ## each fuzz target for FUZZTIME
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c 6-); do \
			echo "$$dir $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir; \
		done; \
	done

golden: ## write the recorded conversations anew; read the diff
	go test ./dialect/... -update

check: ## vet, gofmt, staticcheck, and the modules' checksums
	go vet ./...
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not formatted by gofmt:"; echo "$$out"; exit 1; fi
	go mod verify
	go run $(STATICCHECK) ./...

soak: ## walks, kills and mixed calls, far more of them than in `make test`
	REMIT_WALKS=$(WALKS) go test -count=1 -timeout 120m -run 'Walk' . ./internal/engine
	REMIT_KILLS=$(KILLS) go test -count=1 -timeout 120m -v -run 'Killed' ./test
	REMIT_SOAK=1 go test -count=1 -timeout 120m -v -run 'TestTheReportsAreTheLedger' ./internal/sandbox

bench: ## measure, and write the tables of bench/README.md anew
	go run ./bench

docs: ## write the tables of the pages anew that are made from the code
	go test . ./cmd/remit ./internal/metrics ./rail/simulator -run Page -update

screenshots: ## the pictures in docs/img anew, of a month of a demo merchant (needs chromium)
	REMIT_SCREENSHOTS=1 REMIT_REQUIRE_ALL=1 go test ./internal/console -run TestScreenshots -count=1
