/* SPDX-License-Identifier: MIT */
/*
 * Installing: the platform environment at start, then bundles one at a time:
 * read, decide, build, probe, register.  Long work; progress by callback.
 * Plugins leave the registry in the same line.
 */

#ifndef SUPERVISOR_PLUGIN_INSTALL_H
#define SUPERVISOR_PLUGIN_INSTALL_H

#include <event2/event.h>
#include <stdbool.h>

#include "lib/config.h"
#include "lib/error.h"
#include "registry.h"
#include "runner.h"


struct installer;

typedef void (*install_progress_fn)(void *ctx, const char *text);

/* err->code 0: success, *plugin is registered (NULL after a preparation);
   replaced = old version or NULL; unchanged: it was there already */
typedef void (*install_done_fn)(void *ctx, const struct error *err,
    struct plugin *plugin, const char *replaced, bool unchanged);

/* err->code 0: plan is the PLAN of mint_admin.h, borrowed */
typedef void (*install_planned_fn)(void *ctx, const struct error *err,
    json_t *plan);


/* config, registry and runner must outlive the installer */
int installer_open(struct installer **out, struct event_base *base,
    const struct config *config, struct registry *registry,
    const struct runner *runner, struct error *err);

/* whether nothing of a plugin runs that was stopped by hand, and whether none
   of it is under way either, is for others to know; until there is somebody to
   ask, nothing does and none is */
void installer_watch(struct installer *installer,
    bool (*has_ended)(const struct plugin *plugin),
    bool (*is_quiet)(const struct plugin *plugin));

/* cancels what is under way; half-built environments are removed */
void installer_free(struct installer **installer);

/*
 * Makes sure that the platform environment (the locked closure of
 * mint-sdk[server]==<version> plus what shared plugins need) is there; builds
 * it at the first start.  Idempotent; nothing is done when it is complete.
 */
void installer_prepare(struct installer *installer,
    install_progress_fn progress, install_done_fn done, void *ctx);

/*
 * Installs a bundle (.mint or .whl, absolute path).  Requests wait in line:
 * one at a time.  Another version of an installed plugin replaces it; the
 * same wheel again is success without work, another one of the same version a
 * conflict, unless force.  force also skips the conflict check between
 * bundles' requires_mint and the platform, nothing else.  On failure nothing
 * has changed.
 */
void installer_install(struct installer *installer, const char *bundle,
    bool force, install_progress_fn progress, install_done_fn done, void *ctx);

/*
 * What installer_install() would do with the bundle: in the same line, with
 * the same checks and errors.  Nothing is installed, and no code of the plugin
 * is run.
 */
void installer_plan(struct installer *installer, const char *bundle,
    bool force, install_progress_fn progress, install_planned_fn done,
    void *ctx);

/*
 * What deciding again on an installed plugin would do, as if its wheel came
 * today: with the lists of the configuration, the other plugins and the
 * releases there are now.  Else as installer_plan().
 */
void installer_plan_again(struct installer *installer, const char *name,
    install_progress_fn progress, install_planned_fn done, void *ctx);

/* nobody wants the plan of this ctx any more: it ends soon, with an error */
void installer_plan_abandon(struct installer *installer, void *ctx);

/*
 * Decides again on an installed plugin, from its kept wheel, if the lists of
 * the configuration say something else than what it was decided by when its
 * turn comes (else: unchanged).  On failure it stays as it is.
 */
void installer_decide_again(struct installer *installer, const char *name,
    install_progress_fn progress, install_done_fn done, void *ctx);

/*
 * Takes a plugin that is to be uninstalled (registry_set_removal()) and has
 * ended out of the registry, in line with installations.  The shared
 * environment stays as it is until the next change; what nobody needs any more
 * goes with installer_collect(), data and the like with the caller.
 * MINT_ERR_BUSY: something of it is under way again when its turn comes; to be
 * asked for once more when that is over.
 */
void installer_remove(struct installer *installer, const char *name,
    install_done_fn done, void *ctx);

bool installer_is_busy(const struct installer *installer);

/* directory of the current platform environment, NULL before it is built */
const char *installer_platform_environment(const struct installer *installer);

/* removes environments that no plugin and no running process uses (in_use is
   asked for each directory) and has not used for an hour, and wheels of
   versions no longer installed.  Does nothing while something is under way */
void installer_collect(struct installer *installer,
    bool (*in_use)(void *ctx, const char *directory), void *ctx);

#endif /* SUPERVISOR_PLUGIN_INSTALL_H */
