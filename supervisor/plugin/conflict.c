/* SPDX-License-Identifier: MIT */
/*
 * Which conflicts of files are new, and in whose way they are.
 */

#include "supervisor/plugin/conflict.h"

#include <stdbool.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"


/* the words for each kind; a name, a number of others, a package go between */
static const struct conflict_words {
    const char  *kind;
    const char  *other;
    const char  *others;
    const char  *shared;
    const char  *both;
} conflict_words[] = {
    { "file", "file", "files", " in the shared environment has, too", "" },
    { "library", "library", "libraries", " in the shared environment has in "
      "another version", ", in different versions" },
};


static const struct conflict_words *
conflict_words_for(const json_t *conflict)
{
    size_t       i;
    const char  *kind;

    kind = json_string_value(json_object_get(conflict, "kind"));

    for (i = 0; kind != NULL
                && i < sizeof(conflict_words) / sizeof(conflict_words[0]); i++)
    {
        if (strcmp(conflict_words[i].kind, kind) == 0) {
            return &conflict_words[i];
        }
    }

    return NULL;
}


static const char *
conflict_text(const json_t *object, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}


static json_t *
conflict_list(const struct inventory *inventory)
{
    return json_object_get(inventory->data, "conflicts");
}


static bool
conflict_is_there(const json_t *package, const struct inventory *inventory)
{
    size_t  found;

    found = inventory_find(inventory, conflict_text(package, "name"));

    return found != INVENTORY_NONE
           && strcmp(inventory->packages[found].version,
                     conflict_text(package, "version")) == 0;
}


/* an environment of an earlier release says nothing of its conflicts, so one
   between packages that are there, if in other versions, may be old */

static bool
conflict_is_new(const json_t *package, const struct inventory *then)
{
    return conflict_list(then) != NULL
           || (then->count > 0
               && inventory_find(then, conflict_text(package, "name"))
                  == INVENTORY_NONE);
}


/* the newcomer itself if it is in it, else the first that is not there yet */

static const json_t *
conflict_mine(const json_t *packages, const struct inventory *then,
    const char *distribution)
{
    size_t         i;
    json_t        *package;
    const json_t  *mine;

    mine = NULL;

    json_array_foreach(packages, i, package) {
        if (conflict_is_there(package, then)) {
            continue;
        }

        if (names_same_distribution(conflict_text(package, "name"),
                                    distribution))
        {
            return package;
        }

        if (mine == NULL && conflict_is_new(package, then)) {
            mine = package;
        }
    }

    return mine;
}


/* whose file it is: rather of one that is there */

static const json_t *
conflict_theirs(const json_t *packages, const json_t *mine,
    const struct inventory *then)
{
    size_t         i;
    json_t        *package;
    const json_t  *theirs;

    theirs = NULL;

    json_array_foreach(packages, i, package) {
        if (package == mine) {
            continue;
        }

        if (conflict_is_there(package, then)) {
            return package;
        }

        if (theirs == NULL) {
            theirs = package;
        }
    }

    return theirs;
}


static void
conflict_write_package(const json_t *package, struct strbuf *out)
{
    strbuf_printf(out, "%s %s", conflict_text(package, "name"),
                  conflict_text(package, "version"));
}


static void
conflict_write_what(const json_t *conflict, struct strbuf *out)
{
    json_int_t  more;

    more = json_integer_value(json_object_get(conflict, "count")) - 1;
    strbuf_puts(out, conflict_text(conflict, "path"));

    if (more > 0) {
        strbuf_printf(out, " and %lld other %s", (long long) more,
                      more == 1 ? conflict_words_for(conflict)->other
                                : conflict_words_for(conflict)->others);
    }
}


static void
conflict_write_brought(const json_t *conflict, const json_t *mine,
    const struct inventory *then, const char *distribution,
    struct strbuf *out)
{
    const json_t  *theirs;

    theirs = conflict_theirs(json_object_get(conflict, "packages"), mine,
                             then);

    if (names_same_distribution(conflict_text(mine, "name"), distribution)) {
        strbuf_puts(out, "it");

    } else {
        conflict_write_package(mine, out);
        strbuf_puts(out, ", which comes with it,");
    }

    strbuf_puts(out, " brings ");
    conflict_write_what(conflict, out);
    strbuf_puts(out, ", which ");
    conflict_write_package(theirs, out);
    strbuf_puts(out, conflict_is_there(theirs, then)
                     ? conflict_words_for(conflict)->shared
                     : " brings, too");
}


static void
conflict_write_own(const json_t *conflict, struct strbuf *out)
{
    json_t  *packages;

    packages = json_object_get(conflict, "packages");
    conflict_write_package(json_array_get(packages, 0), out);
    strbuf_puts(out, " and ");
    conflict_write_package(json_array_get(packages, 1), out);
    strbuf_puts(out, " both bring ");
    conflict_write_what(conflict, out);
    strbuf_puts(out, conflict_words_for(conflict)->both);
}


static void
conflict_add(json_t *list, json_t *conflict, const char *environment,
    const struct strbuf *sentence)
{
    json_t  *copy;

    copy = json_deep_copy(conflict);
    json_object_set_new(copy, "environment", json_string(environment));
    json_object_set_new(copy, "sentence",
                        json_string(strbuf_text(sentence)));
    json_array_append_new(list, copy);
}


/* what this reads has been written by us, but who knows by which version */

static bool
conflict_is_one(const json_t *conflict)
{
    return conflict_words_for(conflict) != NULL
           && json_array_size(json_object_get(conflict, "packages")) >= 2;
}


/* was there already, in just the same way: between packages that have moved
   together, as those of the core with a new release */

static bool
conflict_is_known(const json_t *conflict, const struct inventory *then)
{
    size_t   i, k;
    bool     is_same;
    json_t  *other, *mine, *theirs, *package;

    mine = json_object_get(conflict, "packages");

    json_array_foreach(conflict_list(then), i, other) {
        theirs = json_object_get(other, "packages");
        is_same = json_array_size(mine) == json_array_size(theirs)
                  && json_equal(json_object_get(conflict, "kind"),
                                json_object_get(other, "kind"))
                  && json_equal(json_object_get(conflict, "path"),
                                json_object_get(other, "path"))
                  && json_equal(json_object_get(conflict, "count"),
                                json_object_get(other, "count"));

        json_array_foreach(mine, k, package) {
            is_same = is_same
                      && json_equal(json_object_get(package, "name"),
                                    json_object_get(json_array_get(theirs, k),
                                                    "name"));
        }

        if (is_same) {
            return true;
        }
    }

    return false;
}


/* more are left off than before: one of them may be new */

static bool
conflict_left_off(const struct inventory *now, const struct inventory *then)
{
    return json_integer_value(json_object_get(now->data, "conflicts_more"))
           > json_integer_value(json_object_get(then->data,
                                                "conflicts_more"));
}


json_t *
conflict_brought(const struct inventory *now, const struct inventory *then,
    const char *distribution)
{
    size_t          i;
    json_t         *list, *conflict;
    const json_t   *mine;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    list = json_array();

    json_array_foreach(conflict_list(now), i, conflict) {
        if (!conflict_is_one(conflict) || conflict_is_known(conflict, then)) {
            continue;
        }

        mine = conflict_mine(json_object_get(conflict, "packages"), then,
                             distribution);

        if (mine != NULL) {
            strbuf_clear(&text);
            conflict_write_brought(conflict, mine, then, distribution, &text);
            conflict_add(list, conflict, "shared", &text);
        }
    }

    if (json_array_size(list) == 0 && conflict_left_off(now, then)) {
        json_array_append_new(list, json_pack("{s:s, s:s}",
                              "environment", "shared", "sentence", "more of "
                              "its files are those of several packages than "
                              "can be told"));
    }

    strbuf_free(&text);

    if (json_array_size(list) == 0) {
        json_decref(list);
        return NULL;
    }

    return list;
}


json_t *
conflict_own(const struct inventory *inventory)
{
    size_t          i;
    json_t         *list, *conflict;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    list = json_array();

    json_array_foreach(conflict_list(inventory), i, conflict) {
        if (conflict_is_one(conflict)) {
            strbuf_clear(&text);
            conflict_write_own(conflict, &text);
            conflict_add(list, conflict, "own", &text);
        }
    }

    strbuf_free(&text);

    if (json_array_size(list) == 0) {
        json_decref(list);
        return NULL;
    }

    return list;
}


const char *
conflict_sentence(const json_t *list)
{
    return conflict_text(json_array_get(list, 0), "sentence");
}
