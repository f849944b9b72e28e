/* SPDX-License-Identifier: MIT */
/*
 * The PLAN of mint_admin.h, put together.
 */

#include "supervisor/plugin/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "supervisor/plugin/command.h"
#include "supervisor/plugin/debian.h"
#include "supervisor/plugin/difference.h"


/* a wheel unpacked, with its byte code, is so many times as large */
#define PLAN_UNPACKED  4

#define PLAN_UNKNOWN  "the routes prefix and what it may do (capabilities) " \
                      "are known only once code of the plugin runs; a plan " \
                      "runs none"


static json_t *
plan_text(const char *text)
{
    return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}


static json_t *
plan_number(int64_t number)
{
    return number >= 0 ? json_integer((json_int_t) number) : json_null();
}


/* those that the plugin has set to true */

static json_t *
plan_capabilities(const json_t *probe)
{
    void        *place;
    json_t      *list, *all;
    const char  *name;

    list = json_array();
    all = json_object_get(probe, "capabilities");

    for (place = json_object_iter(all); place != NULL;
         place = json_object_iter_next(all, place))
    {
        name = json_object_iter_key(place);

        if (json_is_true(json_object_iter_value(place))) {
            json_array_append_new(list, json_string(name));
        }
    }

    return list;
}


static json_t *
plan_installed(const struct plugin *old)
{
    if (old == NULL) {
        return json_null();
    }

    return json_pack("{s:s, s:s, s:s, s:o}", "version", old->version, "mode",
                     plugin_mode_name(old->mode), "routes_prefix",
                     old->routes_prefix, "capabilities",
                     plan_capabilities(old->probe));
}


/* where the plugin's own process would look, but for its environment */

static json_t *
plan_find_program(const char *name)
{
    char         path[PATH_MAX];
    size_t       len;
    struct stat  info;
    const char  *p;

    for (p = COMMAND_PATH; *p != '\0'; p += len + (p[len] == ':')) {
        len = strcspn(p, ":");
        snprintf(path, sizeof(path), "%.*s/%s", (int) len, p, name);

        if (stat(path, &info) == 0 && S_ISREG(info.st_mode)
            && (info.st_mode & S_IXOTH))
        {
            return json_string(path);
        }
    }

    return json_null();
}


static json_t *
plan_program(const char *name, const char *table)
{
    char    *debian;
    json_t  *path, *program;

    path = plan_find_program(name);
    debian = json_is_null(path) ? debian_program(table, name) : NULL;
    program = json_pack("{s:s, s:o, s:s?}", "name", name, "path", path,
                        "debian", debian);
    free(debian);

    return program;
}


static json_t *
plan_programs(const struct plan_facts *facts)
{
    size_t                   i;
    json_t                  *list;
    struct strbuf            table;
    const struct text_list  *names;

    memset(&table, 0, sizeof(table));
    list = json_array();
    names = &facts->wheel->programs;

    if (names->count > 0) {
        debian_read(&table, facts->program_directory);
    }

    for (i = 0; i < names->count; i++) {
        json_array_append_new(list, plan_program(names->item[i],
                                                 strbuf_text(&table)));
    }

    strbuf_free(&table);

    return list;
}


static json_t *
plan_download(const struct plan_facts *facts)
{
    bool      is_complete;
    json_t   *packages;
    uint64_t  bytes;

    bytes = fetch_bytes(&facts->fetch, &is_complete);
    packages = fetch_is_known(&facts->fetch) ? fetch_encode(&facts->fetch)
                                             : json_null();

    return json_pack("{s:o, s:I, s:o, s:o}", "bytes",
                     is_complete ? json_integer((json_int_t) bytes)
                                 : json_null(),
                     "known_bytes", (json_int_t) bytes, "packages", packages,
                     "doubt", plan_text(facts->doubt));
}


json_t *
plan_document(const struct plan_facts *facts, struct error *err)
{
    json_t              *document;
    const struct wheel  *wheel;

    wheel = facts->wheel;

    document = json_pack("{s:s, s:s, s:s, s:o, s:b,"
                     " s:s, s:s, s:O?, s:O?,"
                     " s:o, s:o, s:o, s:{s:o, s:o},"
                     " s:o, s:o, s:o, s:o, s:n, s:n, s:s}",
        "name", wheel->plugin_name,
        "distribution", wheel->distribution,
        "version", wheel->version,
        "installed", plan_installed(facts->old),
        "unchanged", facts->unchanged,

        "mode", plugin_mode_name(facts->mode),
        "reason", facts->reason,
        "details", facts->details,
        "verdict", facts->verdict,

        "environment", plan_text(facts->environment),
        "packages", difference_encode(&facts->now, &facts->then),
        "download", plan_download(facts),
        "disk",
        "bytes", plan_number(facts->disk_bytes),
        "free_bytes", plan_number(facts->free_bytes),

        "requires_mint", plan_text(facts->requires_mint),
        "requires_python", plan_text(wheel->requires_python),
        "programs", plan_programs(facts),
        "runtime_requirements", plan_text(wheel->runtime_requirements),
        "routes_prefix",
        "capabilities",
        "not_known", PLAN_UNKNOWN);

    if (document == NULL) {
        error_set(err, MINT_ERR_INVALID, "what was found out cannot be "
                  "written down: a text in it is not valid UTF-8");
    }

    return document;
}


int64_t
plan_disk_bytes(int64_t base, const struct lock *now, const struct lock *then,
    const struct fetch *fetch, uint64_t wheel_bytes)
{
    bool      is_complete;
    size_t    i, kept;
    uint64_t  bytes;

    bytes = fetch_bytes(fetch, &is_complete);

    if (base < 0 || !is_complete) {
        return -1;
    }

    kept = 0;

    for (i = 0; i < then->count; i++) {
        kept += lock_find(now, then->packages[i].name) != NULL;
    }

    bytes = (bytes + wheel_bytes) * PLAN_UNPACKED;

    if (now->count > 0) {
        bytes += (uint64_t) base / now->count * kept;
    }

    return (int64_t) bytes;
}
