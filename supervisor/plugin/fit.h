/* SPDX-License-Identifier: MIT */
/*
 * The quick verdict on a wheel: clash_judge() with the shared environment, its
 * plugins and the platform's core as its input, then fit_search() with what uv
 * has kept of other releases; and single requirements judged in the same way.
 */

#ifndef SUPERVISOR_PLUGIN_FIT_H
#define SUPERVISOR_PLUGIN_FIT_H

#include "supervisor/plugin/clash.h"
#include "supervisor/plugin/inventory.h"
#include "supervisor/plugin/requirement.h"
#include "supervisor/plugin/wheel.h"


/* what the verdict is based on */
enum fit_basis {
    FIT_INSTALLED = 0,              /* what is installed says enough */
    FIT_CACHED = 1,                 /* with releases from uv's cache */
    FIT_RESOLVED = 2                /* only with those that the resolver has
                                       read for its own answer */
};


/* must outlive the fit */
struct fit_input {
    const struct wheel              *wheel;
    const char                      *wheel_path;    /* where it is kept */
    const char                      *sdk_version;
    const char                      *uv_cache;      /* directory, or NULL */
    const struct inventory          *inventory;     /* of the environment */
    const struct requirement_scene  *scene;
};


struct fit {
    char                   *platform;       /* requirement */
    struct clash_package    newcomer;
    struct clash_package   *packages;
    struct strbuf           doubt;
    struct clash_input      input;
    struct clash_result     result;
    enum fit_basis          basis;
    const char             *uv_cache;
};


/* zero-initialise */
void fit_judge(struct fit *out, const struct fit_input *in);
void fit_clear(struct fit *fit);

/* the resolver has answered, and so has read what it wanted to know: if the
   verdict is open, it is looked for again */
void fit_look_again(struct fit *fit);

const char *fit_basis_name(enum fit_basis basis);

/* a wheel's requirements, count of them, each to be cleared.  Of what is too
   long, or too much, only the name is read: it stays OPEN below */
struct requirement *fit_read(char *const *texts, size_t count);

/*
 * Sets the verdict of a requirement that is met, or not met, beyond doubt, by
 * the installed version (NULL: none); leaves it OPEN otherwise.
 */
void fit_requirement(struct requirement *requirement,
    const struct marker_environment *interpreter, const char *installed);

#endif /* SUPERVISOR_PLUGIN_FIT_H */
