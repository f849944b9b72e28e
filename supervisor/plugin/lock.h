/* SPDX-License-Identifier: MIT */
/*
 * A lock file as uv pip compile writes it: which versions, and who needs
 * them ("# via").
 */

#ifndef SUPERVISOR_PLUGIN_LOCK_H
#define SUPERVISOR_PLUGIN_LOCK_H

#include <stddef.h>

#include "lib/error.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/text_list.h"


struct lock_package {
    char              *name;            /* normalised */
    char              *version;         /* of a wheel's URL too; "" unknown */
    struct text_list   via;             /* normalised names */
};


struct lock {
    struct lock_package  *packages;
    size_t                count;
};


int lock_read(struct lock *out, const char *path, struct error *err);
int lock_parse(struct lock *out, const struct strbuf *text,
    struct error *err);
void lock_clear(struct lock *lock);

/* name in any spelling; NULL if it is not there */
const struct lock_package *lock_find(const struct lock *lock,
    const char *name);

#endif /* SUPERVISOR_PLUGIN_LOCK_H */
