/* SPDX-License-Identifier: MIT */
/*
 * The verdict: what the walk has met that does not fit, whether anybody could
 * give way, and who stands behind both sides.
 */

#include "supervisor/plugin/clash.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/clash_private.h"


#define CLASH_LISTED_MAX    16
#define CLASH_COMPARED_MAX  256


static void clash_python(struct clash_graph *graph);
static void clash_collect(struct clash_graph *graph, bool is_newcomers,
    struct clash_result *out);
static void clash_describe(struct clash_graph *graph, size_t index,
    struct clash *out);
static size_t clash_other_side(struct clash_graph *graph, size_t index,
    bool *is_certain);
static void clash_trace(const struct clash_graph *graph, size_t edge,
    struct clash_chain *out);


void
clash_judge(const struct clash_input *input, struct clash_result *out)
{
    size_t               i;
    bool                 is_certain;
    struct clash_graph  *graph;

    memset(out, 0, sizeof(struct clash_result));

    graph = clash_graph_new(input);
    out->graph = graph;

    if (input->doubt != NULL) {
        clash_graph_doubt(graph, "%s", input->doubt);
    }

    clash_python(graph);
    clash_graph_walk(graph);

    out->clashes = mem_alloc(CLASH_LISTED_MAX * sizeof(struct clash));
    clash_collect(graph, true, out);
    clash_collect(graph, false, out);

    is_certain = false;

    for (i = 0; i < out->count; i++) {
        is_certain = is_certain || out->clashes[i].is_certain;
    }

    out->doubt = graph->doubt;
    out->verdict = is_certain ? CLASH_CLASHES
                   : out->count > 0 || out->doubt != NULL ? CLASH_UNKNOWN
                   : CLASH_FITS;
    out->is_open = out->verdict == CLASH_UNKNOWN && !graph->is_doubtful;
}


static void
clash_forget(struct clash_result *result)
{
    size_t  i;

    for (i = 0; i < result->count; i++) {
        free(result->clashes[i].needs.steps);
        free(result->clashes[i].has.steps);
    }

    result->count = 0;
}


void
clash_settle(struct clash_result *result, enum clash_verdict verdict)
{
    result->verdict = verdict;
    result->is_open = false;
    result->doubt = NULL;

    if (verdict == CLASH_FITS) {
        clash_forget(result);
    }
}


void
clash_clear(struct clash_result *result)
{
    clash_forget(result);
    free(result->clashes);
    clash_graph_free(&result->graph);
    memset(result, 0, sizeof(struct clash_result));
}


const struct clash *
clash_first(const struct clash_result *result)
{
    size_t               i;
    const struct clash  *clash, *first;

    first = NULL;

    for (i = 0; i < result->count; i++) {
        clash = &result->clashes[i];

        if (!clash->is_newcomers && !clash->is_newcomer) {
            continue;
        }

        if (clash->is_certain) {
            return clash;
        }

        first = first == NULL ? clash : first;
    }

    return first;
}


/* not met is no clash for certain: the resolver drops upper bounds */

static void
clash_python(struct clash_graph *graph)
{
    size_t                 i;
    const char            *wanted, *version;
    struct specifier_set   set;

    wanted = graph->input->requires_python;
    version = NULL;

    for (i = 0; i < graph->environment.count; i++) {
        if (strcmp(graph->environment.variables[i].name,
                   "python_full_version") == 0)
        {
            version = graph->environment.variables[i].values.item[0];
        }
    }

    if (version == NULL) {
        clash_graph_doubt(graph, "the interpreter is not known");
        return;
    }

    if (!clash_graph_may_read(graph, wanted)) {
        return;
    }

    if (specifier_set_parse(&set, wanted, strlen(wanted), NULL) != 0) {
        clash_graph_doubt(graph, "Requires-Python \"%.100s\" is not "
                          "understood", wanted);
        return;
    }

    if (!specifier_set_has(&set, version, SPECIFIER_REFUSE)) {
        clash_graph_doubt(graph, "it requires Python %.100s and this is %.40s",
                          wanted[0] != '\0' ? wanted : "as a release",
                          version);
    }

    specifier_set_clear(&set);
}


static bool
clash_is_newcomers(const struct clash_graph *graph,
    const struct clash_edge *edge)
{
    return edge->from != CLASH_NONE && graph->nodes[edge->from].is_newcomers;
}


static void
clash_collect(struct clash_graph *graph, bool is_newcomers,
    struct clash_result *out)
{
    size_t                    i;
    const struct clash_edge  *edge;

    for (i = 0; i < graph->edge_count; i++) {
        edge = &graph->edges[i];

        if (edge->fits || clash_is_newcomers(graph, edge) != is_newcomers) {
            continue;
        }

        if (out->count == CLASH_LISTED_MAX) {
            clash_graph_doubt(graph, CLASH_TOO_MUCH);
            return;
        }

        clash_describe(graph, i, &out->clashes[out->count++]);
    }
}


static void
clash_describe(struct clash_graph *graph, size_t index, struct clash *out)
{
    size_t                      other;
    const struct clash_edge    *edge;
    const struct clash_target  *target;

    edge = &graph->edges[index];
    target = &graph->targets[edge->target];

    out->package = target->name;
    out->installed = target->package->version;
    out->role = target->package->role;
    out->is_newcomer = target->package == graph->input->newcomer;
    out->is_newcomers = clash_is_newcomers(graph, edge);

    other = clash_other_side(graph, index, &out->is_certain);
    clash_trace(graph, index, &out->needs);

    if (other != CLASH_NONE) {
        clash_trace(graph, other, &out->has);
    }
}


static bool
clash_is_fixed(const struct clash_graph *graph, const struct clash_edge *edge)
{
    return edge->from == CLASH_NONE || graph->nodes[edge->from].is_fixed;
}


static bool
clash_is_odd(const struct requirement *requirement)
{
    size_t  i;

    for (i = 0; i < requirement->specifiers.count; i++) {
        if (requirement->specifiers.items[i].operator == SPECIFIER_ARBITRARY) {
            return true;
        }
    }

    return false;
}


/* not known any more once enough have been compared for this decision */

static bool
clash_excludes(struct clash_graph *graph, const struct requirement *a,
    const struct requirement *b)
{
    bool                  excludes;
    struct specifier_set  both;

    if (graph->compared == CLASH_COMPARED_MAX) {
        return false;
    }

    graph->compared++;
    specifier_set_intersect(&both, &a->specifiers, &b->specifiers);
    excludes = specifier_set_is_unsatisfiable(&both, SPECIFIER_ALLOW);
    specifier_set_clear(&both);

    return excludes;
}


/*
 * Somebody else whose requirement can never be met together with this one,
 * else somebody else who asks for the package.  Certain: whoever asks on both
 * sides stays as he is, or the package itself does.
 */

static size_t
clash_other_side(struct clash_graph *graph, size_t index, bool *is_certain)
{
    bool                        is_fixed, excludes, best_excludes;
    size_t                      i, best;
    const struct clash_edge    *edge, *other;
    const struct clash_target  *target;

    edge = &graph->edges[index];
    target = &graph->targets[edge->target];
    is_fixed = clash_is_fixed(graph, edge)
               && !clash_is_odd(edge->requirement);
    best = CLASH_NONE;
    best_excludes = false;
    *is_certain = is_fixed && !target->is_odd
                  && (target->package->role != CLASH_PACKAGE
                      || target->package == graph->input->newcomer);

    for (i = target->first; i != CLASH_NONE; i = other->next) {
        other = &graph->edges[i];

        if (!other->fits || clash_is_newcomers(graph, other)) {
            continue;
        }

        excludes = clash_excludes(graph, edge->requirement,
                                  other->requirement);

        if (excludes && is_fixed && clash_is_fixed(graph, other)
            && !clash_is_odd(other->requirement))
        {
            *is_certain = true;
            return i;
        }

        if (best == CLASH_NONE || (excludes && !best_excludes)) {
            best = i;
            best_excludes = excludes;
        }
    }

    return best;
}


static void
clash_trace(const struct clash_graph *graph, size_t edge,
    struct clash_chain *out)
{
    size_t                      i, n, from;
    struct clash_step          *step;
    const struct clash_target  *target;

    n = 0;

    for (i = edge; i != CLASH_NONE; i = from != CLASH_NONE
                                        ? graph->nodes[from].edge : CLASH_NONE)
    {
        from = graph->edges[i].from;
        n++;
    }

    out->steps = mem_alloc(n * sizeof(struct clash_step));
    out->count = n;

    for (i = edge; n > 0; i = from != CLASH_NONE ? graph->nodes[from].edge
                                                 : CLASH_NONE)
    {
        step = &out->steps[--n];
        from = graph->edges[i].from;
        step->requirement = graph->edges[i].requirement->text;

        if (from == CLASH_NONE) {
            step->by = "the platform";
            step->version = "";
            continue;
        }

        target = &graph->targets[graph->nodes[from].target];
        step->by = target->package->title != NULL ? target->package->title
                                                  : target->name;
        step->version = target->package->version;
    }
}
