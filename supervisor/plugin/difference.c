/* SPDX-License-Identifier: MIT */
/*
 * Two locks side by side.
 */

#include "supervisor/plugin/difference.h"

#include <stdlib.h>
#include <string.h>


static int
difference_order(const void *a, const void *b)
{
    const struct lock_package *const  *left = a;
    const struct lock_package *const  *right = b;

    return strcmp((*left)->name, (*right)->name);
}


/* lock files are sorted as uv likes it; to be freed */

static const struct lock_package **
difference_sorted(const struct lock *lock)
{
    size_t                       i;
    const struct lock_package  **sorted;

    sorted = mem_grow(NULL, lock->count + 1, sizeof(*sorted));

    for (i = 0; i < lock->count; i++) {
        sorted[i] = &lock->packages[i];
    }

    qsort(sorted, lock->count, sizeof(*sorted), difference_order);

    return sorted;
}


static json_t *
difference_one(const struct lock_package *package)
{
    return json_pack("{s:s, s:s}", "name", package->name, "version",
                     package->version);
}


json_t *
difference_encode(const struct lock *now, const struct lock *then)
{
    int                          order;
    size_t                       i, k;
    json_t                      *add, *change, *remove;
    json_int_t                   same;
    const struct lock_package  **old, **new;

    add = json_array();
    change = json_array();
    remove = json_array();
    old = difference_sorted(now);
    new = difference_sorted(then);
    same = 0;

    for (i = 0, k = 0; i < now->count || k < then->count; /* void */) {
        order = i == now->count ? 1 : k == then->count ? -1
                : strcmp(old[i]->name, new[k]->name);

        if (order > 0) {
            json_array_append_new(add, difference_one(new[k]));

        } else if (order < 0) {
            json_array_append_new(remove, difference_one(old[i]));

        } else if (strcmp(old[i]->version, new[k]->version) == 0) {
            same++;

        } else {
            json_array_append_new(change, json_pack("{s:s, s:s, s:s}",
                                  "name", new[k]->name,
                                  "from", old[i]->version,
                                  "to", new[k]->version));
        }

        i += order <= 0;
        k += order >= 0;
    }

    free(old);
    free(new);

    return json_pack("{s:o, s:o, s:o, s:I}", "add", add, "change", change,
                     "remove", remove, "same", same);
}
