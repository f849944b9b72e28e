/* SPDX-License-Identifier: MIT */
/*
 * Where the quick verdict is not known because packages would have to come or
 * to move: is there a set of releases, among those that are installed and those
 * that uv has kept, that meets what everybody asks for?
 */

#ifndef SUPERVISOR_PLUGIN_FIT_SEARCH_H
#define SUPERVISOR_PLUGIN_FIT_SEARCH_H

#include "supervisor/plugin/clash.h"
#include "supervisor/plugin/uv_cache.h"


/* FITS or CLASHES as in solve.h; UNKNOWN: more would have to be read */
enum clash_verdict fit_search(const struct clash_input *input,
    struct uv_cache *cache);

#endif /* SUPERVISOR_PLUGIN_FIT_SEARCH_H */
