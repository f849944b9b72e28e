/* SPDX-License-Identifier: MIT */
/*
 * What install.c (the line of requests), prepare.c (the platform environment)
 * and install_job.c (one bundle) share.
 */

#ifndef SUPERVISOR_PLUGIN_INSTALL_PRIVATE_H
#define SUPERVISOR_PLUGIN_INSTALL_PRIVATE_H

#include "supervisor/plugin/bundle.h"
#include "supervisor/plugin/decision.h"
#include "supervisor/plugin/install.h"
#include "supervisor/plugin/inventory.h"
#include "supervisor/plugin/toolset.h"
#include "supervisor/plugin/venv_links.h"
#include "supervisor/plugin/wheel.h"


struct install_request {
    struct install_request  *next;
    char                    *bundle;        /* NULL: prepare, or: */
    char                    *removed;       /* plugin to take out, or: */
    char                    *again;         /* one to decide again */
    bool                     force;
    install_progress_fn      progress;
    install_done_fn          done;
    install_planned_fn       planned;       /* instead of done: a dry run */
    json_t                  *plan;          /* what it has come to */
    bool                     is_abandoned;
    void                    *ctx;
};


struct install_job;
struct prepare;

/* a timer of no length: after what the loop has to do anyway */
extern const struct timeval  install_soon;


struct installer {
    struct event_base       *base;
    struct registry         *registry;
    struct toolset           tools;
    bool                   (*has_ended)(const struct plugin *plugin);
    bool                   (*is_quiet)(const struct plugin *plugin);

    char                    *platform;      /* environment, or NULL */
    struct inventory         inventory;     /* of it */
    char                    *core_lock;     /* path */

    struct venv_links       *links;
    struct event            *relink;

    struct install_request  *first;         /* the one under way */
    bool                     is_running;
    struct event            *kick;
    struct install_job      *job;
    struct prepare          *prepare;
};


void install_progress(struct installer *installer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* the request under way has ended; plugin and so on as for
   install_done_fn.  The caller's job is freed by itself before or after */
void install_finished(struct installer *installer, const struct error *err,
    struct plugin *plugin, const char *replaced, bool unchanged);

void install_set_platform(struct installer *installer,
    const char *environment);

/* install_collect.c: an event_callback_fn; the links are made what they are to
   be */
void install_link(evutil_socket_t fd, short events, void *ctx);

/* the shared plugins but the one named (NULL: all); free the array */
struct plugin **install_shared(struct installer *installer, const char *but,
    size_t *count);

/* the list that goes into an environment's marker; a new reference */
json_t *install_contents(struct plugin *const *plugins, size_t count,
    const char *distribution, const char *version, const char *wheel);

/* the lock of the environment that all of these run in, if they are in one
   and it has the present core; NULL otherwise; mem_alloc */
char *install_common_lock(struct installer *installer,
    struct plugin *const *shared, size_t count, struct text_list *find_links);

/* may this wheel be installed under its names?  *uid: of the plugin it is or
   will be */
int install_check_names(struct installer *installer,
    const struct wheel *wheel, uint32_t *uid, struct error *err);

/* may it be routed below the prefix?  It keeps the one it has unless it is
   stopped by hand and has ended */
int install_check_prefix(struct installer *installer,
    const struct wheel *wheel, const char *prefix, struct error *err);

/* the same version again: *is_same if it is the wheel that is installed, and
   its environment is whole; another wheel is MINT_ERR_CONFLICT */
int install_check_same(struct installer *installer,
    const struct bundle *bundle, const struct wheel *wheel,
    const struct plugin *old, bool *is_same, struct error *err);

/* is this platform what the bundle requires?  !*is_known: uv has to tell */
int install_check_mint(struct installer *installer, const char *specifier,
    const struct wheel *wheel, bool *is_known, struct error *err);
int install_refuse_mint(struct installer *installer, const char *specifier,
    const struct wheel *wheel, struct error *err);

/* fills *plugin for the registry out of what installing has found out */
void install_fill(struct plugin *plugin, const struct wheel *wheel,
    const struct decision *decision, const char *wheel_path,
    const char *environment, json_t *report);

/* takes a plugin out of the registry; MINT_ERR_BUSY: not now */
int install_remove(struct installer *installer, const char *name,
    struct error *err);

int install_job_start(struct installer *installer, struct error *err);
void install_job_cancel(struct install_job **job);

int prepare_start(struct installer *installer, struct error *err);
void prepare_cancel(struct prepare **prepare);

#endif /* SUPERVISOR_PLUGIN_INSTALL_PRIVATE_H */
