/* SPDX-License-Identifier: MIT */
/*
 * One entry of uv's cache: MessagePack, an array of name, version, list of
 * requirements, Requires-Python or nil, list of extras, and whether that may
 * change.  Behind it lies what uv keeps of the HTTP answer.
 */

#include "supervisor/plugin/uv_cache.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/fs.h"
#include "supervisor/plugin/names.h"


#define UV_ENTRY_FIELDS      6
#define UV_ENTRY_TEXT_MAX    4096
#define UV_ENTRY_ITEMS_MAX   4096


/* https://github.com/msgpack/msgpack/blob/master/spec.md, as far as it is
   used: texts, lists, nil, false, true */
enum uv_entry_kind {
    UV_ENTRY_BAD = 0,
    UV_ENTRY_NIL = 1,
    UV_ENTRY_FALSE = 2,
    UV_ENTRY_TRUE = 3,
    UV_ENTRY_TEXT = 4,
    UV_ENTRY_LIST = 5
};


struct uv_entry_reader {
    const unsigned char  *at;
    const unsigned char  *end;
};


static enum uv_entry_kind uv_entry_next(struct uv_entry_reader *reader,
    size_t *length);


/* a form: its first byte without the bits of the length, how many these are,
   or how many bytes of a length follow */
static const struct {
    unsigned char       first;
    unsigned char       mask;
    unsigned            length_bytes;
    enum uv_entry_kind  kind;
} uv_entry_forms[] = {
    { 0x90, 0xf0, 0, UV_ENTRY_LIST  },
    { 0xdc, 0xff, 2, UV_ENTRY_LIST  },
    { 0xdd, 0xff, 4, UV_ENTRY_LIST  },
    { 0xa0, 0xe0, 0, UV_ENTRY_TEXT  },
    { 0xd9, 0xff, 1, UV_ENTRY_TEXT  },
    { 0xda, 0xff, 2, UV_ENTRY_TEXT  },
    { 0xdb, 0xff, 4, UV_ENTRY_TEXT  },
    { 0xc0, 0xff, 0, UV_ENTRY_NIL   },
    { 0xc2, 0xff, 0, UV_ENTRY_FALSE },
    { 0xc3, 0xff, 0, UV_ENTRY_TRUE  },
};

#define UV_ENTRY_FORMS  (sizeof(uv_entry_forms) / sizeof(uv_entry_forms[0]))


/* length: of a text in bytes, of a list in items */

static enum uv_entry_kind
uv_entry_next(struct uv_entry_reader *reader, size_t *length)
{
    size_t         i, k;
    unsigned char  first;

    *length = 0;

    if (reader->at == reader->end) {
        return UV_ENTRY_BAD;
    }

    first = *reader->at++;

    for (i = 0; i < UV_ENTRY_FORMS; i++) {
        if ((first & uv_entry_forms[i].mask) == uv_entry_forms[i].first) {
            break;
        }
    }

    if (i == UV_ENTRY_FORMS
        || (size_t) (reader->end - reader->at) < uv_entry_forms[i].length_bytes)
    {
        return UV_ENTRY_BAD;
    }

    *length = first & (unsigned char) ~uv_entry_forms[i].mask;

    for (k = 0; k < uv_entry_forms[i].length_bytes; k++) {
        *length = *length << 8 | *reader->at++;
    }

    return uv_entry_forms[i].kind;
}


/* mem_alloc; NULL: it is none, or may be nil and is (*is_nil) */

static char *
uv_entry_text(struct uv_entry_reader *reader, bool *is_nil)
{
    char                *text;
    size_t               length;
    enum uv_entry_kind   kind;

    kind = uv_entry_next(reader, &length);

    if (is_nil != NULL) {
        *is_nil = kind == UV_ENTRY_NIL;
    }

    if (kind != UV_ENTRY_TEXT || length > UV_ENTRY_TEXT_MAX
        || (size_t) (reader->end - reader->at) < length
        || memchr(reader->at, '\0', length) != NULL)
    {
        return NULL;
    }

    text = mem_alloc(length + 1);
    memcpy(text, reader->at, length);
    reader->at += length;

    return text;
}


/* false: it is no list of texts */

static bool
uv_entry_texts(struct uv_entry_reader *reader, struct text_list *out)
{
    char    *text;
    size_t   i, count;

    if (uv_entry_next(reader, &count) != UV_ENTRY_LIST
        || count > UV_ENTRY_ITEMS_MAX)
    {
        return false;
    }

    for (i = 0; i < count; i++) {
        text = uv_entry_text(reader, NULL);

        if (text == NULL) {
            return false;
        }

        text_list_add(out, text);
        free(text);
    }

    return true;
}


/* dynamic: the wheel's metadata are not what would be built; never of a wheel
   from an index */

static bool
uv_entry_read(struct uv_release *out, struct uv_entry_reader *reader)
{
    bool                 is_nil, is_good;
    char                *name;
    size_t               length;
    struct text_list     extras;

    if (uv_entry_next(reader, &length) != UV_ENTRY_LIST
        || length != UV_ENTRY_FIELDS)
    {
        return false;
    }

    name = uv_entry_text(reader, NULL);
    out->name = name != NULL && names_distribution_is_valid(name)
                ? names_normalise(name) : NULL;
    free(name);

    out->version = out->name != NULL ? uv_entry_text(reader, NULL) : NULL;

    if (out->version == NULL || !uv_entry_texts(reader, &out->requires)) {
        return false;
    }

    out->requires_python = uv_entry_text(reader, &is_nil);

    if (out->requires_python == NULL && !is_nil) {
        return false;
    }

    memset(&extras, 0, sizeof(extras));
    is_good = uv_entry_texts(reader, &extras);
    text_list_clear(&extras);

    return is_good && uv_entry_next(reader, &length) == UV_ENTRY_FALSE;
}


int
uv_release_parse(struct uv_release *out, const void *data, size_t size)
{
    struct uv_entry_reader  reader;

    memset(out, 0, sizeof(struct uv_release));
    reader.at = data;
    reader.end = reader.at + size;

    if (uv_entry_read(out, &reader)) {
        return 0;
    }

    uv_release_clear(out);

    return MINT_ERR_INVALID;
}


void
uv_release_clear(struct uv_release *release)
{
    free(release->name);
    free(release->version);
    free(release->requires_python);
    text_list_clear(&release->requires);
    memset(release, 0, sizeof(struct uv_release));
}
