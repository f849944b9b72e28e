/* SPDX-License-Identifier: MIT */
/*
 * Can all requirements be met at the same time?  A search over the releases
 * of packages that are known, as far as what these require is known.  Pure:
 * nothing is read, nothing run, and it ends after so many steps.
 *
 * FITS:    a set of releases meets everything that is asked for.
 * CLASHES: there is none, whatever else may be known.
 * UNKNOWN: neither; wants tells what would have to be known, or doubt why that
 *          would not help.
 */

#ifndef SUPERVISOR_PLUGIN_SOLVE_H
#define SUPERVISOR_PLUGIN_SOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "supervisor/plugin/clash.h"
#include "supervisor/plugin/marker.h"


#define SOLVE_WANTS_MAX  64
#define SOLVE_NONE       ((size_t) -1)


struct solve_release {
    const char          *version;       /* PEP 440 */
    bool                 is_read;       /* the rest is known */
    const char *const   *requires;      /* Requires-Dist */
    size_t               count;
};


/* a package that cannot move has one release and is complete */
struct solve_package {
    const char                  *name;          /* PEP 503, normalised */
    const struct solve_release  *releases;      /* the better ones first */
    size_t                       count;
    bool                         is_complete;   /* there are no others */
};


struct solve_input {
    const struct marker_environment  *environment;      /* without "extra" */
    const struct solve_package       *packages;         /* sorted by name */
    size_t                            count;
    const char *const                *roots;            /* requirements */
    size_t                            root_count;
};


/* the requirements of this release, or (version NULL) which ones there are */
struct solve_want {
    char        *name;              /* normalised */
    const char  *version;           /* of the input */
};


struct solve_result {
    enum clash_verdict   verdict;
    size_t              *chosen;    /* FITS: for each package of the input its
                                       release, SOLVE_NONE: not needed */
    struct solve_want    wants[SOLVE_WANTS_MAX];
    size_t               want_count;
    char                *doubt;     /* NULL: none */
    size_t               steps;     /* releases that were tried */
};


/* texts of the input must outlive the result */
void solve(const struct solve_input *input, struct solve_result *out);
void solve_clear(struct solve_result *result);

#endif /* SUPERVISOR_PLUGIN_SOLVE_H */
