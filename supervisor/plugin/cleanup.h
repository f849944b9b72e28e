/* SPDX-License-Identifier: MIT */
/*
 * Removing trees without waiting for it: an environment has thousands of
 * files.
 */

#ifndef SUPERVISOR_PLUGIN_CLEANUP_H
#define SUPERVISOR_PLUGIN_CLEANUP_H

#include "supervisor/plugin/runner.h"
#include "supervisor/plugin/text_list.h"


struct cleanup;

struct cleanup *cleanup_new(const struct runner *runner);

/* what is still to be removed is removed here and now */
void cleanup_free(struct cleanup **cleanup);

/* one tree after the other, in the order of the calls */
void cleanup_remove(struct cleanup *cleanup, const char *path);

#endif /* SUPERVISOR_PLUGIN_CLEANUP_H */
