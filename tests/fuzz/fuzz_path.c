/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the ways of reading a request's path.  What the module says is
 * compared with readings made here the slow way, among them nginx's own:
 * decode, merge slashes, resolve dot segments.  The first byte chooses where
 * the head of a path ends.
 */

#include "ngx_mint_module/ngx_http_mint_target.c"
#include "ngx_mint_module/ngx_http_mint_text.c"

#include <stdlib.h>


#define FUZZ_MAX  4096


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


struct fuzz_path {
    size_t   len;
    uint8_t  text[FUZZ_MAX];
};


static void
fuzz_require(int is_true)
{
    if (!is_true) {
        abort();
    }
}


/* segment by segment; what is not a dot segment is kept, also empty ones */

static void
fuzz_normalise(struct fuzz_path *to, const struct fuzz_path *from)
{
    size_t  i, start, len;

    to->len = 0;

    for (i = 0; i < from->len; i++) {
        start = i;

        while (i < from->len && from->text[i] != '/') {
            i++;
        }

        len = i - start;

        if (len == 2 && memcmp(from->text + start, "..", 2) == 0) {
            while (to->len > 0 && to->text[to->len - 1] != '/') {
                to->len--;
            }

            to->len -= to->len > 0;

            while (to->len > 0 && to->text[to->len - 1] != '/') {
                to->len--;
            }

            continue;
        }

        if (len == 1 && from->text[start] == '.') {
            continue;
        }

        if (len == 0 && to->len > 0 && to->text[to->len - 1] == '/') {
            continue;
        }

        memcpy(to->text + to->len, from->text + start, len);
        to->len += len;

        if (i < from->len) {
            to->text[to->len++] = '/';
        }
    }
}


static void
fuzz_merge(struct fuzz_path *path)
{
    size_t  i, n;

    for (i = 0, n = 0; i < path->len; i++) {
        if (path->text[i] != '/' || n == 0 || path->text[n - 1] != '/') {
            path->text[n++] = path->text[i];
        }
    }

    path->len = n;
}


/* a path that nobody would read in two ways */

static void
fuzz_unambiguous(const uint8_t *raw, size_t len, const struct fuzz_path *path)
{
    size_t            i, slashes;
    struct fuzz_path  merged, normal;

    fuzz_require(memchr(path->text, '\0', path->len) == NULL);
    fuzz_require(memchr(path->text, '\\', path->len) == NULL);

    for (i = 0, slashes = 0; i < len && raw[i] != '?'; i++) {
        fuzz_require(raw[i] != ';' && raw[i] != '#');
        slashes += raw[i] == '/';
    }

    for (i = 0; i < path->len; i++) {
        slashes -= path->text[i] == '/';
    }

    fuzz_require(slashes == 0);

    merged = *path;
    fuzz_merge(&merged);
    fuzz_normalise(&normal, path);
    fuzz_require(normal.len == merged.len
                 && memcmp(normal.text, merged.text, merged.len) == 0);
}


static int
fuzz_is(const struct fuzz_path *segment, const char *name)
{
    return segment->len == strlen(name)
           && memcmp(segment->text, name, segment->len) == 0;
}


/* segments without parameters, empty ones skipped */

static int
fuzz_is_hidden(const struct fuzz_path *path)
{
    int               is_parameter;
    size_t            i;
    unsigned          n;
    struct fuzz_path  segments[2];

    segments[0].len = 0;
    segments[1].len = 0;
    is_parameter = 0;

    for (i = 0, n = 0; i < path->len && n < 2; i++) {
        if (path->text[i] == '/') {
            n += segments[n].len > 0;
            is_parameter = 0;

        } else if (path->text[i] == ';') {
            is_parameter = 1;

        } else if (!is_parameter) {
            segments[n].text[segments[n].len++] = path->text[i];
        }
    }

    return fuzz_is(&segments[0], "__mint")
           || (fuzz_is(&segments[0], "api")
               && fuzz_is(&segments[1], "internal"));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int               has;
    size_t            cut, len, again;
    const uint8_t    *raw;
    struct fuzz_path  path, bare;

    if (size < 2 || size > FUZZ_MAX) {
        return 0;
    }

    raw = data + 1;
    size--;

    path.len = ngx_http_mint_target_decode_path(path.text, raw, size);
    fuzz_require(path.len <= size);

    /* nginx lets no other target through */

    if ((raw[0] == '/' || raw[0] == '?')
        && ngx_http_mint_target_ambiguous(raw, size) == NULL)
    {
        fuzz_unambiguous(raw, size, &path);
    }

    /* heads of the decoded path, and one that is none */

    cut = data[0] % (path.len + 1);
    has = cut == path.len || path.text[cut] == '/';
    fuzz_require(ngx_http_mint_target_has_head(raw, size, path.text, cut)
                 == has);

    if (cut > 0) {
        path.text[cut - 1] ^= 1;
        fuzz_require(!ngx_http_mint_target_has_head(raw, size, path.text, cut));
        path.text[cut - 1] ^= 1;
    }

    fuzz_require(ngx_http_mint_target_hidden(path.text, path.len)
                 == fuzz_is_hidden(&path));

    bare = path;
    bare.len = ngx_http_mint_target_drop_parameters(bare.text, bare.len);
    fuzz_require(memchr(bare.text, ';', bare.len) == NULL);

    again = bare.len;
    fuzz_merge(&bare);
    fuzz_require(again == bare.len);

    len = ngx_http_mint_target_drop_parameters(bare.text, bare.len);
    fuzz_require(len == bare.len);

    return 0;
}
