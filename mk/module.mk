# SPDX-License-Identifier: MIT
#
# The nginx module, built out of tree against the sources that Debian's
# nginx-dev ships, so that it fits the installed nginx exactly.

NGINX_SOURCE ?= /usr/share/nginx/src

module_files := config $(sort $(wildcard ngx_mint_module/*.[ch] \
    contract/*.[ch]))
module_sources := $(wildcard ngx_mint_module/*.c)
module_cc := $(filter-out -pthread,$(hardening)) -g
module :=
ifneq ($(and $(wildcard config),$(module_sources)),)
module := $(B)/ngx_http_mint_module.so
endif

# configured again for another nginx, another list of sources, other flags
module_key := $(shell cat $(NGINX_SOURCE)/conf_flags config 2>/dev/null \
    | cksum) $(module_sources) $(module_cc) $(CURDIR)
$(if $(module),$(call note,module-key,$(module_key)))

$(B)/ngx_http_mint_module.so: $(B)/.module-key $(module_files)
	@echo "  module $@"
	@scripts/build-module $(NGINX_SOURCE) $(abspath $(B)) '$(module_cc)'
