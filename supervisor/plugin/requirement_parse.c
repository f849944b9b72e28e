/* SPDX-License-Identifier: MIT */
/*
 * The grammar of PEP 508 requirements: name, extras, versions or an address,
 * marker.
 */

#include "supervisor/plugin/requirement.h"

#include <stdlib.h>
#include <string.h>


struct requirement_reader {
    const char          *at;
    const char          *end;
    struct requirement  *out;
    struct error        *err;
};


static int requirement_read(struct requirement_reader *reader);
static int requirement_read_extras(struct requirement_reader *reader);
static int requirement_read_address(struct requirement_reader *reader);
static int requirement_read_versions(struct requirement_reader *reader);
static bool requirement_read_list(struct requirement_reader *reader);
static int requirement_read_items(struct requirement_reader *reader);
static int requirement_read_marker(struct requirement_reader *reader);


static int
requirement_refuse(struct requirement_reader *reader, const char *expected)
{
    return error_set(reader->err, MINT_ERR_INVALID,
                     "\"%.100s\" is not a requirement: it needs %s before "
                     "\"%.40s\"", reader->out->whole, expected, reader->at);
}


static void
requirement_skip_spaces(struct requirement_reader *reader)
{
    reader->at += strspn(reader->at, " \t");
}


static bool
requirement_take(struct requirement_reader *reader, char c)
{
    if (*reader->at != c) {
        return false;
    }

    reader->at++;

    return true;
}


static char *
requirement_copy(const char *text, size_t len)
{
    char  *copy;

    copy = mem_alloc(len + 1);
    memcpy(copy, text, len);

    return copy;
}


/* a name of a distribution or an extra; NULL if there is none.  What it ends
   with may be "_" here */

static char *
requirement_read_name(struct requirement_reader *reader)
{
    char        *name;
    size_t       len;

    static const char  chars[] = "abcdefghijklmnopqrstuvwxyz"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    len = strspn(reader->at, chars);

    if (len == 0 || strchr("._-", reader->at[0]) != NULL
        || strchr(".-", reader->at[len - 1]) != NULL)
    {
        return NULL;
    }

    name = requirement_copy(reader->at, len);
    reader->at += len;

    return name;
}


int
requirement_parse(struct requirement *out, const char *text,
    struct error *err)
{
    int                         rc;
    struct requirement_reader   reader;

    memset(out, 0, sizeof(struct requirement));
    out->whole = mem_strdup(text);

    reader.at = out->whole;
    reader.end = out->whole + strlen(out->whole);
    reader.out = out;
    reader.err = err;
    rc = requirement_read(&reader);

    out->is_valid = rc == 0;

    if (out->name == NULL) {
        out->name = mem_strdup("");
    }

    if (out->text == NULL) {
        out->text = mem_strdup(text);
    }

    if (rc == 0 && (out->url != NULL || marker_names(&out->marker, "extra"))) {
        out->verdict = REQUIREMENT_OTHER;
    }

    return rc;
}


void
requirement_skim(struct requirement *out, const char *text)
{
    struct requirement_reader  reader;

    memset(out, 0, sizeof(struct requirement));
    out->whole = mem_strdup(text);
    out->text = mem_strdup(text);
    out->has_marker = strchr(text, ';') != NULL;

    reader.at = out->whole;
    requirement_skip_spaces(&reader);
    out->name = requirement_read_name(&reader);

    if (out->name == NULL) {
        out->name = mem_strdup("");
    }
}


void
requirement_clear(struct requirement *requirement)
{
    free(requirement->whole);
    free(requirement->text);
    free(requirement->name);
    free(requirement->url);
    text_list_clear(&requirement->extras);
    specifier_set_clear(&requirement->specifiers);
    marker_clear(&requirement->marker);
    memset(requirement, 0, sizeof(struct requirement));
}


static int
requirement_read(struct requirement_reader *reader)
{
    int          rc;
    const char  *start, *end;

    requirement_skip_spaces(reader);
    start = reader->at;
    reader->out->name = requirement_read_name(reader);

    if (reader->out->name == NULL) {
        return requirement_refuse(reader, "a name");
    }

    requirement_skip_spaces(reader);
    rc = requirement_read_extras(reader);

    if (rc == 0) {
        rc = requirement_take(reader, '@') ? requirement_read_address(reader)
                                           : requirement_read_versions(reader);
    }

    if (rc != 0) {
        return rc;
    }

    for (end = reader->at; end[-1] == ' ' || end[-1] == '\t'; end--) {
        /* void */
    }

    reader->out->text = requirement_copy(start, (size_t) (end - start));

    return reader->at == reader->end ? 0 : requirement_read_marker(reader);
}


/* nothing, or "[a, b]" */

static int
requirement_read_extras(struct requirement_reader *reader)
{
    char  *name;
    bool   is_first;

    if (!requirement_take(reader, '[')) {
        return 0;
    }

    for (is_first = true; /* void */ ; is_first = false) {
        requirement_skip_spaces(reader);
        name = requirement_read_name(reader);

        if (name != NULL) {
            text_list_add(&reader->out->extras, name);
            free(name);

        } else if (!is_first) {
            return requirement_refuse(reader, "the name of an extra");
        }

        requirement_skip_spaces(reader);

        if (name == NULL || !requirement_take(reader, ',')) {
            break;
        }
    }

    if (!requirement_take(reader, ']')) {
        return requirement_refuse(reader, "\"]\"");
    }

    requirement_skip_spaces(reader);

    return 0;
}


/* up to white space, so that it may hold ";" */

static int
requirement_read_address(struct requirement_reader *reader)
{
    const char  *start;

    requirement_skip_spaces(reader);

    for (start = reader->at; reader->at < reader->end; reader->at++) {
        if (version_space(reader->at, reader->end) > 0) {
            break;
        }
    }

    if (reader->at == start) {
        return requirement_refuse(reader, "an address");
    }

    reader->out->url = requirement_copy(start, (size_t) (reader->at - start));

    if (reader->at < reader->end && *reader->at != ' ' && *reader->at != '\t') {
        return requirement_refuse(reader, "a space");
    }

    requirement_skip_spaces(reader);

    return 0;
}


static int
requirement_read_versions(struct requirement_reader *reader)
{
    int   rc;
    bool  in_parentheses;

    in_parentheses = requirement_take(reader, '(');

    if (in_parentheses) {
        requirement_skip_spaces(reader);
    }

    rc = requirement_read_list(reader) ? 0 : requirement_read_items(reader);

    if (rc == 0 && in_parentheses) {
        if (!requirement_take(reader, ')')) {
            return requirement_refuse(reader, "\")\"");
        }

        requirement_skip_spaces(reader);
    }

    return rc;
}


/*
 * All up to ";", ")" or the end, if that is a list of specifiers, with or
 * without a comma at its end.  The two ways differ in "===": here a comma
 * ends what stands behind it, read one by one it does not.
 */

static bool
requirement_read_list(struct requirement_reader *reader)
{
    size_t                 i, len, commas, given;
    struct specifier_set  *specifiers;

    specifiers = &reader->out->specifiers;
    len = strcspn(reader->at, ";)");
    commas = 0;
    given = 0;

    for (i = 0; i < len; i++) {
        if (reader->at[i] != '\t'
            && (reader->at[i] < 0x20 || reader->at[i] > 0x7e))
        {
            return false;
        }

        commas += reader->at[i] == ',';

        if (reader->at[i] != ' ' && reader->at[i] != '\t') {
            given = i + 1;
        }
    }

    if (given == 0
        || specifier_set_parse(specifiers, reader->at, len, NULL) != 0)
    {
        return false;
    }

    if (specifiers->count == commas + 1
        || (specifiers->count == commas && commas > 0
            && reader->at[given - 1] == ','))
    {
        reader->at += len;
        return true;
    }

    specifier_set_clear(specifiers);

    return false;
}


static int
requirement_read_items(struct requirement_reader *reader)
{
    int             rc;
    const char     *end;
    struct strbuf   list;

    memset(&list, 0, sizeof(list));

    while ((end = specifier_extent(reader->at, reader->end)) != NULL) {
        strbuf_append(&list, reader->at, (size_t) (end - reader->at));
        reader->at = end;
        requirement_skip_spaces(reader);

        if (!requirement_take(reader, ',')) {
            break;
        }

        strbuf_append(&list, ",", 1);
        requirement_skip_spaces(reader);
    }

    rc = specifier_set_parse(&reader->out->specifiers, strbuf_text(&list),
                             list.len, reader->err);
    strbuf_free(&list);

    return rc;
}


static int
requirement_read_marker(struct requirement_reader *reader)
{
    if (!requirement_take(reader, ';')) {
        return requirement_refuse(reader, "\";\" or its end");
    }

    reader->out->has_marker = true;

    return marker_parse(&reader->out->marker, reader->at, reader->end,
                        reader->err);
}
