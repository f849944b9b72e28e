/* SPDX-License-Identifier: MIT */
/*
 * Environments on disk: <data>/environments/<name>-<key>, the key of what
 * decides its contents (environment_key.h), and -<number> if it is not the
 * first.  Built aside under a name that
 * begins with ".tmp-", checked, written to disk, renamed: a directory without
 * that prefix is complete, and a marker in it says what it holds.  Those of
 * earlier versions are called <name>-<number>.
 */

#ifndef SUPERVISOR_PLUGIN_ENVIRONMENT_H
#define SUPERVISOR_PLUGIN_ENVIRONMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "supervisor/plugin/inventory.h"
#include "supervisor/plugin/text_list.h"
#include "supervisor/plugin/toolset.h"


#define ENVIRONMENT_LOCK       "mint-lock.txt"
#define ENVIRONMENT_MARKER     "mint-environment.json"
#define ENVIRONMENT_UNUSED     "mint-unused"
#define ENVIRONMENT_TEMPORARY  ".tmp-"


/* a module to import before the environment counts as good */
struct environment_import {
    const char  *module;
    uint32_t     uid;               /* who imports it; UINT32_MAX: we */
};


/* may an environment with these packages be used?  Asked before any of their
   code is run; an error ends the build */
typedef int (*environment_judge_fn)(void *ctx,
    const struct inventory *inventory, struct error *err);

/* everything is copied */
struct environment_plan {
    const char                       *name;     /* "platform", a plugin */
    const char                       *lock;     /* path */
    const struct text_list           *find_links;
    const json_t                     *plugins;  /* kept in the marker */
    const struct environment_import  *imports;
    size_t                            import_count;
    bool                              anew;     /* even if it is there */
    environment_judge_fn              judge;    /* or NULL */
};


struct environment_build;

typedef void (*environment_progress_fn)(void *ctx, const char *text);

struct environment_made {
    const char  *directory;
    bool         is_new;            /* nobody can be using it yet */
};

/* made is NULL exactly if err->code is not 0 */
typedef void (*environment_done_fn)(void *ctx, const struct error *err,
    const struct environment_made *made);


/*
 * One with the same key that is there, whole and importable, is used as it is;
 * if it is damaged, another is built beside it.  On failure everything is as it
 * was; *out is NULL again when done is called.
 */
int environment_build(struct environment_build **out,
    const struct toolset *tools, const struct environment_plan *plan,
    environment_progress_fn progress, environment_done_fn done, void *ctx,
    struct error *err);
void environment_cancel(struct environment_build **build);

/* the marker of a complete environment whose interpreter can be run; a new
   reference */
int environment_read(const char *directory, json_t **marker,
    struct error *err);

/* the complete environment of this name that holds these plugins and the
   core's versions: prefer (may be NULL), which may hold others that were
   uninstalled, else the newest with just these; NULL if there is none;
   mem_alloc */
char *environment_find(const struct toolset *tools, const char *name,
    const char *core_lock, const json_t *plugins, const char *prefer);

/* keeps a copy of its lock outside of it, to build it again if it is lost: done
   with each new one.  For one that was there: once what it is to be used for is
   registered, since the copy may name a wheel that was not kept before */
int environment_keep_lock(const struct toolset *tools, const char *directory,
    const char *lock, struct error *err);

/* every package of the core is in the lock, in the same version */
bool environment_lock_has(const char *path, const char *core_lock);

/* removes an environment that nothing uses, in the background */
void environment_discard(const struct toolset *tools, const char *directory);

/* for how long it has been known that nobody uses it: noted in it by the first
   question, and by environment_set_used() that this is over */
uint64_t environment_unused_sec(const char *directory);
void environment_set_used(const char *directory);

/* the paths of all complete environments */
void environment_list_all(const char *parent, struct text_list *out);

/* what an interrupted installation has left; in the background */
void environment_remove_leftovers(const struct toolset *tools);

#endif /* SUPERVISOR_PLUGIN_ENVIRONMENT_H */
