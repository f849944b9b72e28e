# SPDX-License-Identifier: MIT
#
# Tests.  tests/unit/<dir>/**/test_*.c: each one program, linked with the
# archive of its <dir>; other .c files below tests/unit/<dir>/ are linked to
# all of that <dir>'s tests.  tests/integration/: pytest against the whole
# system.  tests/faults/: scenarios, with the same harnesses.
# tests/fuzz/fuzz_*.c: libFuzzer targets.

test_dirs := $(notdir $(patsubst %/,%,$(wildcard tests/unit/*/)))
test_sources :=
test_programs :=

define unit_test_rule
$(B)/tests/$(2): $(B)/obj/tests/unit/$(2).o \
    $(call objects,$(filter-out $(test_src_$(1)),$(call tree,tests/unit/$(1)))) \
    $(if $(src_$(1)),$(B)/lib$(1).a) $(mintlib)
	$$(call link,$$^,$(LIBS_test))
endef

define unit_dir
test_src_$(1) := $(shell find tests/unit/$(1) -type f -name 'test_*.c' | sort)
test_sources += $$(test_src_$(1))
$$(foreach s,$$(test_src_$(1)),$$(eval $$(call unit_test_rule,$(1),$$(patsubst tests/unit/%.c,%,$$(s)))))
endef
$(foreach d,$(test_dirs),$(eval $(call unit_dir,$(d))))

test_programs := $(patsubst tests/unit/%.c,$(B)/tests/%,$(test_sources))

sanitizer_env := $(if $(filter 1,$(SANITIZE)),ASAN_OPTIONS=detect_leaks=1 \
    UBSAN_OPTIONS=print_stacktrace=1)

# compile on all cores, unless whoever called make has decided about that
parallel = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: test test-long unit unit-programs integration faults faults-short \
    abi bench nginx-tests conformance fuzz fresh tsan

test:  ## every test: unit, integration, the short form of the fault suite
	@scripts/setup test
	@$(MAKE) --no-print-directory $(parallel) programs tools unit-programs
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory integration
	@$(MAKE) --no-print-directory faults-short

# fuzz targets are run by hand; that they can be built is part of the tests
unit-programs: $(test_programs) fuzz-objects

unit: programs tools $(test_programs)  ## unit tests (Check)
	@$(sanitizer_env) scripts/run-unit-tests $(B) $(test_programs)

# threads that share what processes share; fences are the litmus test's
tsan_tests := ngx_mint_module/test_view supervisor/routes/test_one_mapping

tsan:  ## unit tests of what is shared, under ThreadSanitizer
	@$(MAKE) --no-print-directory $(parallel) B=build-tsan tsan-programs \
	    EXTRA_CFLAGS='-fsanitize=thread -Wno-tsan -Wno-error' \
	    EXTRA_LDFLAGS=-fsanitize=thread
	@TSAN_OPTIONS=halt_on_error=1 scripts/run-unit-tests build-tsan \
	    $(addprefix build-tsan/tests/,$(tsan_tests))

tsan-programs: $(addprefix $(B)/tests/,$(tsan_tests))

integration: programs tools  ## tests of the whole system (pytest)
	@scripts/run-integration-tests $(B) $(PYTEST_ARGS)

# half an hour; two scenarios at a time, unless they measure times
SCALE ?= 1

faults: programs tools  ## the fault suite, docs/faults.md (SCALE=0.1: fewer of each)
	@scripts/run-integration-tests $(B) -n 3 --dist load \
	    --maxschedchunk=1 --scale=$(SCALE) $(PYTEST_ARGS) tests/faults

faults-short: programs tools
	@scripts/run-integration-tests $(B) --short $(PYTEST_ARGS) tests/faults

# plugins with real dependencies in random order; needs a package index.  What
# each step was and what was decided is in $(B)/long/<seed>.jsonl
STEPS ?= 20
SEEDS ?= 5
SEED ?= 1

test-long: programs tools  ## plugins come, change and go (SEED=1 SEEDS=5 STEPS=20)
	@scripts/run-integration-tests $(B) --seed=$(SEED) --seeds=$(SEEDS) \
	    --steps=$(STEPS) $(PYTEST_ARGS) tests/long

abi: tools  ## the module's tests with the nginx of each Debian release (root)
	@scripts/setup abi
	@scripts/abi $(ABI_ARGS)

bench: programs tools  ## what the edge costs, into docs/performance.md (quiet machine)
	@scripts/setup bench
	@MINT_BUILD=$(abspath $(B)) tests/bench/scale $(BENCH_ARGS)
	@MINT_BUILD=$(abspath $(B)) tests/bench/edge $(BENCH_ARGS)
	@tests/bench/warm-start $(B)
	@tests/bench/install $(B)
	@MINT_BUILD=$(abspath $(B)) tests/bench/decision

nginx-tests: programs tools  ## nginx's own tests, with the module (DIR=checkout)
	@[ -n '$(DIR)' ] || { echo 'nginx-tests: name a checkout of' \
	    'github.com/nginx/nginx-tests by DIR=' >&2; exit 2; }
	@scripts/setup nginx-tests
	@scripts/nginx-tests $(B) $(DIR) $(NGINX_TESTS_ARGS)

# RANDOM_CASES questions besides those of packaging's own tests
RANDOM_CASES ?= 1000000

conformance: tools  ## versions and markers, compared with Python's packaging
	@tests/conformance/run $(B) $(RANDOM_CASES) $(SEED)

fresh:  ## run both README commands in clean containers (needs docker)
	@scripts/fresh $(FRESH_ARGS)


# ---- fuzzing ---------------------------------------------------------

FUZZ_SECONDS ?= 60
fuzz_sources := $(wildcard tests/fuzz/fuzz_*.c)
fuzz_programs := $(patsubst tests/fuzz/%.c,build-fuzz/%,$(fuzz_sources))
FUZZ_FLAGS := -fsanitize=fuzzer-no-link,address,undefined \
    -fno-sanitize-recover=undefined -Wno-error
archives := $(foreach a,mintlib keeper supervisor platform,$(call archive,$(a)))

.PHONY: archives fuzz-objects fuzz-programs

archives: $(archives)

fuzz-objects: $(patsubst tests/fuzz/%.c,$(B)/obj/tests/fuzz/%.o,$(fuzz_sources))

fuzz-programs: $(patsubst tests/fuzz/%.c,$(B)/%,$(fuzz_sources))

$(B)/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(archives)
	@echo "  link   $@"
	@$(CC) $(LDFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< \
	    -Wl,--start-group $(archives) -Wl,--end-group \
	    $(filter-out -lcheck_pic -lsubunit,$(LIBS_test))

fuzz:  ## run each fuzz target for FUZZ_SECONDS (clang)
	@scripts/setup fuzz
	@$(MAKE) --no-print-directory B=build-fuzz CC=clang \
	    EXTRA_CFLAGS='$(FUZZ_FLAGS)' fuzz-programs
	@scripts/run-fuzz build-fuzz $(FUZZ_SECONDS) $(fuzz_programs)
