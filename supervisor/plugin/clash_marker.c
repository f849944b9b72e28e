/* SPDX-License-Identifier: MIT */
/*
 * Markers on the walk: which can be relied on, and which are false again and
 * again.
 */

#include "supervisor/plugin/clash_private.h"

#include <string.h>

#include "supervisor/plugin/marker_private.h"


#define CLASH_VERSION_MAX  16           /* bytes: no number overflows */


static bool clash_marker_is_false(const struct marker_environment *environment,
    const char *text);


static bool
clash_marker_has(const struct marker_node *node, const char *name, size_t len)
{
    return (node->left.is_variable
            && strncmp(node->left.text, name, len) == 0)
           || (node->right.is_variable
               && strncmp(node->right.text, name, len) == 0);
}


/* digits and dots behind an operator that can stand there: others drop what
   they cannot read, and round what lies between two versions */

static bool
clash_marker_is_version(const struct marker_node *node)
{
    int                   rc;
    bool                  is_plain;
    size_t                len;
    const char           *dot, *wanted;
    struct strbuf         text;
    struct specifier_set  set;

    wanted = node->right.text;
    len = strlen(wanted);

    if (!node->left.is_variable || len > CLASH_VERSION_MAX
        || strspn(wanted, "0123456789.*") != len)
    {
        return false;
    }

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, marker_operator_names[node->operator]);
    strbuf_puts(&text, wanted);
    rc = specifier_set_parse_one(&set, text.data, text.len, NULL);
    strbuf_free(&text);

    if (rc != 0) {
        return false;
    }

    /* python_version has two numbers; a third one as a prefix is of no use */

    dot = strchr(wanted, '.');
    is_plain = strcmp(node->left.text, "python_full_version") == 0
               || dot == NULL || strchr(dot + 1, '.') == NULL
               || (node->operator != MARKER_COMPATIBLE
                   && !set.items[0].is_prefix)
               || strchr(dot + 1, '.')[1] == '*';
    specifier_set_clear(&set);

    return is_plain;
}


/* texts have Python's escapes here, and none elsewhere */

bool
clash_marker_is_plain(const struct marker *marker, const char *text)
{
    bool                       is_version, is_extra;
    size_t                     i;
    const struct marker_node  *node;

    static const char *const  odd[] = {
        "platform_release", "platform_version", "implementation_version",
        "extras", "dependency_groups"
    };

    if (strchr(text, '\\') != NULL) {
        return false;
    }

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        if (marker_names(marker, odd[i])) {
            return false;
        }
    }

    for (i = 0; i < marker->count; i++) {
        node = &marker->nodes[i];

        if (node->is_group) {
            continue;
        }

        /* python_version, python_full_version */

        is_version = clash_marker_has(node, "python_", 7);
        is_extra = clash_marker_has(node, "extra", 6);

        if (node->left.is_variable == node->right.is_variable
            || node->operator == MARKER_ARBITRARY
            || (is_extra && node->operator != MARKER_EQUAL)
            || (is_version && !clash_marker_is_version(node))
            || (node->operator != MARKER_EQUAL
                && node->operator != MARKER_NOT_EQUAL
                && is_version != (node->operator > MARKER_NOT_IN)))
        {
            return false;
        }
    }

    return true;
}


static size_t
clash_marker_slot(const struct clash_memo *memo, const char *text)
{
    size_t       slot;
    const char  *p;

    slot = 0;

    for (p = text; *p != '\0'; p++) {
        slot = slot * 31 + (unsigned char) *p;
    }

    slot %= CLASH_MEMO_SLOTS;

    while (memo->slots[slot].text != NULL
           && strcmp(memo->slots[slot].text, text) != 0)
    {
        slot = (slot + 1) % CLASH_MEMO_SLOTS;
    }

    return slot;
}


/* with an "@" the ";" may be part of an address */

bool
clash_marker_skips(struct clash_graph *graph, const char *requirement)
{
    size_t              slot;
    const char         *text;
    struct clash_memo  *memo;

    memo = graph->memo;
    text = strchr(requirement, ';');

    if (text == NULL || strchr(requirement, '@') != NULL) {
        return false;
    }

    slot = clash_marker_slot(memo, ++text);

    if (memo->slots[slot].text != NULL) {
        return memo->slots[slot].is_false;
    }

    if (!clash_graph_may_read(graph, text)) {
        return true;
    }

    if (memo->count == CLASH_MEMO_SLOTS / 2) {
        return clash_marker_is_false(&graph->environment, text);
    }

    memo->count++;
    memo->slots[slot].text = text;
    memo->slots[slot].is_false = clash_marker_is_false(&graph->environment,
                                                       text);

    return memo->slots[slot].is_false;
}


static bool
clash_marker_is_false(const struct marker_environment *environment,
    const char *text)
{
    bool           applies, is_false;
    struct marker  marker;

    is_false = marker_parse(&marker, text, text + strlen(text), NULL) == 0
               && clash_marker_is_plain(&marker, text)
               && marker_evaluate(&marker, environment, &applies, NULL) == 0
               && !applies;
    marker_clear(&marker);

    return is_false;
}
