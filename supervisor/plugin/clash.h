/* SPDX-License-Identifier: MIT */
/*
 * Does a newcomer fit what is installed in the shared environment?  The quick
 * answer, without the resolver: what is installed is walked from those who
 * ask for it, with extras and markers.  Pure: nothing is read, nothing run.
 *
 * FITS:    all that is asked for, by everybody, is met by what is installed;
 *          so at least one resolution exists.
 * CLASHES: two requirements that nobody can take back exclude each other.
 * UNKNOWN: anything else, as packages that nobody has looked into yet, or
 *          that might move.
 */

#ifndef SUPERVISOR_PLUGIN_CLASH_H
#define SUPERVISOR_PLUGIN_CLASH_H

#include <jansson.h>
#include <stdbool.h>

#include "supervisor/plugin/marker.h"
#include "supervisor/plugin/requirement.h"


/* what is read of requirements, in bytes: of each, and for one decision */
#define CLASH_REQUIREMENT_MAX  1024
#define CLASH_READ_MAX         (256 * 1024)


enum clash_verdict {
    CLASH_UNKNOWN = 0,
    CLASH_FITS = 1,
    CLASH_CLASHES = 2
};


/* who may move: core and plugins may not */
enum clash_role {
    CLASH_PACKAGE = 0,
    CLASH_CORE = 1,
    CLASH_PLUGIN = 2                /* asked for by the platform */
};


struct clash_package {
    const char          *name;
    const char          *title;             /* what people call it, or NULL */
    const char          *version;
    const char *const   *requires;          /* Requires-Dist */
    size_t               count;
    enum clash_role      role;
};


struct clash_input {
    const struct marker_environment  *environment;  /* without "extra" */
    const struct clash_package       *packages;
    size_t                            count;
    const char                       *platform;     /* "mint-sdk[server]==1" */

    const struct clash_package       *newcomer;     /* replaces its like */
    const char                       *requires_python;      /* "" if none */
    const char                       *doubt;        /* why not FITS, or NULL */
};


/* one who asks, and for what; texts of the input or of the result */
struct clash_step {
    const char  *by;
    const char  *version;
    const char  *requirement;       /* without its marker */
};


/* from the plugin (or "the platform") to the one that asks for the package */
struct clash_chain {
    struct clash_step  *steps;
    size_t              count;
};


struct clash {
    const char          *package;   /* normalised */
    const char          *installed;
    enum clash_role      role;
    bool                 is_newcomer;   /* the package is it */
    bool                 is_newcomers;  /* it is the one that needs */
    bool                 is_certain;
    struct clash_chain   needs;
    struct clash_chain   has;       /* the other side; may be empty */
};


struct clash_graph;

struct clash_result {
    enum clash_verdict   verdict;
    struct clash        *clashes;   /* those of the newcomer first */
    size_t               count;
    char                *doubt;     /* the first thing not known, or NULL */
    bool                 is_open;   /* UNKNOWN, and only because packages
                                       would have to come or to move */
    struct clash_graph  *graph;     /* holds the texts */
};


/* the input must outlive the result */
void clash_judge(const struct clash_input *input, struct clash_result *out);
void clash_clear(struct clash_result *result);

/* of an open one, by a search: FITS has no clashes any more */
void clash_settle(struct clash_result *result, enum clash_verdict verdict);

/* the one to tell people of: not between others; NULL if there is none */
const struct clash *clash_first(const struct clash_result *result);

/* "legacy-report 1.0 needs rich<13; the shared environment has rich 14.1.0,
   required (rich>=14) by peak-stats 2.0 through its dependency textual>=1" */
void clash_write(const struct clash *clash, struct strbuf *out);

/* {"verdict": "fits", "doubt": null, "clashes": [...]}; a new reference */
json_t *clash_encode(const struct clash_result *result);

const char *clash_verdict_name(enum clash_verdict verdict);

/* nobody sees the marker in another way, or with another outcome later; text:
   what it was read from */
bool clash_marker_is_plain(const struct marker *marker, const char *text);

#endif /* SUPERVISOR_PLUGIN_CLASH_H */
