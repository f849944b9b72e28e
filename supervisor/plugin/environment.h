/* SPDX-License-Identifier: MIT */
/*
 * Environments on disk: <data>/environments/<name>-<n>.  Built aside under a
 * name that begins with ".tmp-", checked, written to disk, renamed: a
 * directory without that prefix is complete, and a marker in it says what it
 * holds.
 */

#ifndef SUPERVISOR_PLUGIN_ENVIRONMENT_H
#define SUPERVISOR_PLUGIN_ENVIRONMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "supervisor/plugin/text_list.h"
#include "supervisor/plugin/toolset.h"


#define ENVIRONMENT_LOCK       "mint-lock.txt"
#define ENVIRONMENT_MARKER     "mint-environment.json"
#define ENVIRONMENT_TEMPORARY  ".tmp-"


/* a module to import before the environment counts as good */
struct environment_import {
    const char  *module;
    uint32_t     uid;               /* who imports it; UINT32_MAX: we */
};


/* everything is copied */
struct environment_plan {
    const char                       *name;     /* "platform", a plugin */
    const char                       *lock;     /* path */
    const struct text_list           *find_links;
    const json_t                     *plugins;  /* kept in the marker */
    const struct environment_import  *imports;
    size_t                            import_count;
};


struct environment_build;

typedef void (*environment_progress_fn)(void *ctx, const char *text);

/* err->code 0: directory is the complete environment */
typedef void (*environment_done_fn)(void *ctx, const struct error *err,
    const char *directory);


/* on failure nothing is left; *out is NULL again when done is called */
int environment_build(struct environment_build **out,
    const struct toolset *tools, const struct environment_plan *plan,
    environment_progress_fn progress, environment_done_fn done, void *ctx,
    struct error *err);
void environment_cancel(struct environment_build **build);

/* the marker of a complete environment whose interpreter can be run; a new
   reference */
int environment_read(const char *directory, json_t **marker,
    struct error *err);

/* the newest complete <name>-<n> that holds exactly these plugins and the
   core's versions, NULL if there is none; mem_alloc */
char *environment_find(const struct toolset *tools, const char *name,
    const json_t *plugins, const char *core_lock);

/* every package of the core is in the lock, in the same version */
bool environment_lock_has(const char *path, const char *core_lock);

/* removes an environment that nothing uses, in the background */
void environment_discard(const struct toolset *tools, const char *directory);

/* the paths of all complete environments */
void environment_list_all(const char *parent, struct text_list *out);

/* what an interrupted installation has left; in the background */
void environment_remove_leftovers(const struct toolset *tools);

/* <parent>/<name>-<n> with the highest number, 0 if there is none */
unsigned environment_highest(const char *parent, const char *name);

#endif /* SUPERVISOR_PLUGIN_ENVIRONMENT_H */
