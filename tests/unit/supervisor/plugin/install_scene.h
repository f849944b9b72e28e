/* SPDX-License-Identifier: MIT */
/*
 * An installer with a runner that runs nothing, and the bundle "x" that is
 * installed by it; globals, made anew for each test.
 */

#ifndef TESTS_UNIT_SUPERVISOR_PLUGIN_INSTALL_SCENE_H
#define TESTS_UNIT_SUPERVISOR_PLUGIN_INSTALL_SCENE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_runner.h"
#include "fixture.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "supervisor/plugin/environment.h"
#include "world.h"


#define CORE  "mint-sdk==1.2.10 \\\n    --hash=sha256:00\n    # via -r x\n" \
              "fastapi==0.165.0 \\\n    --hash=sha256:01\n" \
              "    # via mint-sdk\n"
#define SHARED(version)  CORE "tabulate==0.9.0 \\\n    --hash=sha256:02\n" \
    "    # via mint-plugin-x\nmint-plugin-x @ file:///b/mint_plugin_x-" \
    version "-py3-none-any.whl \\\n    --hash=sha256:" version "\n" \
    "    # via -r shared.in\n"
#define NO_SOLUTION  "error: No solution found when resolving dependencies\n" \
                     "  cause: Because a needs b, that is impossible.\n" \
                     "         And so on.\n\nhint: try this\n"


extern struct world             world;
extern struct fake              fake;
extern char                    *bundle;     /* x 0.1.0 */
extern char                    *platform;   /* the environment at first */

/* what make() writes into a wheel, and into a bundle's requires_mint */
extern const char *const        requires[];
extern const char *const       *needs;
extern const char              *wants;


/* a bundle of plugin name; to be freed */
char *make(const char *name, const char *version);

/* the bundle "x" again, with other requirements */
void make_needing(const char *const *other);

void forget_calls(void);

/* "level: part of a line" of the log */
void check_logged(const char *line);

/* both verdicts that are kept with the plugin installed last */
void check_verdict(const char *engine, const char *doubt,
    const char *resolver);

/* a failed installation has left nothing */
void is_unchanged(void);

/* a test case with the scene set up around each test */
TCase *install_case(const char *name);

/* runs a suite of it: main()'s result */
int install_run(const char *name, TCase *tcase);

#endif /* TESTS_UNIT_SUPERVISOR_PLUGIN_INSTALL_SCENE_H */
