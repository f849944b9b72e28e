/* SPDX-License-Identifier: MIT */
/*
 * The permissions MINT knows and what the built-in roles hold.  In memory a
 * set of permissions is one word.
 */

#ifndef PLATFORM_PERMISSIONS_H
#define PLATFORM_PERMISSIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


#define ROLE_SLUG_MAX  64

typedef uint64_t  permission_set;


struct permission {
    const char  *name;              /* "experiments.view" */
    bool         member;
    bool         viewer;
};


/* row i, or NULL after the last */
const struct permission *permission_row(size_t i);

/* 0 if the name is unknown */
permission_set permission_bit(const char *name);
bool permission_held(permission_set set, const char *name);

/* what the built-in roles hold; all for "admin" */
permission_set permission_builtin(const char *slug);

json_t *permission_list(permission_set set);
/* unknown names are left out */
permission_set permission_parse(const json_t *list);

#endif /* PLATFORM_PERMISSIONS_H */
