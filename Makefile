# SPDX-License-Identifier: MIT
#
# Builds everything into $(B) (git-ignored).  New sources, tests and tools are
# found by wildcard; a program whose main file is not there is left out.
# "make help" lists the targets.

SHELL := /bin/bash
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

SANITIZE ?= 0
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
AR := ar

ifeq ($(SANITIZE),1)
B ?= build-asan
hardening := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
    -fno-omit-frame-pointer -O1 -Wno-maybe-uninitialized
else
B ?= build
hardening := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -O2
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
    -Wformat=2 -Wvla -Wpointer-arith -Wwrite-strings -Werror
CFLAGS := -std=c11 -D_GNU_SOURCE $(WARNINGS) $(hardening) -g -pthread -I. \
    $(EXTRA_CFLAGS)
LDFLAGS := $(filter -fsanitize%,$(hardening)) -pthread -Wl,--as-needed \
    -Wl,-z,relro,-z,now $(EXTRA_LDFLAGS)

LIBS_keeper :=
LIBS_supervisor := -levent -ljansson -lcurl -larchive -lcrypto -lz
LIBS_platform := -lmicrohttpd -lsqlite3 -ljansson -lcurl -larchive -lcrypt \
    -lcrypto -lz
LIBS_test := -lcheck_pic -lsubunit -lrt -lm -levent -ljansson -lcurl \
    -lsqlite3 -lmicrohttpd -larchive -lcrypt -lcrypto -lz


# ---- sources ---------------------------------------------------------

tree = $(sort $(shell [ ! -d $(1) ] || find $(1) -name '*.c' -type f))
objects = $(patsubst %.c,$(B)/obj/%.o,$(1))

main_files := keeper/main.c supervisor/main.c supervisor/mintctl.c \
    platform/main.c

src_mintlib := $(wildcard lib/*.c contract/*.c)
src_keeper := $(filter-out $(main_files),$(call tree,keeper))
src_supervisor := $(filter-out $(main_files),$(call tree,supervisor))
src_platform := $(filter-out $(main_files),$(call tree,platform))
src_tools := $(wildcard tests/tools/*.c)

# an archive only where there are sources
archive = $(if $(src_$(1)),$(B)/lib$(1).a)
mintlib := $(call archive,mintlib)

programs :=
ifneq ($(wildcard keeper/main.c),)
programs += $(B)/mint-keeper
endif
ifneq ($(wildcard supervisor/main.c),)
programs += $(B)/mint-supervisor
endif
ifneq ($(wildcard supervisor/mintctl.c),)
programs += $(B)/mintctl
endif
ifneq ($(wildcard platform/main.c),)
programs += $(B)/mint-platform
endif

tools := $(foreach s,$(src_tools),$(B)/$(basename $(notdir $(s))))

# $(call note,name,text): $(B)/.name, newer only when the text has changed
note = $(if $(filter-out $(2),$(file < $(B)/.$(1)))$(filter-out \
    $(file < $(B)/.$(1)),$(2)),$(shell mkdir -p $(B))$(file > $(B)/.$(1),$(2)))

include mk/module.mk
include mk/tests.mk
include mk/checks.mk


# ---- targets ---------------------------------------------------------

.PHONY: all run programs tools clean help

all: programs tools  ## all programs and the nginx module (the default)

programs: $(programs) $(module)

tools: $(tools)

run:  ## set up what is missing, build, start in the foreground
	@scripts/run

clean:  ## remove what was built (var/ stays)
	rm -rf build build-asan build-fuzz build-tsan

help:  ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / \
	    { printf "  make %-14s %s\n", $$1, $$2 }' Makefile mk/*.mk
	@echo '  variables: SANITIZE=1 (ASan and UBSan, into build-asan/), B=DIR,'
	@echo '             PYTEST_ARGS="-k name", FUZZ_SECONDS=60'


# ---- rules -----------------------------------------------------------

# Outputs are renamed into place: two makes at a time never see half a file.

$(call note,flags,$(CC) $(CFLAGS) $(LDFLAGS))

$(B)/obj/%.o: %.c $(B)/.flags
	@mkdir -p $(@D)
	@echo "  cc     $<"
	@$(CC) $(CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@.$$$$ \
	    && mv -f $@.$$$$ $@ || { rm -f $@.$$$$; exit 1; }

define archive_rule
$$(call note,list-$(1),$(src_$(1)))
$(B)/lib$(1).a: $(call objects,$(src_$(1))) $(B)/.list-$(1)
	@echo "  ar     $$@"
	@rm -f $$@.$$$$$$$$ && $(AR) rcs $$@.$$$$$$$$ $$(filter %.o,$$^) \
	    && mv -f $$@.$$$$$$$$ $$@
endef
$(foreach a,mintlib keeper supervisor platform, \
    $(if $(src_$(a)),$(eval $(call archive_rule,$(a)))))

# $(call link,objects and archives,libs)
define link
@mkdir -p $(@D)
@echo "  link   $@"
@$(CC) $(LDFLAGS) -o $@.$$$$ $(1) $(2) && mv -f $@.$$$$ $@ \
    || { rm -f $@.$$$$; exit 1; }
endef

$(B)/mint-keeper: $(B)/obj/keeper/main.o $(call archive,keeper)
	$(call link,$^,$(LIBS_keeper))

$(B)/mint-supervisor: $(B)/obj/supervisor/main.o $(call archive,supervisor) \
    $(mintlib)
	$(call link,$^,$(LIBS_supervisor))

$(B)/mintctl: $(B)/obj/supervisor/mintctl.o $(call archive,supervisor) \
    $(mintlib)
	$(call link,$^,$(LIBS_supervisor))

$(B)/mint-platform: $(B)/obj/platform/main.o $(call archive,platform) \
    $(mintlib)
	$(call link,$^,$(LIBS_platform))

$(tools): $(B)/%: $(B)/obj/tests/tools/%.o $(call archive,supervisor) \
    $(mintlib)
	$(call link,$^,$(LIBS_test))

.SECONDARY:
-include $(shell [ ! -d $(B)/obj ] || find $(B)/obj -name '*.d')
