/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files that hold the handlers: operations.c (status, plugins),
 * observe_operations.c (logs, facts), change_operations.c (restart, install,
 * stop), plan_operations.c (what an installation would do),
 * uninstall_operations.c, reload_operations.c, move_operations.c (what would be
 * lost, history) and identity_operations.c (what only the platform may ask).
 */

#ifndef SUPERVISOR_ADMIN_OPERATIONS_PRIVATE_H
#define SUPERVISOR_ADMIN_OPERATIONS_PRIVATE_H

#include "operations.h"


struct waiter;                      /* change_operations.c */
struct uninstall;                   /* uninstall_operations.c */


struct operations {
    struct operations_parts   parts;
    char                      boot_id[33];
    uint64_t                  started_unix_ms;
    char                     *step;
    char                     *environment_state;
    char                     *environment_error;
    bool                      is_stopping;
    struct waiter            *waiters;
    struct uninstall         *uninstalls;
    json_t                   *roles;    /* slug -> ROLE, for plugin_access */
};


/* the argument as text, or NULL after having failed the call */
const char *operations_text(struct admin_call *call, json_t *arguments,
    const char *name);

/* the plugin named by "plugin", or NULL after having failed the call */
struct plugin *operations_plugin(struct operations *operations,
    struct admin_call *call, json_t *arguments);

/* there is no such plugin */
void operations_fail_unknown(struct admin_call *call, const char *name);

json_t *operations_plugin_json(struct operations *operations,
    struct plugin *plugin);

/* true after having failed the call: the system is stopping, and nothing is to
   be started any more */
bool operations_refuses(const struct operations *operations,
    struct admin_call *call);

/* the absolute path in "bundle", or NULL after having failed the call */
const char *operations_bundle(struct admin_call *call, json_t *arguments);

/* change_operations.c */
void operation_restart(void *ctx, struct admin_call *call, json_t *arguments);
void operation_start(void *ctx, struct admin_call *call, json_t *arguments);
void operation_halt(void *ctx, struct admin_call *call, json_t *arguments);
void operation_restart_all(void *ctx, struct admin_call *call,
    json_t *arguments);
void operation_install(void *ctx, struct admin_call *call, json_t *arguments);
void operation_upgrade(void *ctx, struct admin_call *call,
    json_t *arguments);
void operation_stop(void *ctx, struct admin_call *call, json_t *arguments);
void operations_waiters_on_change(void *ctx, struct plugin *plugin);
void operations_waiters_free(struct operations *operations);

/* reload_operations.c; one that was installed, or decided, while a list has
   changed is decided once more */
void operations_follow_lists(struct operations *operations,
    const struct plugin *plugin);
void operation_reload(void *ctx, struct admin_call *call, json_t *arguments);

/* plan_operations.c */
void operation_plan(void *ctx, struct admin_call *call, json_t *arguments);

/* uninstall_operations.c */
void operation_uninstall(void *ctx, struct admin_call *call,
    json_t *arguments);

/* by the name of a plugin, also of one that was uninstalled, before that of a
   package: what is ordered once more is never another one.  *departed: that
   one, or NULL */
struct plugin *operations_named(struct operations *operations,
    const char *name, const struct departed **departed);
void operations_watch_removals(struct operations *operations);
void operations_uninstalls_on_change(struct operations *operations,
    struct plugin *plugin);
void operations_uninstalls_free(struct operations *operations);

/* move_operations.c */
void operation_activity(void *ctx, struct admin_call *call,
    json_t *arguments);
void operation_history(void *ctx, struct admin_call *call, json_t *arguments);

/* observe_operations.c */
void operation_facts(void *ctx, struct admin_call *call, json_t *arguments);
void operation_logs(void *ctx, struct admin_call *call, json_t *arguments);

/* identity_operations.c */
void operation_identity_full(void *ctx, struct admin_call *call,
    json_t *arguments);
void operation_identity_change(void *ctx, struct admin_call *call,
    json_t *arguments);
void operation_directory(void *ctx, struct admin_call *call,
    json_t *arguments);
void operations_roles_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin);

#endif /* SUPERVISOR_ADMIN_OPERATIONS_PRIVATE_H */
