/* SPDX-License-Identifier: MIT */
/*
 * The grammar of markers.
 */

#include "supervisor/plugin/marker.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/marker_private.h"
#include "supervisor/plugin/names.h"


#define MARKER_DEPTH_MAX  200


struct marker_reader {
    const char     *at;
    const char     *end;
    struct marker  *marker;
    size_t          depth;
    struct error   *err;
};


/* a spelling, and the variable it means if that is another */
struct marker_spelling {
    const char  *text;
    const char  *variable;
};


static const struct marker_spelling  marker_spellings[] = {
    { "python_version", NULL },
    { "python_full_version", NULL },
    { "os_name", NULL },
    { "os.name", "os_name" },
    { "sys_platform", NULL },
    { "sys.platform", "sys_platform" },
    { "platform_release", NULL },
    { "platform_system", NULL },
    { "platform_version", NULL },
    { "platform.version", "platform_version" },
    { "platform_machine", NULL },
    { "platform.machine", "platform_machine" },
    { "platform_python_implementation", NULL },
    { "platform.python_implementation", "platform_python_implementation" },
    { "python_implementation", "platform_python_implementation" },
    { "implementation_name", NULL },
    { "implementation_version", NULL },
    { "extra", NULL },
    { "extras", NULL },
    { "dependency_groups", NULL }
};


static int marker_read_group(struct marker_reader *reader, size_t group);
static int marker_read_atom(struct marker_reader *reader, size_t *node_out);
static int marker_read_comparison(struct marker_reader *reader,
    struct marker_node *node);
static int marker_read_operator(struct marker_reader *reader,
    enum marker_operator *out);
static int marker_read_operand(struct marker_reader *reader,
    struct marker_operand *out);
static bool marker_unquote(const char *at, const char *end,
    struct strbuf *out);
static const char *marker_unescape(const char *at, const char *end,
    struct strbuf *out);
static void marker_normalise(struct marker_node *node);


static int
marker_refuse(struct marker_reader *reader, const char *expected)
{
    int  len;

    len = reader->end - reader->at > 60 ? 60
                                        : (int) (reader->end - reader->at);

    return error_set(reader->err, MINT_ERR_INVALID,
                     "a marker needs %s before \"%.*s\"", expected, len,
                     reader->at);
}


static bool
marker_skip_spaces(struct marker_reader *reader)
{
    const char  *start;

    start = reader->at;

    while (reader->at < reader->end
           && (*reader->at == ' ' || *reader->at == '\t'))
    {
        reader->at++;
    }

    return reader->at > start;
}


/* bytes of other scripts end no word, whatever they are: there is no token
   that begins with one of them */

static bool
marker_is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9')
           || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
           || (unsigned char) c >= 0x80;
}


/* a whole word, and not one that only begins with it */

static bool
marker_take_word(struct marker_reader *reader, const char *word)
{
    size_t       len;
    const char  *at;

    len = strlen(word);
    at = reader->at;

    if ((size_t) (reader->end - at) < len || memcmp(at, word, len) != 0
        || (at + len < reader->end && marker_is_word(at[len])))
    {
        return false;
    }

    reader->at += len;

    return true;
}


static bool
marker_take(struct marker_reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c) {
        return false;
    }

    reader->at++;

    return true;
}


static size_t
marker_add_node(struct marker *marker)
{
    size_t  size;

    /* powers of two */

    if ((marker->count & (marker->count - 1)) == 0) {
        size = marker->count == 0 ? 1 : marker->count * 2;
        marker->nodes = mem_grow(marker->nodes, size,
                                 sizeof(struct marker_node));
    }

    memset(&marker->nodes[marker->count], 0, sizeof(struct marker_node));

    return marker->count++;
}


int
marker_parse(struct marker *out, const char *text, const char *end,
    struct error *err)
{
    int                    rc;
    struct marker_reader   reader;

    memset(out, 0, sizeof(struct marker));
    memset(&reader, 0, sizeof(reader));
    reader.at = text;
    reader.end = end;
    reader.marker = out;
    reader.err = err;

    marker_add_node(out);
    out->nodes[0].is_group = true;
    rc = marker_read_group(&reader, 0);

    if (rc == 0 && reader.at != reader.end) {
        rc = marker_refuse(&reader, "its end");
    }

    return rc;
}


/* atom ((and|or) atom)* */

static int
marker_read_group(struct marker_reader *reader, size_t group)
{
    int                  rc;
    bool                 is_alternative;
    size_t               node, last;
    struct marker_node  *nodes;

    last = 0;
    is_alternative = false;

    do {
        rc = marker_read_atom(reader, &node);

        if (rc != 0) {
            return rc;
        }

        nodes = reader->marker->nodes;
        nodes[node].is_alternative = is_alternative;

        if (last == 0) {
            nodes[group].child = node;

        } else {
            nodes[last].next = node;
        }

        last = node;
        is_alternative = marker_take_word(reader, "or");

    } while (is_alternative || marker_take_word(reader, "and"));

    return 0;
}


/* a comparison, or a marker in parentheses, with spaces around */

static int
marker_read_atom(struct marker_reader *reader, size_t *node_out)
{
    int  rc;

    *node_out = marker_add_node(reader->marker);
    marker_skip_spaces(reader);

    if (marker_take(reader, '(')) {
        if (reader->depth == MARKER_DEPTH_MAX) {
            return error_set(reader->err, MINT_ERR_INVALID,
                             "a marker has more than %d parentheses in each "
                             "other", MARKER_DEPTH_MAX);
        }

        reader->depth++;
        reader->marker->nodes[*node_out].is_group = true;
        rc = marker_read_group(reader, *node_out);
        reader->depth--;

        if (rc == 0 && !marker_take(reader, ')')) {
            rc = marker_refuse(reader, "a closing parenthesis");
        }

    } else {
        rc = marker_read_comparison(reader,
                                    &reader->marker->nodes[*node_out]);
    }

    marker_skip_spaces(reader);

    return rc;
}


static int
marker_read_comparison(struct marker_reader *reader, struct marker_node *node)
{
    int  rc;

    rc = marker_read_operand(reader, &node->left);

    if (rc == 0) {
        marker_skip_spaces(reader);
        rc = marker_read_operator(reader, &node->operator);
    }

    if (rc == 0) {
        marker_skip_spaces(reader);
        rc = marker_read_operand(reader, &node->right);
    }

    if (rc == 0) {
        marker_normalise(node);
    }

    return rc;
}


static int
marker_read_operator(struct marker_reader *reader, enum marker_operator *out)
{
    int     i;
    size_t  len;

    if (marker_take_word(reader, "in")) {
        *out = MARKER_IN;
        return 0;
    }

    if (marker_take_word(reader, "not")) {
        *out = MARKER_NOT_IN;
        return marker_skip_spaces(reader) && marker_take_word(reader, "in")
               ? 0 : marker_refuse(reader, "\"in\" behind \"not\"");
    }

    for (i = MARKER_ARBITRARY; i < MARKER_OPERATOR_COUNT; i++) {
        len = strlen(marker_operator_names[i]);

        if ((size_t) (reader->end - reader->at) >= len
            && memcmp(reader->at, marker_operator_names[i], len) == 0)
        {
            reader->at += len;
            *out = (enum marker_operator) i;
            return 0;
        }
    }

    return marker_refuse(reader, "an operator");
}


static int
marker_read_operand(struct marker_reader *reader, struct marker_operand *out)
{
    size_t                         i;
    const char                    *closing;
    struct strbuf                  text;
    const struct marker_spelling  *spelling;

    for (i = 0; i < sizeof(marker_spellings) / sizeof(marker_spellings[0]);
         i++)
    {
        spelling = &marker_spellings[i];

        if (marker_take_word(reader, spelling->text)) {
            out->is_variable = true;
            out->text = mem_strdup(spelling->variable != NULL
                                   ? spelling->variable : spelling->text);
            return 0;
        }
    }

    if (reader->at == reader->end
        || (*reader->at != '\'' && *reader->at != '"'))
    {
        return marker_refuse(reader, "a variable or a quoted text");
    }

    closing = memchr(reader->at + 1, *reader->at,
                     (size_t) (reader->end - reader->at - 1));
    memset(&text, 0, sizeof(text));

    if (closing == NULL || !marker_unquote(reader->at + 1, closing, &text)) {
        strbuf_free(&text);
        return marker_refuse(reader, "a proper quoted text");
    }

    out->text = text.data != NULL ? text.data : mem_strdup("");
    reader->at = closing + 1;

    return 0;
}


/* ---- quoted text: that of Python --------------------------------------- */


/* NUL cannot stand in a text: its two-byte form equals nothing else */

static void
marker_put_char(struct strbuf *out, uint32_t c)
{
    char    bytes[4];
    size_t  len;

    if (c > 0 && c < 0x80) {
        bytes[0] = (char) c;
        len = 1;

    } else if (c < 0x800) {
        bytes[0] = (char) (0xc0 | c >> 6);
        bytes[1] = (char) (0x80 | (c & 0x3f));
        len = 2;

    } else if (c < 0x10000) {
        bytes[0] = (char) (0xe0 | c >> 12);
        bytes[1] = (char) (0x80 | (c >> 6 & 0x3f));
        bytes[2] = (char) (0x80 | (c & 0x3f));
        len = 3;

    } else {
        bytes[0] = (char) (0xf0 | c >> 18);
        bytes[1] = (char) (0x80 | (c >> 12 & 0x3f));
        bytes[2] = (char) (0x80 | (c >> 6 & 0x3f));
        bytes[3] = (char) (0x80 | (c & 0x3f));
        len = 4;
    }

    strbuf_append(out, bytes, len);
}


static bool
marker_unquote(const char *at, const char *end, struct strbuf *out)
{
    const char  *plain;

    while (at != NULL && at < end) {
        for (plain = at; at < end && *at != '\\'; at++) {
            if (*at == '\n' || *at == '\r' || *at == '\0') {
                return false;
            }
        }

        strbuf_append(out, plain, (size_t) (at - plain));

        if (at < end) {
            at = marker_unescape(at + 1, end, out);
        }
    }

    return at != NULL;
}


static int
marker_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}


/* up to "most" digits of the base; their number */

static size_t
marker_number(const char *at, const char *end, int base, size_t most,
    uint32_t *out)
{
    size_t  len;

    *out = 0;

    for (len = 0; len < most && at + len < end
         && marker_digit(at[len]) < base; len++)
    {
        *out = *out * (uint32_t) base + (uint32_t) marker_digit(at[len]);
    }

    return len;
}


/* behind a backslash; NULL where Python has no text either, and for names of
   characters (\N{...}), whose table is not here */

static const char *
marker_unescape(const char *at, const char *end, struct strbuf *out)
{
    size_t       len, wanted;
    uint32_t     c;
    const char  *simple;

    static const char  from[] = "\\'\"abfnrtv";
    static const char  to[] = "\\'\"\a\b\f\n\r\t\v";

    if (at == end || *at == 'N') {
        return NULL;
    }

    /* a line that goes on */

    if (*at == '\n' || *at == '\r') {
        return at + (*at == '\r' && end - at > 1 && at[1] == '\n' ? 2 : 1);
    }

    simple = *at != '\0' ? strchr(from, *at) : NULL;

    if (simple != NULL) {
        strbuf_append(out, &to[simple - from], 1);
        return at + 1;
    }

    if (*at >= '0' && *at <= '7') {
        len = marker_number(at, end, 8, 3, &c);
        marker_put_char(out, c);
        return at + len;
    }

    wanted = *at == 'x' ? 2 : *at == 'u' ? 4 : *at == 'U' ? 8 : 0;

    if (wanted == 0) {
        strbuf_append(out, "\\", 1);
        return at;
    }

    if (marker_number(at + 1, end, 16, wanted, &c) != wanted || c > 0x10ffff) {
        return NULL;
    }

    marker_put_char(out, c);

    return at + 1 + wanted;
}


/* names of extras are compared normalised (PEP 685, PEP 735) */

static void
marker_normalise(struct marker_node *node)
{
    char                         *normalised;
    struct marker_operand        *text;
    const struct marker_operand  *variable;

    if (node->left.is_variable && !node->right.is_variable
        && strcmp(node->left.text, "extra") == 0)
    {
        variable = &node->left;
        text = &node->right;

    } else {
        variable = &node->right;
        text = &node->left;
    }

    if (!variable->is_variable || text->is_variable
        || (strcmp(variable->text, "extra") != 0
            && !marker_is_set(variable->text)))
    {
        return;
    }

    normalised = names_normalise(text->text);
    free(text->text);
    text->text = normalised;
}
