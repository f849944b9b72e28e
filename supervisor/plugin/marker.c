/* SPDX-License-Identifier: MIT */
/*
 * Markers: how they are evaluated and written.  marker_parse.c reads them.
 */

#include "supervisor/plugin/marker.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/marker_private.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/specifier.h"


const char *const  marker_operator_names[MARKER_OPERATOR_COUNT] = {
    [MARKER_IN] = "in",
    [MARKER_NOT_IN] = "not in",
    [MARKER_ARBITRARY] = "===",
    [MARKER_EQUAL] = "==",
    [MARKER_COMPATIBLE] = "~=",
    [MARKER_NOT_EQUAL] = "!=",
    [MARKER_AT_MOST] = "<=",
    [MARKER_AT_LEAST] = ">=",
    [MARKER_BELOW] = "<",
    [MARKER_ABOVE] = ">"
};


/* one comparison, its variables looked up */
struct marker_comparison {
    const char                    *key;     /* the variable's name */
    enum marker_operator           operator;
    const char                    *left;
    const char                    *right;   /* NULL: names is compared */
    const struct marker_variable  *names;
};


static int marker_compare(const struct marker_node *node,
    const struct marker_environment *environment, bool *out,
    struct error *err);
static int marker_compare_extra(const struct marker_variable *extra,
    enum marker_operator operator, const char *name, bool *out,
    struct error *err);
static int marker_judge(const struct marker_comparison *comparison, bool *out,
    struct error *err);
static int marker_write_group(const struct marker *marker,
    const struct marker_node *group, bool is_outermost, struct strbuf *out,
    struct error *err);


void
marker_clear(struct marker *marker)
{
    size_t  i;

    for (i = 0; i < marker->count; i++) {
        free(marker->nodes[i].left.text);
        free(marker->nodes[i].right.text);
    }

    free(marker->nodes);
    memset(marker, 0, sizeof(struct marker));
}


/* ---- the environment --------------------------------------------------- */


static struct marker_variable *
marker_environment_find(const struct marker_environment *environment,
    const char *name)
{
    size_t  i;

    for (i = 0; i < environment->count; i++) {
        if (strcmp(environment->variables[i].name, name) == 0) {
            return &environment->variables[i];
        }
    }

    return NULL;
}


static struct marker_variable *
marker_environment_put(struct marker_environment *environment,
    const char *name)
{
    struct marker_variable  *variable;

    variable = marker_environment_find(environment, name);

    if (variable == NULL) {
        environment->variables = mem_grow(environment->variables,
                                          environment->count + 1,
                                          sizeof(struct marker_variable));
        variable = &environment->variables[environment->count++];
        memset(variable, 0, sizeof(struct marker_variable));
        variable->name = mem_strdup(name);
    }

    text_list_clear(&variable->values);
    variable->is_set = false;

    return variable;
}


/* an interpreter built from a checkout says "3.13.0+" */

void
marker_environment_set(struct marker_environment *environment,
    const char *name, const char *value)
{
    char                    *text;
    struct marker_variable  *variable;

    if (strcmp(name, "extra") == 0) {
        text = names_normalise(value);

    } else if (strcmp(name, "python_full_version") == 0 && value[0] != '\0'
               && value[strlen(value) - 1] == '+')
    {
        text = mem_printf("%slocal", value);

    } else {
        text = mem_strdup(value);
    }

    variable = marker_environment_put(environment, name);
    text_list_add(&variable->values, text);
    free(text);
}


bool
marker_is_set(const char *variable)
{
    return strcmp(variable, "extras") == 0
           || strcmp(variable, "dependency_groups") == 0;
}


void
marker_environment_set_names(struct marker_environment *environment,
    const char *name, const struct text_list *values)
{
    char                    *text;
    size_t                   i;
    bool                     is_normalised;
    struct marker_variable  *variable;

    /* no extra at all is the extra "" */

    if (strcmp(name, "extra") == 0 && values->count == 0) {
        marker_environment_set(environment, name, "");
        return;
    }

    is_normalised = marker_is_set(name) || strcmp(name, "extra") == 0;
    variable = marker_environment_put(environment, name);
    variable->is_set = true;

    for (i = 0; i < values->count; i++) {
        text = is_normalised ? names_normalise(values->item[i])
                             : mem_strdup(values->item[i]);
        text_list_add(&variable->values, text);
        free(text);
    }
}


void
marker_environment_clear(struct marker_environment *environment)
{
    size_t  i;

    for (i = 0; i < environment->count; i++) {
        free(environment->variables[i].name);
        text_list_clear(&environment->variables[i].values);
    }

    free(environment->variables);
    memset(environment, 0, sizeof(struct marker_environment));
}


bool
marker_names(const struct marker *marker, const char *variable)
{
    size_t                     i;
    const struct marker_node  *node;

    for (i = 0; i < marker->count; i++) {
        node = &marker->nodes[i];

        if (!node->is_group
            && ((node->left.is_variable
                 && strcmp(node->left.text, variable) == 0)
                || (node->right.is_variable
                    && strcmp(node->right.text, variable) == 0)))
        {
            return true;
        }
    }

    return false;
}


/* ---- evaluating -------------------------------------------------------- */


/* "and" binds closer than "or"; the depth was limited by the parser */

static int
marker_evaluate_group(const struct marker *marker,
    const struct marker_node *group,
    const struct marker_environment *environment, bool *out,
    struct error *err)
{
    int                        rc;
    bool                       any, all, one;
    size_t                     i;
    const struct marker_node  *node;

    any = false;
    all = true;

    for (i = group->child; i != 0; i = node->next) {
        node = &marker->nodes[i];
        one = false;

        rc = node->is_group
             ? marker_evaluate_group(marker, node, environment, &one, err)
             : marker_compare(node, environment, &one, err);

        if (rc != 0) {
            return rc;
        }

        any = any || (node->is_alternative && all);
        all = node->is_alternative ? one : all && one;
    }

    *out = any || all;

    return 0;
}


int
marker_evaluate(const struct marker *marker,
    const struct marker_environment *environment, bool *out,
    struct error *err)
{
    return marker_evaluate_group(marker, &marker->nodes[0], environment, out,
                                 err);
}


static int
marker_undefined(const char *variable, enum marker_operator operator,
    struct error *err)
{
    return error_set(err, MINT_ERR_INVALID,
                     "\"%.60s\" cannot be compared with \"%s\" here", variable,
                     marker_operator_names[operator]);
}


/* the left one is the variable if both are, the right one if none is */

static int
marker_compare(const struct marker_node *node,
    const struct marker_environment *environment, bool *out,
    struct error *err)
{
    int                            rc;
    char                          *name;
    const char                    *key, *other;
    struct marker_comparison       comparison;
    const struct marker_variable  *variable;

    key = node->left.is_variable ? node->left.text : node->right.text;
    other = node->left.is_variable ? node->right.text : node->left.text;
    variable = marker_environment_find(environment, key);

    if (variable == NULL) {
        return error_set(err, MINT_ERR_NOT_FOUND,
                         "the marker variable \"%.60s\" is not known here",
                         key);
    }

    if (variable->is_set && strcmp(key, "extra") == 0) {
        return marker_compare_extra(variable, node->operator, other, out, err);
    }

    if ((variable->is_set && node->left.is_variable)
        || (!variable->is_set && marker_is_set(key)))
    {
        return marker_undefined(key, node->operator, err);
    }

    comparison.key = key;
    comparison.operator = node->operator;
    comparison.names = variable;
    comparison.right = NULL;
    comparison.left = other;
    name = NULL;

    if (node->left.is_variable) {
        comparison.left = variable->values.item[0];
        comparison.right = other;

    } else if (!variable->is_set) {
        comparison.right = variable->values.item[0];

    } else if (marker_is_set(key)) {
        name = names_normalise(other);
        comparison.left = name;
    }

    rc = marker_judge(&comparison, out, err);
    free(name);

    return rc;
}


/* several extras at once: is it one of them? */

static int
marker_compare_extra(const struct marker_variable *extra,
    enum marker_operator operator, const char *name, bool *out,
    struct error *err)
{
    if (operator != MARKER_EQUAL && operator != MARKER_NOT_EQUAL) {
        return marker_undefined(extra->name, operator, err);
    }

    *out = text_list_has(&extra->values, name) == (operator == MARKER_EQUAL);

    return 0;
}


/* as versions where the variable is one and the comparison a specifier */

static bool
marker_judge_version(const struct marker_comparison *comparison, bool *out)
{
    int                    rc;
    size_t                 i;
    struct strbuf          text;
    struct specifier_set   specifier;

    static const char *const  versions[] = {
        "implementation_version", "platform_release", "python_full_version",
        "python_version"
    };

    for (i = 0; strcmp(versions[i], comparison->key) != 0; /* void */) {
        if (++i == sizeof(versions) / sizeof(versions[0])) {
            return false;
        }
    }

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, marker_operator_names[comparison->operator]);
    strbuf_puts(&text, comparison->right);
    rc = specifier_set_parse_one(&specifier, text.data, text.len, NULL);
    strbuf_free(&text);

    if (rc == 0) {
        *out = specifier_set_has(&specifier, comparison->left,
                                 SPECIFIER_ALLOW);
        specifier_set_clear(&specifier);
    }

    return rc == 0;
}


static bool
marker_is_in(const struct marker_comparison *comparison)
{
    return comparison->right != NULL
           ? strstr(comparison->right, comparison->left) != NULL
           : text_list_has(&comparison->names->values, comparison->left);
}


static int
marker_judge(const struct marker_comparison *comparison, bool *out,
    struct error *err)
{
    bool  is_equal;

    if (comparison->right != NULL && marker_judge_version(comparison, out)) {
        return 0;
    }

    is_equal = comparison->right != NULL
               && strcmp(comparison->left, comparison->right) == 0;

    switch (comparison->operator) {

    case MARKER_IN:
        *out = marker_is_in(comparison);
        return 0;

    case MARKER_NOT_IN:
        *out = !marker_is_in(comparison);
        return 0;

    case MARKER_EQUAL:
    case MARKER_AT_MOST:
    case MARKER_AT_LEAST:
        *out = is_equal;
        return 0;

    case MARKER_NOT_EQUAL:
        *out = !is_equal;
        return 0;

    case MARKER_BELOW:
    case MARKER_ABOVE:
        *out = false;
        return 0;

    default:
        return marker_undefined(comparison->key, comparison->operator, err);
    }
}


/* ---- writing ----------------------------------------------------------- */


static int
marker_write_operand(const struct marker_operand *operand,
    struct strbuf *out, struct error *err)
{
    const char  *quote;

    if (operand->is_variable) {
        strbuf_puts(out, operand->text);
        return 0;
    }

    quote = strchr(operand->text, '"') == NULL ? "\"" : "'";

    if (strchr(operand->text, quote[0]) != NULL) {
        return error_set(err, MINT_ERR_INVALID,
                         "\"%.60s\" has both kinds of quotes in it",
                         operand->text);
    }

    strbuf_puts(out, quote);
    strbuf_puts(out, operand->text);
    strbuf_puts(out, quote);

    return 0;
}


static int
marker_write_node(const struct marker *marker, const struct marker_node *node,
    struct strbuf *out, struct error *err)
{
    int  rc;

    if (node->is_group) {
        return marker_write_group(marker, node, false, out, err);
    }

    rc = marker_write_operand(&node->left, out, err);

    if (rc != 0) {
        return rc;
    }

    strbuf_printf(out, " %s ", marker_operator_names[node->operator]);

    return marker_write_operand(&node->right, out, err);
}


/* parentheses around one thing are left out */

static int
marker_write_group(const struct marker *marker,
    const struct marker_node *group, bool is_outermost, struct strbuf *out,
    struct error *err)
{
    int                        rc;
    size_t                     i;
    const struct marker_node  *node;

    for (node = &marker->nodes[group->child]; node->next == 0;
         node = &marker->nodes[node->child])
    {
        if (!node->is_group) {
            return marker_write_node(marker, node, out, err);
        }

        group = node;
    }

    strbuf_puts(out, is_outermost ? "" : "(");

    for (i = group->child; i != 0; i = node->next) {
        node = &marker->nodes[i];

        if (i != group->child) {
            strbuf_puts(out, node->is_alternative ? " or " : " and ");
        }

        rc = marker_write_node(marker, node, out, err);

        if (rc != 0) {
            return rc;
        }
    }

    strbuf_puts(out, is_outermost ? "" : ")");

    return 0;
}


int
marker_write(const struct marker *marker, struct strbuf *out,
    struct error *err)
{
    return marker_write_group(marker, &marker->nodes[0], true, out, err);
}
