/* SPDX-License-Identifier: MIT */
/*
 * The search (solve.c), what follows from the releases that it has taken so far
 * (solve_state.c), and how it follows (solve_follow.c).
 *
 * A level is one release that was taken; level 0 are the roots.  Whatever
 * follows from it (edges, extras, releases that are out) is undone with it.  A
 * reason is the set of levels without which something would not be so.
 */

#ifndef SUPERVISOR_PLUGIN_SOLVE_PRIVATE_H
#define SUPERVISOR_PLUGIN_SOLVE_PRIVATE_H

#include <stdint.h>

#include "supervisor/plugin/clash_private.h"
#include "supervisor/plugin/requirement.h"
#include "supervisor/plugin/solve.h"


#define SOLVE_LEVELS_MAX  1024
#define SOLVE_WORDS       (SOLVE_LEVELS_MAX / 64)


struct solve_reason {
    uint64_t  words[SOLVE_WORDS];
};


/* how a release that was taken has failed */
enum solve_failure {
    SOLVE_GOOD = 0,
    SOLVE_UNSURE = 1,               /* as far as is known */
    SOLVE_CERTAIN = 2
};


/* somebody asks for a package */
struct solve_edge {
    size_t                      package;
    size_t                      previous;       /* of that package */
    const struct requirement   *requirement;
    struct solve_reason         reason;
};


/* somebody asks for an extra of a package */
struct solve_extra {
    size_t               package;
    size_t               previous;              /* of that package */
    char                *name;                  /* normalised */
    struct solve_reason  reason;
};


struct solve_candidate {
    struct version       version;
    size_t               blocked;               /* edge; SOLVE_NONE: free */
    bool                 has_failed;            /* at this level of it */
    struct requirement  *requirements;          /* NULL: not parsed yet */
};


struct solve_variable {
    struct solve_candidate  *candidates;
    size_t                   left;              /* neither blocked nor failed */
    size_t                   edge;              /* the last one, SOLVE_NONE */
    size_t                   extra;             /* the last one, SOLVE_NONE */
    size_t                   level;             /* SOLVE_NONE: not taken */
    size_t                   taken;             /* candidate */
};


struct solve_level {
    size_t               package;
    size_t               edge_count;            /* when it began */
    size_t               extra_count;
    struct solve_reason  conflict;              /* of candidates that failed */
};


struct solve_state {
    const struct solve_input   *input;
    struct solve_result        *result;
    struct marker_environment   environment;
    struct requirement         *roots;
    struct solve_variable      *variables;

    struct solve_edge          *edges;
    size_t                      edge_count;
    size_t                      edge_room;
    struct solve_extra         *extras;
    size_t                      extra_count;
    size_t                      extra_room;

    struct solve_level          levels[SOLVE_LEVELS_MAX];
    size_t                      level;          /* the last one */

    enum solve_failure          failure;
    struct solve_reason         conflict;       /* what cannot be together */
    bool                        is_over;        /* a doubt: nothing is sure */
    size_t                      unread;         /* bytes still read */
    size_t                      uncompared;     /* releases with specifiers */
};


void solve_state_init(struct solve_state *state,
    const struct solve_input *input, struct solve_result *result);
void solve_state_clear(struct solve_state *state);

/* false: it is over, or state->conflict has the levels that exclude each
   other */
bool solve_state_begin(struct solve_state *state);
bool solve_state_take(struct solve_state *state, size_t package,
    size_t candidate);

/* undoes the last level */
void solve_state_back(struct solve_state *state);

/* why the package is needed, and why none of its releases is left */
void solve_state_exhausted(struct solve_state *state, size_t package,
    struct solve_reason *reason);

/* all that a release that is taken asks for, with the extra or (NULL) in any
   case; and the same of the roots */
void solve_follow(struct solve_state *state, size_t package,
    const char *extra, const struct solve_reason *reason);
void solve_follow_all(struct solve_state *state,
    struct requirement *requirements, const char *const *texts, size_t count,
    const char *extra, const struct solve_reason *reason);

/* not over, and nothing has failed for certain */
bool solve_goes_on(const struct solve_state *state);
void solve_fail(struct solve_state *state, enum solve_failure failure,
    const struct solve_reason *conflict);

void solve_want(struct solve_state *state, const char *name,
    const char *version);

/* there may be more to choose from than is known; the first one is kept */
void solve_doubt(struct solve_state *state, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* nothing is to be believed any more; the first one is kept */
void solve_state_stop(struct solve_state *state, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void solve_reason_add(struct solve_reason *reason,
    const struct solve_reason *other);
void solve_reason_put(struct solve_reason *reason, size_t level);
void solve_reason_drop(struct solve_reason *reason, size_t level);

/* the highest level in it, 0 if there is none above */
size_t solve_reason_last(const struct solve_reason *reason);

#endif /* SUPERVISOR_PLUGIN_SOLVE_PRIVATE_H */
