/* SPDX-License-Identifier: MIT */
/*
 * What "mint" reads after a change of a plugin, good or bad (mint_sdk, the
 * command line's plugin commands): it asks for "success" and "message".
 */

#ifndef PLATFORM_CHANGE_DOCUMENT_H
#define PLATFORM_CHANGE_DOCUMENT_H

#include <jansson.h>

#include "lib/error.h"


/* new references; with all that is in result.  details may be NULL */
json_t *change_done(json_t *result, const char *message,
    const char *request_id);
json_t *change_refused(const struct error *err, json_t *details,
    const char *request_id);

#endif /* PLATFORM_CHANGE_DOCUMENT_H */
