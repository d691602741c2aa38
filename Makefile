# `make` alone prints what there is. The work is done by .build/*.sh and cargo; ARGS is passed on where it says so.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
ARGS ?=

# The pinned compiler, or one that serves where it is not to be had.
cargo = . .build/lib.sh && choose_toolchain && cargo

# Where the client libraries of the tests are (see .build/test-deps.sh).
export FLOTILLA_TEST_DEPS ?= $(CURDIR)/target/test-deps

.PHONY: help prepare run build aarch64 test crash sim chaos chaos-proof hostile upgrade wan fuzz difffuzz rehearsal demo docs verify fix bench bench-compare release

help: ## Print this list
	@echo 'Flotilla: make TARGET [ARGS="..."]'
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)$$/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

prepare: ## Install what building needs (g++, libclang) and build RocksDB, once per machine
	@.build/prepare.sh

run: prepare ## Build and start a server on 127.0.0.1:6379 with its data in ./data; ARGS="--port 7000 ..."
	@$(cargo) run --locked --release --bin flotilla -- $(ARGS)

build: prepare ## Build the optimised binary, target/release/flotilla
	@$(cargo) build --locked --release --bin flotilla

aarch64: prepare ## Check that it compiles for aarch64: the Rust code, and a part of RocksDB
	@.build/aarch64.sh

test: prepare ## Install what the tests need and run them all; ARGS="-p flotilla name" for fewer
	@.build/test-deps.sh
ifeq ($(ARGS),)
	@.build/test.sh
else
	@$(cargo) build --locked --workspace --bins
	@$(cargo) test --locked $(ARGS)
endif

chaos: prepare ## Faults of all kinds while clients write, in network namespaces: MINUTES=60 SEED=7 NODES=5 FAULTS=Wipe,Ring
	@.build/test-deps.sh network
	@$(cargo) build --locked --release --bin flotilla
	@export CHAOS_DRAWN=yes FLOTILLA_BIN=$${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/flotilla CHAOS_SECONDS=$$(( $(or $(MINUTES),10) * 60 )) \
		$(if $(SEED),CHAOS_SEED=$(SEED)) $(if $(NODES),CHAOS_NODES=$(NODES)) $(if $(FAULTS),CHAOS_FAULTS=$(FAULTS)); \
		$(cargo) test --locked -p resp-tests --test chaos -- --nocapture

hostile: prepare ## Clients that ask for as much as they can, at a core of three with 1 GiB each: MINUTES=5 SEED=7 ONLY=LRANGE,GET
	@.build/test-deps.sh
	@$(cargo) build --locked --release --bin flotilla
	@export FLOTILLA_BIN=$${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/flotilla HOSTILE_STRICT=yes HOSTILE_SECONDS=$$(( $(or $(MINUTES),5) * 60 )) \
		$(if $(SEED),HOSTILE_SEED=$(SEED)) $(if $(ONLY),HOSTILE_ONLY="$(ONLY)"); \
		$(cargo) test --locked -p resp-tests --test hostile -- --nocapture

chaos-proof: prepare ## Builds that break one rule each must be caught by the chaos tests
	@.build/test-deps.sh network
	@.build/chaos-proof.sh

upgrade: prepare ## Roll a loaded core with edges to a build of a later feature level, and back; a broken one must be noticed
	@$(cargo) build --locked --bins
	@$(cargo) test --locked -p resp-tests --test upgrade -- --nocapture --test-threads 1

wan: prepare ## Edge sites over slow, lossy, broken networks, in network namespaces: MINUTES=1 CUT=600 EDGES=50 SEED=7
	@.build/test-deps.sh network
	@$(cargo) build --locked --release --bin flotilla
	@export FLOTILLA_BIN=$${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/flotilla WAN_SECONDS=$$(( $(or $(MINUTES),1) * 60 )) \
		WAN_CUT_SECONDS=$(or $(CUT),60) WAN_EDGES=$(or $(EDGES),50) $(if $(SEED),WAN_SEED=$(SEED)); \
		$(cargo) test --locked -p resp-tests --test wan -- --nocapture

crash: prepare ## Kill servers and cut their power while clients write: CYCLES=300 CUTS=60 SEED=7, then at every fail point
	@.build/test-deps.sh network
	@$(cargo) build --locked --bins
	@export CRASH_CYCLES=$(or $(CYCLES),300) POWER_CUTS=$(or $(CUTS),60) $(if $(SEED),CRASH_SEED=$(SEED) POWER_SEED=$(SEED)); \
		$(cargo) test --locked -p resp-tests --test crash -- --nocapture
	@$(cargo) test --locked --lib replication::tests::crash

sim: prepare ## Simulate the log layer of several nodes: SEEDS=1000 from SEED=1; SEED=17 TRACE=1 one again; MUTANT=VotesAtOnce
	@export SIM_SEED=$(or $(SEED),1) $(if $(SEEDS),SIM_SEEDS=$(SEEDS)) $(if $(TRACE),SIM_TRACE=1) $(if $(MUTANT),SIM_MUTANT=$(MUTANT)); \
		$(cargo) test --locked $(if $(SEEDS),--profile sim) --lib replication::tests::simulation::what -- --nocapture

fuzz: prepare ## Fuzz everything that reads foreign bytes, SECONDS=60 per target; ARGS="decoder ..." for some
	@. .build/lib.sh && choose_toolchain && src/fuzz/run.sh $(or $(SECONDS),60) $(ARGS)

difffuzz: prepare ## Random commands to Flotilla and redis-server 7.0, which must answer alike: SEED=1 SEEDS=200 OPS=10000 (of each seed) GROUPS=script,function
	@.build/test-deps.sh reference
	@$(cargo) build --locked --release --bin flotilla
	@export FLOTILLA_BIN=$${FLOTILLA_BIN:-$${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/flotilla} \
		DIFFERENTIAL_SEED=$(or $(SEED),1) DIFFERENTIAL_SEEDS=$(or $(SEEDS),200) DIFFERENTIAL_OPS=$(or $(OPS),10000) DIFFERENTIAL_GROUPS=$(GROUPS); \
		$(cargo) test --locked -p resp-tests --test differential -- --nocapture --test-threads 1

rehearsal: prepare ## Install, upgrade, scale and break the Helm chart's pods in network namespaces, with the real helm, under load
	@.build/test-deps.sh network
	@$(cargo) build --locked --release --bin flotilla
	@.build/rehearsal.sh

demo: prepare ## A core of three and two edge sites 80 ms away, under load, to look at and to break; ARGS="--seconds 20" does it alone
	@$(cargo) build --locked --release --workspace --bin flotilla --bin demo
	@exec $${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/demo $(ARGS)

release: prepare ## Make the files of a release in target/release-files: tarball, Debian package, bill of materials, sums
	@.build/release.sh

docs: ## Make the documentation a site, target/book/index.html
	@.build/docs.sh

verify: prepare ## Check format, lints, documentation, licences and dependencies; changes nothing
	@.build/verify.sh

fix: prepare ## Rewrite what can be mended by itself: format and simple lints
	@$(cargo) fmt --all
	@$(cargo) clippy --locked --workspace --all-targets --fix --allow-dirty --allow-staged
	@$(cargo) fmt --all

bench: prepare ## Compare with Debian's redis-server, side by side; ARGS="--quick", ARGS="--help"
	@.build/test-deps.sh reference
	@$(cargo) build --locked --release --bin flotilla
	@$(cargo) run --locked --release -p bench -- --flotilla $${CARGO_TARGET_DIR:-target}/release/flotilla $(ARGS)

bench-compare: prepare ## Compare this tree with a revision, both built here: BASE=v0.1.0 ARGS="--no-redis --tests set,get --pipelines 1,16"
	@test -n "$(BASE)" || { echo 'which revision? make bench-compare BASE=REVISION' >&2; exit 2; }
	@.build/test-deps.sh reference
	@$(cargo) build --locked --release --bin flotilla
	@.build/bench-compare.sh "$(BASE)" $(ARGS)
