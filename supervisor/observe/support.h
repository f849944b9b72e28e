/* SPDX-License-Identifier: MIT */
/*
 * The support bundle: what somebody needs who is to find out from afar what
 * is wrong, without secrets.  For mintctl.
 */

#ifndef SUPERVISOR_OBSERVE_SUPPORT_H
#define SUPERVISOR_OBSERVE_SUPPORT_H

#include <jansson.h>

#include "lib/error.h"


#define SUPPORT_LOG_LINES  2000         /* of each log */


/* borrowed; NULL = not known */
struct support_parts {
    json_t      *facts;                 /* must be known */
    json_t      *status;
    json_t      *plugins;
    json_t      *findings;
    const char  *data_directory;
    const char  *access_log;
};

/*
 * Makes path.  contents gets a line for each file in it: {"name", "what"}; a
 * new reference, on failure NULL.
 */
int support_make(const char *path, const struct support_parts *parts,
    json_t **contents, struct error *err);

#endif /* SUPERVISOR_OBSERVE_SUPPORT_H */
