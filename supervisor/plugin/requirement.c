/* SPDX-License-Identifier: MIT */
/*
 * Words about requirements: what is installed, who needs it, what changes.
 */

#include "supervisor/plugin/requirement.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/names.h"


#define REQUIREMENT_LISTED_MAX  5


static const char *requirement_needed_by(
    const struct requirement_scene *scene, const struct lock_package *package);
static bool requirement_is_plugin(const struct requirement_scene *scene,
    const char *name);


void
requirement_clash(const struct requirement *requirement,
    const struct requirement_scene *scene, struct strbuf *out)
{
    const char                 *by;
    const struct lock_package  *package;

    package = lock_find(scene->platform, requirement->name);

    if (package == NULL) {
        strbuf_puts(out, requirement->text);
        return;
    }

    if (lock_find(scene->core, requirement->name) != NULL) {
        strbuf_printf(out, "%s and the platform's core has %s %s",
                      requirement->text, package->name, package->version);
        return;
    }

    strbuf_printf(out, "%s and the shared environment has %s %s",
                  requirement->text, package->name, package->version);

    by = requirement_needed_by(scene, package);

    if (by != NULL) {
        strbuf_printf(out, " (needed by %s)", by);
    }
}


/* plugins are called by their own names, other packages by theirs */

static const char *
requirement_needed_by(const struct requirement_scene *scene,
    const struct lock_package *package)
{
    size_t       i, k;
    const char  *via, *other;

    other = NULL;

    for (i = 0; i < package->via.count; i++) {
        via = package->via.item[i];

        for (k = 0; k < scene->other_count; k++) {
            if (names_same_distribution(via, scene->others[k]->distribution)) {
                return scene->others[k]->name;
            }
        }

        if (!names_same_distribution(via, scene->distribution)) {
            other = via;
        }
    }

    return other;
}


void
requirement_explain(const struct requirement *requirement,
    const struct requirement_scene *scene, enum plugin_mode mode,
    const struct lock *chosen, struct strbuf *out)
{
    const char                 *where;
    const struct lock_package  *now, *then;

    now = lock_find(scene->platform, requirement->name);
    then = lock_find(chosen, requirement->name);
    where = lock_find(scene->core, requirement->name) != NULL
            ? "the platform's core" : "the shared environment";

    strbuf_printf(out, "%s: ", requirement->verdict == REQUIREMENT_ABSENT
                  ? requirement->whole : requirement->text);

    if (requirement->verdict == REQUIREMENT_ABSENT) {
        strbuf_puts(out, "does not apply here");

    } else if (requirement->verdict == REQUIREMENT_SATISFIED && now != NULL) {
        strbuf_printf(out, "satisfied by %s in %s", now->version, where);

    } else if (requirement->verdict == REQUIREMENT_CLASH && now != NULL) {
        if (mode == PLUGIN_SHARED && then != NULL
            && strcmp(then->version, now->version) != 0)
        {
            strbuf_printf(out, "the shared environment moves from %s to %s",
                          now->version, then->version);
            return;
        }

        strbuf_printf(out, "clash with %s in %s", now->version, where);

    } else if (mode == PLUGIN_SHARED) {
        strbuf_printf(out, "added as %s", then != NULL ? then->version
                                                       : "asked for");

    } else {
        strbuf_printf(out, "not in %s", where);
    }

    if (mode == PLUGIN_ISOLATED && then != NULL) {
        strbuf_printf(out, "; its own environment has %s", then->version);
    }
}


static bool
requirement_is_plugin(const struct requirement_scene *scene,
    const char *name)
{
    size_t  i;

    if (names_same_distribution(name, scene->distribution)) {
        return true;
    }

    for (i = 0; i < scene->other_count; i++) {
        if (names_same_distribution(name, scene->others[i]->distribution)) {
            return true;
        }
    }

    return false;
}


void
requirement_changes(const struct requirement_scene *scene,
    const struct lock *chosen, struct strbuf *out)
{
    size_t                      i, listed, left;
    const struct lock_package  *now, *then;

    listed = 0;
    left = 0;

    for (i = 0; i < chosen->count; i++) {
        then = &chosen->packages[i];
        now = lock_find(scene->platform, then->name);

        if (requirement_is_plugin(scene, then->name)
            || (now != NULL && strcmp(now->version, then->version) == 0))
        {
            continue;
        }

        if (listed == REQUIREMENT_LISTED_MAX) {
            left++;
            continue;
        }

        strbuf_puts(out, listed++ == 0 ? " (" : ", ");

        if (now == NULL) {
            strbuf_printf(out, "adds %s %s", then->name, then->version);

        } else {
            strbuf_printf(out, "moves %s from %s to %s", then->name,
                          now->version, then->version);
        }
    }

    if (left > 0) {
        strbuf_printf(out, " and %zu more", left);
    }

    if (listed > 0) {
        strbuf_puts(out, ")");
    }
}


bool
requirement_moves(const struct requirement_scene *scene,
    const struct lock *chosen)
{
    size_t                      i;
    const struct lock_package  *now, *then;

    for (i = 0; i < scene->platform->count; i++) {
        now = &scene->platform->packages[i];

        if (requirement_is_plugin(scene, now->name)) {
            continue;
        }

        then = lock_find(chosen, now->name);

        if (then != NULL && strcmp(now->version, then->version) != 0) {
            return true;
        }
    }

    return false;
}
