/* SPDX-License-Identifier: MIT */
/*
 * What run_json_dump() reads, for people: one row a line; and the comparison
 * of two such readings.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "run_json.h"
#include "run_show.h"


static bool run_show_is_whole(json_t *dump, const char *directory);
static void run_show_text(json_t *dump);
static void run_show_row(json_t *row);
static void run_show_compare(const char *path, json_t *a, json_t *b,
    json_t *changes);
static void run_show_objects(const char *path, json_t *a, json_t *b,
    json_t *changes);
static void run_show_arrays(const char *path, json_t *a, json_t *b,
    json_t *changes);
static json_t *run_show_change(const char *path, json_t *a, json_t *b);
static bool run_show_is_secret(const char *path);
static void run_show_print(json_t *change);


int
run_show_dump(const char *directory, bool json, bool secrets)
{
    bool     is_whole;
    json_t  *dump;

    dump = run_json_dump(directory, secrets);
    is_whole = run_show_is_whole(dump, directory);

    if (json) {
        json_dumpf(dump, stdout, JSON_INDENT(2));
        putchar('\n');

    } else {
        run_show_text(dump);
    }

    json_decref(dump);

    return is_whole ? 0 : -1;
}


int
run_show_diff(const char *first, const char *second, bool json)
{
    int      count;
    bool     is_whole;
    size_t   i;
    json_t  *a, *b, *changes, *change;

    a = run_json_dump(first, true);
    b = run_json_dump(second, true);
    changes = json_array();

    is_whole = run_show_is_whole(a, first);
    is_whole = run_show_is_whole(b, second) && is_whole;

    json_object_del(a, "files");
    json_object_del(b, "files");
    json_object_del(a, "workers");
    json_object_del(b, "workers");
    json_object_del(a, "totals");
    json_object_del(b, "totals");

    run_show_compare("", a, b, changes);
    count = (int) json_array_size(changes);

    if (json) {
        json_dumpf(changes, stdout, JSON_INDENT(2));
        putchar('\n');

    } else {
        json_array_foreach(changes, i, change) {
            run_show_print(change);
        }
    }

    json_decref(changes);
    json_decref(a);
    json_decref(b);

    return is_whole ? count : -1;
}


/* says which file is not, and why */

static bool
run_show_is_whole(json_t *dump, const char *directory)
{
    bool         is_whole;
    json_t      *file;
    const char  *name, *why;

    is_whole = true;

    json_object_foreach(json_object_get(dump, "files"), name, file) {
        why = json_string_value(json_object_get(file, "error"));

        if (why != NULL) {
            fprintf(stderr, "run files of \"%s\": %s: %s\n", directory, name,
                    why);
            is_whole = false;
        }
    }

    return is_whole;
}


static void
run_show_text(json_t *dump)
{
    size_t       i;
    json_t      *part, *row;
    const char  *name, *key;

    json_object_foreach(dump, name, part) {
        printf("%s\n", name);

        if (json_is_array(part)) {
            json_array_foreach(part, i, row) {
                run_show_row(row);
            }

        } else if (json_is_object(part)) {
            json_object_foreach(part, key, row) {
                printf("  %s:", key);
                run_show_row(row);
            }

        } else {
            run_show_row(part);
        }
    }
}


static void
run_show_row(json_t *row)
{
    char  *text;

    text = json_dumps(row, JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
    printf("  %s\n", text);
    free(text);
}


/* ---- differences --------------------------------------------------- */

static void
run_show_compare(const char *path, json_t *a, json_t *b, json_t *changes)
{
    if (json_equal(a, b)) {
        return;
    }

    if (json_is_object(a) && json_is_object(b)) {
        run_show_objects(path, a, b, changes);

    } else if (json_is_array(a) && json_is_array(b)) {
        run_show_arrays(path, a, b, changes);

    } else {
        json_array_append_new(changes, run_show_change(path, a, b));
    }
}


static void
run_show_objects(const char *path, json_t *a, json_t *b, json_t *changes)
{
    char        *below;
    json_t      *value;
    const char  *key;

    json_object_foreach(a, key, value) {
        below = mem_printf("%s/%s", path, key);
        run_show_compare(below, value, json_object_get(b, key), changes);
        free(below);
    }

    json_object_foreach(b, key, value) {
        if (json_object_get(a, key) == NULL) {
            below = mem_printf("%s/%s", path, key);
            run_show_compare(below, NULL, value, changes);
            free(below);
        }
    }
}


static void
run_show_arrays(const char *path, json_t *a, json_t *b, json_t *changes)
{
    char    *below;
    size_t   i;

    for (i = 0; i < json_array_size(a) || i < json_array_size(b); i++) {
        below = mem_printf("%s/%zu", path, i);
        run_show_compare(below, json_array_get(a, i), json_array_get(b, i),
                         changes);
        free(below);
    }
}


/* {path, from, to}; of a secret only on which side it is */

static json_t *
run_show_change(const char *path, json_t *a, json_t *b)
{
    json_t  *change;

    change = json_pack("{s:s}", "path", path);

    if (run_show_is_secret(path)) {
        json_object_set_new(change, "secret", json_string(
            a == NULL ? "only in the second"
            : b == NULL ? "only in the first" : "differs"));

    } else {
        json_object_set_new(change, "from", a != NULL ? json_incref(a)
                                                      : json_null());
        json_object_set_new(change, "to", b != NULL ? json_incref(b)
                                                    : json_null());
    }

    return change;
}


/* also what has one in it: a key, the list of keys */

static bool
run_show_is_secret(const char *path)
{
    return strstr(path, "secret") != NULL || strstr(path, "token") != NULL
           || (strncmp(path, "/keys", 5) == 0 && strstr(path, "/id") == NULL);
}


static void
run_show_print(json_t *change)
{
    char        *from, *to;
    json_t      *path, *secret;

    path = json_object_get(change, "path");
    secret = json_object_get(change, "secret");

    if (secret != NULL) {
        printf("%s: %s\n", json_string_value(path),
               strcmp(json_string_value(secret), "differs") == 0
               ? "differs (secret)" : json_string_value(secret));
        return;
    }

    from = json_dumps(json_object_get(change, "from"), JSON_ENCODE_ANY);
    to = json_dumps(json_object_get(change, "to"), JSON_ENCODE_ANY);
    printf("%s: %s -> %s\n", json_string_value(path),
           strcmp(from, "null") == 0 ? "(none)" : from,
           strcmp(to, "null") == 0 ? "(none)" : to);
    free(from);
    free(to);
}
