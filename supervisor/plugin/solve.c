/* SPDX-License-Identifier: MIT */
/*
 * Takes one release after the other, of the package with the fewest ones left
 * first.  When that comes to no good it goes back to the last one that has to
 * do with it, not just to the last one (conflict-directed backjumping).
 */

#include "supervisor/plugin/solve.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "supervisor/plugin/solve_private.h"


static bool solve_search(struct solve_state *state);
static size_t solve_next(const struct solve_state *state);
static bool solve_try(struct solve_state *state, size_t package);
static size_t solve_candidate(const struct solve_state *state,
    size_t package);
static bool solve_retreat(struct solve_state *state);
static void solve_tell(const struct solve_state *state);


void
solve(const struct solve_input *input, struct solve_result *out)
{
    struct solve_state  *state;

    memset(out, 0, sizeof(struct solve_result));
    state = mem_alloc(sizeof(struct solve_state));
    solve_state_init(state, input, out);

    if (solve_state_begin(state) && solve_search(state)) {
        out->verdict = CLASH_FITS;
        solve_tell(state);

    } else if (out->doubt == NULL && out->want_count == 0) {
        out->verdict = CLASH_CLASHES;
    }

    solve_state_clear(state);
    free(state);
}


void
solve_clear(struct solve_result *result)
{
    size_t  i;

    for (i = 0; i < result->want_count; i++) {
        free(result->wants[i].name);
    }

    free(result->chosen);
    free(result->doubt);
    memset(result, 0, sizeof(struct solve_result));
}


static bool
solve_search(struct solve_state *state)
{
    size_t  package;

    while (!state->is_over && (package = solve_next(state)) != SOLVE_NONE) {

        if (state->level + 1 == SOLVE_LEVELS_MAX) {
            solve_state_stop(state, "too many packages are needed");
            return false;
        }

        state->level++;
        state->levels[state->level].package = package;
        state->levels[state->level].edge_count = state->edge_count;
        state->levels[state->level].extra_count = state->extra_count;
        memset(&state->levels[state->level].conflict, 0,
               sizeof(struct solve_reason));

        if (!solve_try(state, package) && !solve_retreat(state)) {
            return false;
        }
    }

    return !state->is_over;
}


/* needed, not taken, and with the fewest releases left */

static size_t
solve_next(const struct solve_state *state)
{
    size_t                        i, best;
    const struct solve_variable  *variable;

    best = SOLVE_NONE;

    for (i = 0; i < state->input->count; i++) {
        variable = &state->variables[i];

        if (variable->edge != SOLVE_NONE && variable->level == SOLVE_NONE
            && (best == SOLVE_NONE
                || variable->left < state->variables[best].left))
        {
            best = i;
        }
    }

    return best;
}


static size_t
solve_candidate(const struct solve_state *state, size_t package)
{
    size_t                         i;
    const struct solve_candidate  *candidate;

    for (i = 0; i < state->input->packages[package].count; i++) {
        candidate = &state->variables[package].candidates[i];

        if (candidate->blocked == SOLVE_NONE && !candidate->has_failed) {
            return i;
        }
    }

    return SOLVE_NONE;
}


/* the releases of the last level's package that are left, one after the
   other; false: it is none of them, state->conflict says why */

static bool
solve_try(struct solve_state *state, size_t package)
{
    size_t               i, level;
    struct solve_level  *here;

    level = state->level;
    here = &state->levels[level];

    while ((i = solve_candidate(state, package)) != SOLVE_NONE) {
        state->result->steps++;

        if (solve_state_take(state, package, i)) {
            return true;
        }

        if (state->is_over) {
            return false;
        }

        solve_state_back(state);
        state->variables[package].candidates[i].has_failed = true;
        state->variables[package].left--;
        solve_reason_drop(&state->conflict, level);
        solve_reason_add(&here->conflict, &state->conflict);
    }

    memset(&state->conflict, 0, sizeof(struct solve_reason));
    solve_state_exhausted(state, package, &state->conflict);
    solve_reason_add(&state->conflict, &here->conflict);

    return false;
}


static void
solve_forget_failures(struct solve_state *state, size_t package)
{
    size_t                   i;
    struct solve_candidate  *candidate;

    for (i = 0; i < state->input->packages[package].count; i++) {
        candidate = &state->variables[package].candidates[i];

        if (candidate->has_failed) {
            candidate->has_failed = false;
            state->variables[package].left += candidate->blocked == SOLVE_NONE;
        }
    }
}


/* to the last level that has to do with the conflict, and on from there */

static bool
solve_retreat(struct solve_state *state)
{
    size_t               package, back, taken;
    struct solve_level  *here;

    while (!state->is_over) {
        back = solve_reason_last(&state->conflict);

        while (state->level > back) {
            solve_forget_failures(state, state->levels[state->level].package);
            solve_state_back(state);
            state->level--;
        }

        if (back == 0) {
            return false;
        }

        here = &state->levels[back];
        package = here->package;
        taken = state->variables[package].taken;
        solve_state_back(state);
        state->variables[package].candidates[taken].has_failed = true;
        state->variables[package].left--;
        solve_reason_drop(&state->conflict, back);
        solve_reason_add(&here->conflict, &state->conflict);

        if (solve_try(state, package)) {
            return true;
        }
    }

    return false;
}


static void
solve_tell(const struct solve_state *state)
{
    size_t                        i;
    const struct solve_variable  *variable;

    state->result->chosen = mem_alloc((state->input->count + 1)
                                      * sizeof(size_t));

    for (i = 0; i < state->input->count; i++) {
        variable = &state->variables[i];
        state->result->chosen[i] = variable->level == SOLVE_NONE
                                   ? SOLVE_NONE : variable->taken;
    }
}
