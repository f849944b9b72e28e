/* SPDX-License-Identifier: MIT */
/*
 * The first segments of the documented API, built or not: no plugin can have
 * them, and what is asked for below others is asked of a plugin.
 */

#ifndef LIB_API_NAMES_H
#define LIB_API_NAMES_H

#include <stdbool.h>


/* path: what follows "/api/", or a plugin's prefix without its slash */
bool api_names_has(const char *path);

#endif /* LIB_API_NAMES_H */
