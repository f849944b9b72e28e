# SPDX-License-Identifier: MIT
#
# Checks of form.  Gates: format, layers, headers, exports, hygiene.  Sizes
# are a report.

.PHONY: lint format format-check

lint:  ## format, layers, headers, exported symbols, hygiene, sizes
	@scripts/setup lint
	@$(MAKE) --no-print-directory $(parallel) $(module)
	@scripts/lint $(B)

format:  ## rewrite the C sources in the house style (uncrustify)
	@scripts/format

format-check:  ## say which C sources are not in the house style
	@scripts/format --check
