/* SPDX-License-Identifier: MIT */
/*
 * PEP 508 environment markers ("python_version < '3.13' and extra == 'x'"):
 * parsed once, evaluated for an interpreter that need not be this host's.
 */

#ifndef SUPERVISOR_PLUGIN_MARKER_H
#define SUPERVISOR_PLUGIN_MARKER_H

#include <stdbool.h>

#include "lib/error.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/text_list.h"


enum marker_operator {
    MARKER_IN = 0,
    MARKER_NOT_IN = 1,
    MARKER_ARBITRARY = 2,           /* === */
    MARKER_EQUAL = 3,
    MARKER_COMPATIBLE = 4,          /* ~= */
    MARKER_NOT_EQUAL = 5,
    MARKER_AT_MOST = 6,
    MARKER_AT_LEAST = 7,
    MARKER_BELOW = 8,
    MARKER_ABOVE = 9,
    MARKER_OPERATOR_COUNT = 10
};


/* a variable's name or a text; NUL in a text is the two bytes C0 80 */
struct marker_operand {
    bool   is_variable;
    char  *text;
};


/* a comparison, or in parentheses the nodes from child on */
struct marker_node {
    bool                   is_group;
    bool                   is_alternative;  /* "or" stands before it */
    size_t                 child;           /* index; 0: none */
    size_t                 next;            /* index; 0: the last one */
    struct marker_operand  left;
    enum marker_operator   operator;
    struct marker_operand  right;
};


struct marker {
    struct marker_node  *nodes;             /* the first is the whole group */
    size_t               count;
};


/* a variable is a text, or (extras and the like) a set of names */
struct marker_variable {
    char              *name;
    bool               is_set;
    struct text_list   values;              /* of a text: the one */
};


/* zero-initialise */
struct marker_environment {
    struct marker_variable  *variables;
    size_t                   count;
};


/* *out must be cleared, also after an error; [text, end) */
int marker_parse(struct marker *out, const char *text, const char *end,
    struct error *err);
void marker_clear(struct marker *marker);

/* as text, always the same for the same structure.  MINT_ERR_INVALID: it
   compares with a text that has both kinds of quotes in it */
int marker_write(const struct marker *marker, struct strbuf *out,
    struct error *err);

/*
 * All comparisons are made, whatever the others say.  MINT_ERR_NOT_FOUND: the
 * environment lacks a variable; MINT_ERR_INVALID: values that cannot be
 * compared this way.
 */
int marker_evaluate(const struct marker *marker,
    const struct marker_environment *environment, bool *out,
    struct error *err);

/* a comparison in it is with this variable */
bool marker_names(const struct marker *marker, const char *variable);

/* replace what was there; the names of extras are normalised */
void marker_environment_set(struct marker_environment *environment,
    const char *name, const char *value);
void marker_environment_set_names(struct marker_environment *environment,
    const char *name, const struct text_list *values);
void marker_environment_clear(struct marker_environment *environment);

#endif /* SUPERVISOR_PLUGIN_MARKER_H */
