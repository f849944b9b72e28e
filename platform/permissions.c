/* SPDX-License-Identifier: MIT */
/*
 * Table of permissions.  Order is that of the bits in memory only: the store
 * and the wire carry names.
 */

#include "platform/permissions.h"

#include <string.h>


static const struct permission  permission_table[] = {
    /* name                              member  viewer */
    { "projects.view",                   true,   true },
    { "projects.create",                 true,   false },
    { "projects.edit",                   true,   false },
    { "projects.delete",                 true,   false },
    { "projects.manage_members",         true,   false },
    { "experiments.view",                true,   true },
    { "experiments.create",              true,   false },
    { "experiments.edit",                true,   false },
    { "experiments.delete",              true,   false },
    { "plugins.view",                    true,   true },
    { "plugins.use",                     true,   true },
    { "plugins.configure",               true,   false },
    { "plugins.install",                 false,  false },
    { "jobs.read_all",                   false,  false },
    { "jobs.manage_all",                 false,  false },
    { "filesystem.browse",               true,   false },
    { "notifications.receive_important", false,  false },
    { "calendar.read_all",               false,  false },
    { "notices.publish",                 false,  false },
    { "users.view",                      true,   true },
    { "users.manage",                    false,  false },
    { "platform.configure",              false,  false },
    { "platform.view_logs",              true,   false }
};


#define PERMISSIONS  (sizeof(permission_table) / sizeof(permission_table[0]))

_Static_assert(PERMISSIONS <= 64, "a permission set is one word");


const struct permission *
permission_row(size_t i)
{
    return i < PERMISSIONS ? &permission_table[i] : NULL;
}


permission_set
permission_bit(const char *name)
{
    size_t  i;

    for (i = 0; i < PERMISSIONS; i++) {
        if (strcmp(permission_table[i].name, name) == 0) {
            return (permission_set) 1 << i;
        }
    }

    return 0;
}


bool
permission_held(permission_set set, const char *name)
{
    permission_set  bit;

    bit = permission_bit(name);

    return bit != 0 && (set & bit) != 0;
}


permission_set
permission_builtin(const char *slug)
{
    bool            held;
    size_t          i;
    permission_set  set;

    set = 0;

    for (i = 0; i < PERMISSIONS; i++) {
        held = strcmp(slug, "admin") == 0
               || (strcmp(slug, "member") == 0 && permission_table[i].member)
               || (strcmp(slug, "viewer") == 0 && permission_table[i].viewer);

        if (held) {
            set |= (permission_set) 1 << i;
        }
    }

    return set;
}


json_t *
permission_list(permission_set set)
{
    size_t   i;
    json_t  *list;

    list = json_array();

    for (i = 0; i < PERMISSIONS; i++) {
        if (set & (permission_set) 1 << i) {
            json_array_append_new(list,
                                  json_string(permission_table[i].name));
        }
    }

    return list;
}


permission_set
permission_parse(const json_t *list)
{
    size_t          i;
    json_t         *item;
    permission_set  set;

    set = 0;

    json_array_foreach(list, i, item) {
        if (json_is_string(item)) {
            set |= permission_bit(json_string_value(item));
        }
    }

    return set;
}
