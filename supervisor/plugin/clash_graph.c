/* SPDX-License-Identifier: MIT */
/*
 * The walk over what is installed: from the platform and its plugins first,
 * then from the newcomer, so that what others ask for is explained by them.
 * Whatever might be understood in another way by the resolver is a doubt.
 */

#include "supervisor/plugin/clash_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/names.h"


#define CLASH_BUDGET_BYTES  (4 * 1024 * 1024)
#define CLASH_NODES_MAX     65          /* of a package: itself, 64 extras */
#define CLASH_EDGES_MAX     65536


static void clash_graph_index(struct clash_graph *graph);
static void clash_graph_node(struct clash_graph *graph, size_t target,
    const char *extra, size_t edge);
static void clash_graph_visit(struct clash_graph *graph, size_t node);
static bool clash_graph_applies(struct clash_graph *graph,
    const struct clash_node *node, const struct requirement *requirement);
static void clash_graph_follow(struct clash_graph *graph, size_t from,
    const struct requirement *requirement);


void
clash_graph_missing(struct clash_graph *graph, const char *name)
{
    if (graph->doubt == NULL) {
        graph->doubt = mem_printf("%.100s is not installed yet", name);
    }
}


void
clash_graph_doubt(struct clash_graph *graph, const char *format, ...)
{
    va_list  args;

    graph->is_doubtful = true;

    if (graph->doubt == NULL) {
        va_start(args, format);
        graph->doubt = clash_doubt_text(format, args);
        va_end(args);
    }
}


struct clash_graph *
clash_graph_new(const struct clash_input *input)
{
    size_t                         i;
    struct clash_graph            *graph;
    const struct marker_variable  *variable;

    graph = mem_alloc(sizeof(struct clash_graph));
    graph->input = input;
    graph->budget = CLASH_BUDGET_BYTES;
    graph->unread = CLASH_READ_MAX;
    graph->memo = mem_alloc(sizeof(struct clash_memo));

    for (i = 0; i < input->environment->count; i++) {
        variable = &input->environment->variables[i];

        if (!variable->is_set) {
            marker_environment_set(&graph->environment, variable->name,
                                   variable->values.item[0]);
        }
    }

    if (requirement_parse(&graph->platform, input->platform, NULL) != 0) {
        clash_graph_doubt(graph, "\"%.100s\" is not understood",
                          input->platform);
    }

    clash_graph_index(graph);

    return graph;
}


void
clash_graph_free(struct clash_graph **graph)
{
    size_t                i, k;
    struct clash_graph   *g;
    struct clash_target  *target;

    g = *graph;
    *graph = NULL;

    if (g == NULL) {
        return;
    }

    for (i = 0; i < g->target_count; i++) {
        target = &g->targets[i];

        for (k = 0; target->requirements != NULL && k < target->package->count;
             k++)
        {
            requirement_clear(&target->requirements[k]);
        }

        free(target->requirements);
        free(target->name);
        version_clear(&target->version);
    }

    for (i = 0; i < g->node_count; i++) {
        free(g->nodes[i].extra);
    }

    marker_environment_clear(&g->environment);
    requirement_clear(&g->platform);
    free(g->memo);
    free(g->targets);
    free(g->nodes);
    free(g->edges);
    free(g->doubt);
    free(g);
}


static int
clash_target_compare(const void *a, const void *b)
{
    return strcmp(((const struct clash_target *) a)->name,
                  ((const struct clash_target *) b)->name);
}


static void
clash_target_init(struct clash_target *target,
    const struct clash_package *package, char *name)
{
    memset(target, 0, sizeof(struct clash_target));
    target->package = package;
    target->name = name;
    target->node = CLASH_NONE;
    target->first = CLASH_NONE;
    target->last = CLASH_NONE;

    /* pre-releases and local versions are not treated alike by everybody */

    target->is_odd = version_parse(&target->version, package->version,
                                   strlen(package->version), NULL) != 0
                     || version_is_prerelease(&target->version)
                     || target->version.local.len > 0;
}


/* the newcomer stands in the place of an older version of itself */

static void
clash_graph_index(struct clash_graph *graph)
{
    char                      *name, *newcomer;
    size_t                     i, n;
    const struct clash_input  *input;

    input = graph->input;
    newcomer = names_normalise(input->newcomer->name);
    graph->targets = mem_grow(NULL, input->count + 1,
                              sizeof(struct clash_target));
    n = 0;

    for (i = 0; i < input->count; i++) {
        name = names_normalise(input->packages[i].name);

        if (strcmp(name, newcomer) == 0) {
            free(name);
            continue;
        }

        clash_target_init(&graph->targets[n++], &input->packages[i], name);
    }

    clash_target_init(&graph->targets[n++], input->newcomer, newcomer);
    qsort(graph->targets, n, sizeof(struct clash_target),
          clash_target_compare);
    graph->target_count = n;

    for (i = 1; i < n; i++) {
        if (strcmp(graph->targets[i - 1].name, graph->targets[i].name) == 0) {
            clash_graph_doubt(graph, "%.100s is installed twice",
                              graph->targets[i].name);
        }
    }
}


static size_t
clash_graph_find(const struct clash_graph *graph, const char *name)
{
    struct clash_target         key;
    const struct clash_target  *found;

    key.name = names_normalise(name);
    found = bsearch(&key, graph->targets, graph->target_count,
                    sizeof(struct clash_target), clash_target_compare);
    free(key.name);

    return found != NULL ? (size_t) (found - graph->targets) : CLASH_NONE;
}


void
clash_graph_walk(struct clash_graph *graph)
{
    size_t  i, next;

    next = 0;
    clash_graph_follow(graph, CLASH_NONE, &graph->platform);

    for (i = 0; i < graph->target_count; i++) {
        if (graph->targets[i].package->role == CLASH_PLUGIN
            && graph->targets[i].package != graph->input->newcomer)
        {
            clash_graph_node(graph, i, NULL, CLASH_NONE);
        }
    }

    for ( /* void */ ; next < graph->node_count; next++) {
        clash_graph_visit(graph, next);
    }

    graph->is_newcomers = true;
    i = clash_graph_find(graph, graph->input->newcomer->name);
    clash_graph_node(graph, i, NULL, CLASH_NONE);

    for ( /* void */ ; next < graph->node_count; next++) {
        clash_graph_visit(graph, next);
    }
}


/* as the requirement that leads to it may come often, and with any extras */

static bool
clash_graph_has(const struct clash_graph *graph, size_t target,
    const char *extra)
{
    size_t                    i;
    const struct clash_node  *node;

    for (i = graph->targets[target].node; i != CLASH_NONE; i = node->next) {
        node = &graph->nodes[i];

        if (node->extra == NULL ? extra == NULL
            : extra != NULL && strcmp(node->extra, extra) == 0)
        {
            return true;
        }
    }

    return false;
}


static void
clash_graph_node(struct clash_graph *graph, size_t index, const char *extra,
    size_t edge)
{
    char                 *name;
    size_t                from;
    struct clash_node    *node;
    struct clash_target  *target;

    target = &graph->targets[index];
    name = extra != NULL ? names_normalise(extra) : NULL;

    if (clash_graph_has(graph, index, name)) {
        free(name);
        return;
    }

    if (target->node_count == CLASH_NODES_MAX) {
        clash_graph_doubt(graph, "too many extras of %.100s are asked for",
                          target->name);
        free(name);
        return;
    }

    if (graph->node_count == graph->node_room) {
        graph->node_room = graph->node_room * 2 + 64;
        graph->nodes = mem_grow(graph->nodes, graph->node_room,
                                sizeof(struct clash_node));
    }

    from = edge != CLASH_NONE ? graph->edges[edge].from : CLASH_NONE;

    node = &graph->nodes[graph->node_count];
    node->target = index;
    node->extra = name;
    node->edge = edge;
    node->next = target->node;
    node->is_newcomers = graph->is_newcomers;
    node->is_fixed = (target->package->role != CLASH_PACKAGE
                      || target->package == graph->input->newcomer)
                     && (from == CLASH_NONE || graph->nodes[from].is_fixed);

    target->node = graph->node_count++;
    target->node_count++;
}


/* a parsed specifier takes hundreds of bytes, and sets of them are compared */

bool
clash_graph_may_read(struct clash_graph *graph, const char *text)
{
    size_t  size;

    size = strlen(text) + 1;

    if (size > CLASH_REQUIREMENT_MAX || size > graph->unread) {
        clash_graph_doubt(graph, CLASH_TOO_MUCH);
        return false;
    }

    graph->unread -= size;

    return true;
}


/* once; NULL: it is not understood, or not read */

static const struct requirement *
clash_graph_read(struct clash_graph *graph, struct clash_target *target,
    size_t i)
{
    struct requirement          *requirement;
    const struct clash_package  *package;

    package = target->package;

    if (target->requirements == NULL) {
        target->requirements = mem_alloc(package->count
                                         * sizeof(struct requirement));
    }

    requirement = &target->requirements[i];

    if (requirement->whole != NULL) {
        return requirement;
    }

    if (!clash_graph_may_read(graph, package->requires[i])) {
        return NULL;
    }

    if (requirement_parse(requirement, package->requires[i], NULL) != 0) {
        requirement_clear(requirement);
        clash_graph_doubt(graph, "\"%.100s\" of %.100s is not understood",
                          package->requires[i], target->name);
        return NULL;
    }

    return requirement;
}


/* most of what installed packages require is for extras that nobody has asked
   for, or for other systems: it is not even read */

static void
clash_graph_visit(struct clash_graph *graph, size_t index)
{
    size_t                      i, size;
    struct clash_node           node;
    struct clash_target        *target;
    const struct requirement   *requirement;

    node = graph->nodes[index];
    target = &graph->targets[node.target];
    size = 0;

    for (i = 0; i < target->package->count; i++) {
        size += strlen(target->package->requires[i]) + 1;
    }

    if (size > graph->budget) {
        clash_graph_doubt(graph, CLASH_TOO_MUCH);
        return;
    }

    graph->budget -= size;

    marker_environment_set(&graph->environment, "extra",
                           node.extra != NULL ? node.extra : "");

    for (i = 0; i < target->package->count; i++) {
        if (node.extra == NULL && target->package != graph->input->newcomer
            && clash_marker_skips(graph, target->package->requires[i]))
        {
            continue;
        }

        requirement = clash_graph_read(graph, target, i);

        if (requirement != NULL
            && clash_graph_applies(graph, &node, requirement))
        {
            clash_graph_follow(graph, index, requirement);
        }
    }
}


/* what applies without the extra has been followed without it */

static bool
clash_graph_applies(struct clash_graph *graph, const struct clash_node *node,
    const struct requirement *requirement)
{
    bool  applies;

    if (!requirement->has_marker) {
        return node->extra == NULL;
    }

    if (node->extra != NULL && !marker_names(&requirement->marker, "extra")) {
        return false;
    }

    if (!clash_marker_is_plain(&requirement->marker, requirement->whole)
        || marker_evaluate(&requirement->marker, &graph->environment, &applies,
                           NULL) != 0)
    {
        clash_graph_doubt(graph, "the marker of \"%.100s\" is not understood",
                          requirement->whole);
        return false;
    }

    return applies;
}


static bool
clash_takes(struct clash_graph *graph, const struct requirement *requirement,
    const struct clash_target *target)
{
    bool                     takes;
    size_t                   i;
    const struct specifier  *specifier;

    takes = true;

    for (i = 0; i < requirement->specifiers.count; i++) {
        specifier = &requirement->specifiers.items[i];

        if (specifier->operator == SPECIFIER_ARBITRARY) {
            clash_graph_doubt(graph, "\"%.100s\" compares texts",
                              requirement->text);
        }

        takes = takes && specifier_takes(specifier, target->package->version,
                                         target->version.text != NULL
                                         ? &target->version : NULL);
    }

    if (target->is_odd) {
        clash_graph_doubt(graph, "%.100s %.100s is no plain release",
                          target->name, target->package->version);
    }

    return takes;
}


static void
clash_graph_follow(struct clash_graph *graph, size_t from,
    const struct requirement *requirement)
{
    size_t                i, index, found;
    struct clash_edge    *edge;
    struct clash_target  *target;

    if (requirement->url != NULL) {
        clash_graph_doubt(graph, "%.100s comes from an address of its own",
                          requirement->name);
        return;
    }

    found = clash_graph_find(graph, requirement->name);

    if (found == CLASH_NONE) {
        clash_graph_missing(graph, requirement->name);
        return;
    }

    if (graph->edge_count == CLASH_EDGES_MAX) {
        clash_graph_doubt(graph, CLASH_TOO_MUCH);
        return;
    }

    if (graph->edge_count == graph->edge_room) {
        graph->edge_room = graph->edge_room * 2 + 256;
        graph->edges = mem_grow(graph->edges, graph->edge_room,
                                sizeof(struct clash_edge));
    }

    index = graph->edge_count++;
    target = &graph->targets[found];
    edge = &graph->edges[index];
    edge->from = from;
    edge->requirement = requirement;
    edge->target = found;
    edge->next = CLASH_NONE;
    edge->fits = clash_takes(graph, requirement, target);

    if (target->last != CLASH_NONE) {
        graph->edges[target->last].next = index;

    } else {
        target->first = index;
    }

    target->last = index;
    clash_graph_node(graph, found, NULL, index);

    for (i = 0; i < requirement->extras.count; i++) {
        clash_graph_node(graph, found, requirement->extras.item[i], index);
    }
}
