/* SPDX-License-Identifier: MIT */
/*
 * What follows from the releases that have been taken: who asks for which
 * package and which extra, which releases that leaves, and why.
 */

#include "supervisor/plugin/solve_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"


#define SOLVE_READ_MAX      (1024 * 1024)
#define SOLVE_COMPARED_MAX  500000


static void solve_variable_init(struct solve_state *state, size_t package);
static void solve_follow_extras(struct solve_state *state, size_t first);
static void solve_forget_wants(struct solve_state *state, size_t first);


/* ---- reasons ---------------------------------------------------------- */

void
solve_reason_add(struct solve_reason *reason,
    const struct solve_reason *other)
{
    size_t  i;

    for (i = 0; i < SOLVE_WORDS; i++) {
        reason->words[i] |= other->words[i];
    }
}


void
solve_reason_put(struct solve_reason *reason, size_t level)
{
    reason->words[level / 64] |= (uint64_t) 1 << (level % 64);
}


void
solve_reason_drop(struct solve_reason *reason, size_t level)
{
    reason->words[level / 64] &= ~((uint64_t) 1 << (level % 64));
}


size_t
solve_reason_last(const struct solve_reason *reason)
{
    size_t  i;

    for (i = SOLVE_WORDS; i-- > 0; ) {
        if (reason->words[i] != 0) {
            return i * 64 + 63 - (size_t) __builtin_clzll(reason->words[i]);
        }
    }

    return 0;
}


/* ---- beginning and end ------------------------------------------------ */

void
solve_state_init(struct solve_state *state, const struct solve_input *input,
    struct solve_result *result)
{
    size_t                         i;
    const struct marker_variable  *variable;

    state->input = input;
    state->result = result;
    state->unread = SOLVE_READ_MAX;
    state->uncompared = SOLVE_COMPARED_MAX;
    state->roots = mem_alloc((input->root_count + 1)
                             * sizeof(struct requirement));
    state->variables = mem_alloc((input->count + 1)
                                 * sizeof(struct solve_variable));

    for (i = 0; i < input->environment->count; i++) {
        variable = &input->environment->variables[i];

        if (!variable->is_set) {
            marker_environment_set(&state->environment, variable->name,
                                   variable->values.item[0]);
        }
    }

    for (i = 0; i < input->count; i++) {
        solve_variable_init(state, i);
    }
}


static void
solve_variable_init(struct solve_state *state, size_t package)
{
    size_t                        i;
    struct solve_variable        *variable;
    struct solve_candidate       *candidate;
    const struct solve_package   *known;

    known = &state->input->packages[package];
    variable = &state->variables[package];
    variable->candidates = mem_alloc((known->count + 1)
                                     * sizeof(struct solve_candidate));
    variable->edge = SOLVE_NONE;
    variable->extra = SOLVE_NONE;
    variable->level = SOLVE_NONE;
    variable->left = known->count;

    for (i = 0; i < known->count; i++) {
        candidate = &variable->candidates[i];
        candidate->blocked = SOLVE_NONE;

        if (version_parse(&candidate->version, known->releases[i].version,
                          strlen(known->releases[i].version), NULL) != 0)
        {
            solve_state_stop(state, "\"%.100s\" is no version",
                             known->releases[i].version);
        }
    }
}


static void
solve_variable_clear(struct solve_variable *variable,
    const struct solve_package *known)
{
    size_t                   i, k;
    struct solve_candidate  *candidate;

    for (i = 0; i < known->count; i++) {
        candidate = &variable->candidates[i];

        for (k = 0; candidate->requirements != NULL
                    && k < known->releases[i].count; k++)
        {
            requirement_clear(&candidate->requirements[k]);
        }

        free(candidate->requirements);
        version_clear(&candidate->version);
    }

    free(variable->candidates);
}


void
solve_state_clear(struct solve_state *state)
{
    size_t  i;

    for (i = 0; i < state->input->count; i++) {
        solve_variable_clear(&state->variables[i], &state->input->packages[i]);
    }

    for (i = 0; i < state->input->root_count; i++) {
        requirement_clear(&state->roots[i]);
    }

    for (i = 0; i < state->extra_count; i++) {
        free(state->extras[i].name);
    }

    marker_environment_clear(&state->environment);
    free(state->variables);
    free(state->roots);
    free(state->edges);
    free(state->extras);
}


/* ---- one level -------------------------------------------------------- */

bool
solve_state_begin(struct solve_state *state)
{
    struct solve_reason  none;

    memset(&none, 0, sizeof(none));
    solve_follow_all(state, state->roots, state->input->roots,
                     state->input->root_count, NULL, &none);

    if (state->failure == SOLVE_CERTAIN) {
        solve_forget_wants(state, 0);
    }

    return !state->is_over && state->failure == SOLVE_GOOD;
}


bool
solve_state_take(struct solve_state *state, size_t package, size_t candidate)
{
    size_t                        i, first, wants;
    struct solve_reason           reason, both;
    struct solve_variable        *variable;
    const struct solve_package   *known;

    known = &state->input->packages[package];
    variable = &state->variables[package];
    variable->level = state->level;
    variable->taken = candidate;
    first = state->extra_count;
    wants = state->result->want_count;
    state->failure = SOLVE_GOOD;

    memset(&reason, 0, sizeof(reason));
    solve_reason_put(&reason, state->level);

    if (!known->releases[candidate].is_read) {
        solve_want(state, known->name, known->releases[candidate].version);
        solve_fail(state, SOLVE_UNSURE, &reason);
        return false;
    }

    solve_follow(state, package, NULL, &reason);

    for (i = variable->extra; i != SOLVE_NONE; i = state->extras[i].previous) {
        if (i < first) {                /* the others come below */
            both = reason;
            solve_reason_add(&both, &state->extras[i].reason);
            solve_follow(state, package, state->extras[i].name, &both);
        }
    }

    solve_follow_extras(state, first);

    /* what else would have to be known makes no difference then */

    if (state->failure == SOLVE_CERTAIN) {
        solve_forget_wants(state, wants);
    }

    return !state->is_over && state->failure == SOLVE_GOOD;
}


/* extras of releases that are taken already, and what comes with these */

static void
solve_follow_extras(struct solve_state *state, size_t first)
{
    size_t                        i;
    struct solve_reason           reason;
    const struct solve_extra     *extra;
    const struct solve_variable  *variable;

    for (i = first; i < state->extra_count && solve_goes_on(state); i++) {
        extra = &state->extras[i];
        variable = &state->variables[extra->package];

        if (variable->level != SOLVE_NONE) {
            reason = extra->reason;
            solve_reason_put(&reason, variable->level);
            solve_follow(state, extra->package, extra->name, &reason);
        }
    }
}


void
solve_state_back(struct solve_state *state)
{
    size_t                   i, k;
    struct solve_edge       *edge;
    struct solve_extra      *extra;
    struct solve_level      *level;
    struct solve_variable   *variable;
    struct solve_candidate  *candidate;

    level = &state->levels[state->level];

    for (i = state->edge_count; i-- > level->edge_count; ) {
        edge = &state->edges[i];
        variable = &state->variables[edge->package];
        variable->edge = edge->previous;

        for (k = 0; k < state->input->packages[edge->package].count; k++) {
            candidate = &variable->candidates[k];

            if (candidate->blocked == i) {
                candidate->blocked = SOLVE_NONE;
                variable->left += !candidate->has_failed;
            }
        }
    }

    for (i = state->extra_count; i-- > level->extra_count; ) {
        extra = &state->extras[i];
        state->variables[extra->package].extra = extra->previous;
        free(extra->name);
    }

    state->edge_count = level->edge_count;
    state->extra_count = level->extra_count;
    state->variables[level->package].level = SOLVE_NONE;
}


void
solve_state_exhausted(struct solve_state *state, size_t package,
    struct solve_reason *reason)
{
    size_t                         i, blocked;
    const struct solve_package    *known;
    const struct solve_variable   *variable;

    known = &state->input->packages[package];
    variable = &state->variables[package];

    for (i = variable->edge; state->edges[i].previous != SOLVE_NONE;
         i = state->edges[i].previous)
    {
        /* to whoever asked for it first */
    }

    solve_reason_add(reason, &state->edges[i].reason);

    for (i = 0; i < known->count; i++) {
        blocked = variable->candidates[i].blocked;

        if (blocked != SOLVE_NONE) {
            solve_reason_add(reason, &state->edges[blocked].reason);
        }
    }

    if (!known->is_complete) {
        solve_want(state, known->name, NULL);
    }
}


/* ---- what is not known ------------------------------------------------ */

bool
solve_goes_on(const struct solve_state *state)
{
    return !state->is_over && state->failure != SOLVE_CERTAIN;
}


void
solve_fail(struct solve_state *state, enum solve_failure failure,
    const struct solve_reason *conflict)
{
    if (failure > state->failure) {
        state->failure = failure;
        state->conflict = *conflict;
    }
}


/* there may be more to choose from than is known; the first one is kept */

void
solve_doubt(struct solve_state *state, const char *format, ...)
{
    va_list  args;

    if (state->result->doubt == NULL) {
        va_start(args, format);
        state->result->doubt = clash_doubt_text(format, args);
        va_end(args);
    }
}


void
solve_state_stop(struct solve_state *state, const char *format, ...)
{
    va_list  args;

    state->is_over = true;

    if (state->result->doubt == NULL) {
        va_start(args, format);
        state->result->doubt = clash_doubt_text(format, args);
        va_end(args);
    }
}


/* of each package what is wanted first: the rest may turn out not to matter */

void
solve_want(struct solve_state *state, const char *name, const char *version)
{
    size_t                i;
    struct solve_result  *result;

    result = state->result;

    for (i = 0; i < result->want_count; i++) {
        if (strcmp(result->wants[i].name, name) == 0) {
            return;
        }
    }

    if (result->want_count < SOLVE_WANTS_MAX) {
        result->wants[result->want_count].name = mem_strdup(name);
        result->wants[result->want_count++].version = version;
    }
}


static void
solve_forget_wants(struct solve_state *state, size_t first)
{
    while (state->result->want_count > first) {
        free(state->result->wants[--state->result->want_count].name);
    }
}
