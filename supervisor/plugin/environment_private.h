/* SPDX-License-Identifier: MIT */
/*
 * What environment.c (the steps of a build), environment_commands.c (what is
 * run in them), environment_place.c (the name it gets) and environment_store.c
 * share.
 */

#ifndef SUPERVISOR_PLUGIN_ENVIRONMENT_PRIVATE_H
#define SUPERVISOR_PLUGIN_ENVIRONMENT_PRIVATE_H

#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/environment_key.h"


#define ENVIRONMENT_LOCK_MAX  (16 * 1024 * 1024)


enum environment_place {
    ENVIRONMENT_ASIDE = 0,          /* being built */
    ENVIRONMENT_REUSED = 1,         /* one that was there is looked at */
    ENVIRONMENT_PLACED = 2          /* has its name */
};


struct environment_build {
    const struct toolset      *tools;
    struct command_run        *run;
    size_t                     step;
    size_t                     import;      /* the next of imports */
    enum environment_place     place;

    char                      *name;
    char                       key[ENVIRONMENT_KEY_LENGTH + 1];
    char                      *interpreter; /* what it says of itself */
    char                      *uv;
    char                      *directory;   /* when complete */
    char                      *next;        /* if that is found damaged */
    char                      *temporary;
    char                      *lock;
    bool                       anew;
    bool                       is_without_anew;     /* has been tried */
    enum uv_source             source;
    struct text_list           find_links;
    struct text_list           modules;
    uint32_t                  *uids;
    json_t                    *plugins;
    json_t                    *packages;
    json_t                    *disk;        /* or NULL */

    struct environment_build **slot;
    environment_judge_fn       judge;       /* or NULL */
    environment_progress_fn    progress;
    environment_done_fn        done;
    void                      *ctx;
};


/* what a step's command is, and what is done with its output */
struct environment_step {
    const char        *what;            /* "... failed" */
    const char        *progress;        /* or NULL */
    bool               always;          /* with one that was there, too */
    struct command  *(*command)(struct environment_build *build);
    int              (*after)(struct environment_build *build,
        const struct command_result *result, struct error *err);
};


/* where it lies now */
const char *environment_at(const struct environment_build *build);

/* environment_commands.c; a step without a command has only its second half,
   with result NULL */
struct command *environment_ask_python(struct environment_build *build);
struct command *environment_ask_uv(struct environment_build *build);
struct command *environment_venv(struct environment_build *build);
struct command *environment_sync(struct environment_build *build);
struct command *environment_compile(struct environment_build *build);
struct command *environment_inventory(struct environment_build *build);
struct command *environment_chmod(struct environment_build *build);
struct command *environment_import(struct environment_build *build);
struct command *environment_flush(struct environment_build *build);
struct command *environment_program(struct environment_build *build);
int environment_python_said(struct environment_build *build,
    const struct command_result *result, struct error *err);
int environment_uv_said(struct environment_build *build,
    const struct command_result *result, struct error *err);
int environment_compiled(struct environment_build *build,
    const struct command_result *result, struct error *err);
int environment_listed(struct environment_build *build,
    const struct command_result *result, struct error *err);
int environment_imported(struct environment_build *build,
    const struct command_result *result, struct error *err);

/* environment_compare.c: what differs from what its packages say is begun again
   with packages that are fetched anew */
struct command *environment_compare(struct environment_build *build);
int environment_compared(struct environment_build *build,
    const struct command_result *result, struct error *err);

/* environment.c: the next step is the first that makes anything */
void environment_from_venv(struct environment_build *build);

/* why a command of a step has failed */
int environment_describe(struct environment_build *build,
    const struct environment_step *step, const struct command_result *result,
    struct error *err);

/* environment_place.c: names for the lock, or ENVIRONMENT_REUSED; the name is
   taken */
int environment_choose(struct environment_build *build,
    const struct command_result *result, struct error *err);
int environment_put(struct environment_build *build,
    const struct command_result *result, struct error *err);

/* what was to be used again is damaged: another one is built, beside it */
void environment_take_next(struct environment_build *build);

/* what was begun aside is removed, and begun again in another place */
void environment_take_other(struct environment_build *build);

/* gives the name back if it was taken; what was built is removed */
void environment_take_away(struct environment_build *build);

/* environment_store.c: the same set, in any order */
bool environment_has_all(const json_t *list, const json_t *wanted);

#endif /* SUPERVISOR_PLUGIN_ENVIRONMENT_PRIVATE_H */
