/* SPDX-License-Identifier: MIT */
/*
 * What is secret on this system: keys and passwords of the configuration,
 * tokens of plugins, settings of plugins whose names say so.
 */

#ifndef SUPERVISOR_OBSERVE_SECRETS_H
#define SUPERVISOR_OBSERVE_SECRETS_H

#include "lib/config.h"
#include "redact.h"
#include "supervisor/plugin/registry.h"


/* config may be NULL, and so may registry; to be freed */
struct redactor *secrets_redactor(const struct config *config,
    struct registry *registry);

/* the same for a program that has the files, not the objects: config.json and
   registry.json below the data directory; what cannot be read is left out */
void secrets_add_files(struct redactor *redactor, const char *config_path,
    const char *data_path);

/* secret variables of a running process; nothing if it cannot be looked at */
void secrets_add_process(struct redactor *redactor, long pid);

#endif /* SUPERVISOR_OBSERVE_SECRETS_H */
