/* SPDX-License-Identifier: MIT */
/*
 * Prints run files, and what differs between those of two directories, to
 * stdout; what cannot be read is told on stderr.  For mintctl and mint-table.
 */

#ifndef SUPERVISOR_ROUTES_RUN_SHOW_H
#define SUPERVISOR_ROUTES_RUN_SHOW_H

#include <stdbool.h>


/* 0, or -1 if a file is missing or broken; the others are shown */
int run_show_dump(const char *directory, bool json, bool secrets);

/*
 * What the files say, not their epochs, generations and workers.  Never
 * prints a secret.  Returns how many differences there are, -1 if a file is
 * missing or broken.
 */
int run_show_diff(const char *first, const char *second, bool json);

#endif /* SUPERVISOR_ROUTES_RUN_SHOW_H */
