/* SPDX-License-Identifier: MIT */
/*
 * From a release that is taken to those whom it asks for: with which marker and
 * extra, and what that leaves of their releases.
 */

#include "supervisor/plugin/solve_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"


static bool solve_applies(struct solve_state *state,
    const struct requirement *requirement, const char *extra);
static const struct requirement *solve_read(struct solve_state *state,
    struct requirement *requirement, const char *text);
static void solve_ask(struct solve_state *state,
    const struct requirement *requirement, const struct solve_reason *reason);
static bool solve_understands(struct solve_state *state, size_t package,
    const struct requirement *requirement);
static void solve_narrow(struct solve_state *state, size_t index);
static void solve_ask_extra(struct solve_state *state, size_t package,
    const char *extra, const struct solve_reason *reason);


/* all that a release that is taken asks for; goes on behind what nobody knows,
   there may be more of it */

void
solve_follow(struct solve_state *state, size_t package, const char *extra,
    const struct solve_reason *reason)
{
    size_t                       i;
    struct solve_candidate      *candidate;
    const struct solve_release  *release;

    i = state->variables[package].taken;
    release = &state->input->packages[package].releases[i];
    candidate = &state->variables[package].candidates[i];

    if (candidate->requirements == NULL) {
        candidate->requirements = mem_alloc((release->count + 1)
                                            * sizeof(struct requirement));
    }

    solve_follow_all(state, candidate->requirements, release->requires,
                     release->count, extra, reason);
}


void
solve_follow_all(struct solve_state *state, struct requirement *requirements,
    const char *const *texts, size_t count, const char *extra,
    const struct solve_reason *reason)
{
    size_t                     i;
    const struct requirement  *requirement;

    for (i = 0; i < count && solve_goes_on(state); i++) {
        requirement = solve_read(state, &requirements[i], texts[i]);

        if (requirement != NULL && solve_applies(state, requirement, extra)) {
            solve_ask(state, requirement, reason);
        }
    }
}


/* once; NULL: it is over */

static const struct requirement *
solve_read(struct solve_state *state, struct requirement *requirement,
    const char *text)
{
    size_t  size;

    if (requirement->whole != NULL) {
        return requirement;
    }

    size = strlen(text) + 1;

    if (size > CLASH_REQUIREMENT_MAX || size > state->unread) {
        solve_state_stop(state, CLASH_TOO_MUCH);
        return NULL;
    }

    state->unread -= size;

    if (requirement_parse(requirement, text, NULL) != 0) {
        requirement_clear(requirement);
        solve_state_stop(state, "\"%.100s\" is not understood", text);
        return NULL;
    }

    return requirement;
}


/* what applies in any case has been followed without the extra */

static bool
solve_applies(struct solve_state *state,
    const struct requirement *requirement, const char *extra)
{
    bool  applies;

    if (!requirement->has_marker) {
        return extra == NULL;
    }

    if (extra != NULL && !marker_names(&requirement->marker, "extra")) {
        return false;
    }

    marker_environment_set(&state->environment, "extra",
                           extra != NULL ? extra : "");

    if (!clash_marker_is_plain(&requirement->marker, requirement->whole)
        || marker_evaluate(&requirement->marker, &state->environment,
                           &applies, NULL) != 0)
    {
        solve_state_stop(state, "the marker of \"%.100s\" is not understood",
                         requirement->whole);
        return false;
    }

    return applies;
}


static int
solve_package_compare(const void *key, const void *package)
{
    return strcmp(key, ((const struct solve_package *) package)->name);
}


static void
solve_ask(struct solve_state *state, const struct requirement *requirement,
    const struct solve_reason *reason)
{
    char                        *name;
    size_t                       i, index;
    struct solve_edge           *edge;
    const struct solve_package  *found;

    name = names_normalise(requirement->name);
    found = bsearch(name, state->input->packages, state->input->count,
                    sizeof(struct solve_package), solve_package_compare);

    if (found == NULL) {
        solve_want(state, name, NULL);
        solve_fail(state, SOLVE_UNSURE, reason);
        free(name);
        return;
    }

    free(name);
    index = (size_t) (found - state->input->packages);

    if (!solve_understands(state, index, requirement)) {
        return;
    }

    if (state->edge_count == state->edge_room) {
        state->edge_room = state->edge_room * 2 + 256;
        state->edges = mem_grow(state->edges, state->edge_room,
                                sizeof(struct solve_edge));
    }

    edge = &state->edges[state->edge_count];
    edge->package = index;
    edge->previous = state->variables[index].edge;
    edge->requirement = requirement;
    edge->reason = *reason;
    state->variables[index].edge = state->edge_count++;

    solve_narrow(state, state->edge_count - 1);

    for (i = 0; i < requirement->extras.count; i++) {
        solve_ask_extra(state, index, requirement->extras.item[i], reason);
    }
}


/* false: it is over */

static bool
solve_understands(struct solve_state *state, size_t package,
    const struct requirement *requirement)
{
    size_t                       i;
    const struct specifier      *specifier;
    const struct solve_package  *known;

    known = &state->input->packages[package];

    if (requirement->url != NULL) {
        solve_state_stop(state, "%.100s comes from an address of its own",
                         requirement->name);
        return false;
    }

    for (i = 0; i < requirement->specifiers.count; i++) {
        specifier = &requirement->specifiers.items[i];

        if (specifier->operator == SPECIFIER_ARBITRARY) {
            solve_state_stop(state, "\"%.100s\" compares texts",
                             requirement->text);
            return false;
        }

        /* who asks for pre-releases has more to choose from */

        if (specifier_asks_for_prereleases(specifier)
            && (!known->is_complete || known->count != 1))
        {
            solve_doubt(state, "\"%.100s\" asks for pre-releases",
                        requirement->text);
        }
    }

    return true;
}


static bool
solve_takes(struct solve_state *state, const struct requirement *requirement,
    const struct solve_candidate *candidate, const char *text)
{
    size_t  i;

    if (state->uncompared < requirement->specifiers.count) {
        solve_state_stop(state, CLASH_TOO_MUCH);
        return false;
    }

    state->uncompared -= requirement->specifiers.count;

    for (i = 0; i < requirement->specifiers.count; i++) {
        if (!specifier_takes(&requirement->specifiers.items[i], text,
                             &candidate->version))
        {
            return false;
        }
    }

    return true;
}


/* what the edge leaves of its package's releases */

static void
solve_narrow(struct solve_state *state, size_t index)
{
    size_t                        i;
    struct solve_reason           conflict;
    struct solve_variable        *variable;
    const struct solve_edge      *edge;
    struct solve_candidate       *candidate;
    const struct solve_package   *known;

    edge = &state->edges[index];
    known = &state->input->packages[edge->package];
    variable = &state->variables[edge->package];

    for (i = 0; i < known->count; i++) {
        candidate = &variable->candidates[i];

        if (candidate->blocked == SOLVE_NONE
            && !solve_takes(state, edge->requirement, candidate,
                            known->releases[i].version))
        {
            candidate->blocked = index;
            variable->left -= !candidate->has_failed;
        }
    }

    if (variable->level == SOLVE_NONE && variable->left == 0) {
        memset(&conflict, 0, sizeof(conflict));
        solve_state_exhausted(state, edge->package, &conflict);
        solve_fail(state, known->is_complete ? SOLVE_CERTAIN : SOLVE_UNSURE,
                   &conflict);

    } else if (variable->level != SOLVE_NONE
               && variable->candidates[variable->taken].blocked == index)
    {
        conflict = edge->reason;
        solve_reason_put(&conflict, variable->level);
        solve_fail(state, SOLVE_CERTAIN, &conflict);
    }
}


static void
solve_ask_extra(struct solve_state *state, size_t package, const char *extra,
    const struct solve_reason *reason)
{
    char                *name;
    size_t               i;
    struct solve_extra  *entry;

    name = names_normalise(extra);

    for (i = state->variables[package].extra; i != SOLVE_NONE;
         i = state->extras[i].previous)
    {
        if (strcmp(state->extras[i].name, name) == 0) {
            free(name);
            return;
        }
    }

    if (state->extra_count == state->extra_room) {
        state->extra_room = state->extra_room * 2 + 64;
        state->extras = mem_grow(state->extras, state->extra_room,
                                 sizeof(struct solve_extra));
    }

    entry = &state->extras[state->extra_count];
    entry->package = package;
    entry->previous = state->variables[package].extra;
    entry->name = name;
    entry->reason = *reason;
    state->variables[package].extra = state->extra_count++;
}
