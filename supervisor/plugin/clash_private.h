/* SPDX-License-Identifier: MIT */
/*
 * The walk (clash_graph.c), the markers on its way (clash_marker.c) and what is
 * made of it (clash.c).
 */

#ifndef SUPERVISOR_PLUGIN_CLASH_PRIVATE_H
#define SUPERVISOR_PLUGIN_CLASH_PRIVATE_H

#include <stdarg.h>

#include "supervisor/plugin/clash.h"


#define CLASH_NONE        SIZE_MAX
#define CLASH_MEMO_SLOTS  1024          /* a power of two */
#define CLASH_TOO_MUCH    "there is too much to look at"


/* markers that were false without an extra, by their text */
struct clash_memo {
    struct {
        const char  *text;              /* NULL: free */
        bool         is_false;
    } slots[CLASH_MEMO_SLOTS];
    size_t  count;
};


/* a requirement that was met on the walk */
struct clash_edge {
    size_t                     from;        /* node, or CLASH_NONE: platform */
    const struct requirement  *requirement;
    size_t                     target;
    size_t                     next;        /* edge of the same target */
    bool                       fits;
};


/* a package, or a package with one of its extras */
struct clash_node {
    size_t   target;
    char    *extra;                 /* normalised, NULL: none */
    size_t   edge;                  /* that led here first; CLASH_NONE: root */
    size_t   next;                  /* node of the same target */
    bool     is_fixed;              /* nobody on the way can move */
    bool     is_newcomers;          /* only the newcomer leads here */
};


struct clash_target {
    const struct clash_package  *package;
    char                        *name;          /* normalised */
    struct version               version;
    bool                         is_odd;        /* no version, or one whose
                                                   treatment differs */
    struct requirement          *requirements;  /* NULL: not read yet */
    size_t                       node;          /* the last one made of it */
    size_t                       node_count;
    size_t                       first;         /* edge */
    size_t                       last;
};


struct clash_graph {
    const struct clash_input    *input;
    struct marker_environment    environment;
    struct requirement           platform;

    struct clash_target         *targets;       /* by name */
    size_t                       target_count;
    struct clash_node           *nodes;
    size_t                       node_count;
    size_t                       node_room;
    struct clash_edge           *edges;
    size_t                       edge_count;
    size_t                       edge_room;

    struct clash_memo           *memo;
    bool                         is_newcomers;  /* the walk's second part */
    size_t                       budget;        /* bytes still looked at */
    size_t                       unread;        /* bytes still read */
    size_t                       compared;      /* pairs of requirements */
    char                        *doubt;
    bool                         is_doubtful;   /* for another reason than a
                                                   package that is missing */
};


struct clash_graph *clash_graph_new(const struct clash_input *input);
void clash_graph_free(struct clash_graph **graph);

/* follows every requirement that applies */
void clash_graph_walk(struct clash_graph *graph);

/* the requirement, which must outlive the graph, certainly does not apply
   without an extra, or may not be read; the environment has the extra "" */
bool clash_marker_skips(struct clash_graph *graph, const char *requirement);

/* false, and a doubt: so much may not be read any more */
bool clash_graph_may_read(struct clash_graph *graph, const char *text);

/* keep the first one; missing: a package is not installed yet */
void clash_graph_missing(struct clash_graph *graph, const char *name);
void clash_graph_doubt(struct clash_graph *graph, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* printable ASCII, to be freed */
char *clash_doubt_text(const char *format, va_list args)
    __attribute__((format(printf, 1, 0)));

#endif /* SUPERVISOR_PLUGIN_CLASH_PRIVATE_H */
