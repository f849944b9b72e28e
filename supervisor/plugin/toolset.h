/* SPDX-License-Identifier: MIT */
/*
 * What every part of an installation works with.  Owned by the installer.
 */

#ifndef SUPERVISOR_PLUGIN_TOOLSET_H
#define SUPERVISOR_PLUGIN_TOOLSET_H

#include "lib/config.h"
#include "supervisor/plugin/cleanup.h"
#include "supervisor/plugin/runner.h"
#include "supervisor/plugin/uv.h"


struct toolset {
    const struct config  *config;
    const struct runner  *runner;
    struct uv            *uv;
    struct cleanup       *cleanup;

    char                 *environments;     /* directories */
    char                 *bundles;
    char                 *locks;
    char                 *empty;            /* readable, empty: HOME, cwd */
};

#endif /* SUPERVISOR_PLUGIN_TOOLSET_H */
