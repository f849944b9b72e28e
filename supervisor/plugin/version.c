/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing of PEP 440 versions.  version_order.c compares them,
 * specifier.c judges whether one is wanted.
 */

#include "supervisor/plugin/version.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>


struct version_word {
    const char          *text;
    enum version_phase   phase;
};


/* of words that begin alike the longer one first */
static const struct version_word  version_phases[] = {
    { "alpha",   VERSION_ALPHA },
    { "a",       VERSION_ALPHA },
    { "beta",    VERSION_BETA },
    { "b",       VERSION_BETA },
    { "preview", VERSION_CANDIDATE },
    { "pre",     VERSION_CANDIDATE },
    { "rc",      VERSION_CANDIDATE },
    { "c",       VERSION_CANDIDATE },
    { NULL,      VERSION_FINAL }
};

static const struct version_word  version_posts[] = {
    { "post", VERSION_FINAL },
    { "rev",  VERSION_FINAL },
    { "r",    VERSION_FINAL },
    { NULL,   VERSION_FINAL }
};

static const struct version_word  version_devs[] = {
    { "dev", VERSION_FINAL },
    { NULL,  VERSION_FINAL }
};

static const char *const  version_phase_names[] = {
    [VERSION_ALPHA] = "a",
    [VERSION_BETA] = "b",
    [VERSION_CANDIDATE] = "rc",
    [VERSION_FINAL] = ""
};


static void version_render(const struct version *parts, struct strbuf *out);
static void version_render_local(struct version_part local,
    struct strbuf *out);
static void version_render_key(struct strbuf *text);
static void version_trim(struct version *version);


static bool
version_is_digit(char c)
{
    return c >= '0' && c <= '9';
}


static bool
version_is_alnum(char c)
{
    return version_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}


static bool
version_is_separator(char c)
{
    return c == '.' || c == '-' || c == '_';
}


/* ---- scanning ---------------------------------------------------------- */


static struct version_part
version_digits(const char **at, const char *end)
{
    struct version_part  part;

    part.at = *at;

    while (*at < end && version_is_digit(**at)) {
        (*at)++;
    }

    part.len = (size_t) (*at - part.at);

    return part;
}


/* [._-]? word [._-]? digits?: the word's row, or NULL and *at as it was */

static const struct version_word *
version_suffix(const char **at, const char *end,
    const struct version_word *words, struct version_part *number)
{
    size_t       len;
    const char  *p;

    p = *at;

    if (p < end && version_is_separator(*p)) {
        p++;
    }

    for ( /* void */ ; words->text != NULL; words++) {
        len = strlen(words->text);

        if ((size_t) (end - p) >= len && strncasecmp(p, words->text, len) == 0)
        {
            break;
        }
    }

    if (words->text == NULL) {
        return NULL;
    }

    p += len;

    if (p < end && version_is_separator(*p)) {
        p++;
    }

    *number = version_digits(&p, end);
    *at = p;

    return words;
}


/* v? epoch! release; the number of release numbers */

static size_t
version_scan_release(struct version *out, const char **at, const char *end)
{
    size_t               count;
    const char          *p;
    struct version_part  digits;

    p = *at;

    if (p < end && (*p == 'v' || *p == 'V')) {
        p++;
    }

    digits = version_digits(&p, end);

    if (digits.len > 0 && p < end && *p == '!') {
        out->epoch = digits;
        p++;
        digits = version_digits(&p, end);
    }

    if (digits.len == 0) {
        return 0;
    }

    out->release.at = digits.at;

    for (count = 1; end - p > 1 && *p == '.' && version_is_digit(p[1]);
         count++)
    {
        p++;
        version_digits(&p, end);
    }

    out->release.len = (size_t) (p - out->release.at);
    *at = p;

    return count;
}


static void
version_scan_suffixes(struct version *out, const char **at, const char *end)
{
    const char                 *p;
    const struct version_word  *word;

    word = version_suffix(at, end, version_phases, &out->pre);
    out->phase = word != NULL ? word->phase : VERSION_FINAL;
    p = *at;

    if (end - p > 1 && *p == '-' && version_is_digit(p[1])) {
        p++;
        out->post = version_digits(&p, end);
        out->has_post = true;
        *at = p;

    } else {
        out->has_post = version_suffix(at, end, version_posts, &out->post)
                        != NULL;
    }

    out->has_dev = version_suffix(at, end, version_devs, &out->dev) != NULL;
}


static void
version_scan_local(struct version *out, const char **at, const char *end)
{
    const char  *p;

    p = *at;

    if (end - p < 2 || *p != '+' || !version_is_alnum(p[1])) {
        return;
    }

    out->local.at = ++p;

    while (p < end && (version_is_alnum(*p)
                       || (version_is_separator(*p) && end - p > 1
                           && version_is_alnum(p[1]))))
    {
        p++;
    }

    out->local.len = (size_t) (p - out->local.at);
    *at = p;
}


/* parts in the source text; NULL if there is no version */

static const char *
version_scan(struct version *out, const char *text, const char *end,
    enum version_form form)
{
    size_t  count;

    memset(out, 0, sizeof(struct version));
    count = version_scan_release(out, &text, end);

    if (count < (form == VERSION_SEGMENTED ? 2 : 1)) {
        return NULL;
    }

    if (form == VERSION_PREFIX && end - text >= 2 && text[0] == '.'
        && text[1] == '*')
    {
        return text + 2;
    }

    version_scan_suffixes(out, &text, end);

    if (form == VERSION_ANY || form == VERSION_PREFIX) {
        version_scan_local(out, &text, end);
    }

    return text;
}


const char *
version_extent(const char *text, const char *end, enum version_form form)
{
    struct version  parts;

    return version_scan(&parts, text, end, form);
}


int
version_parse(struct version *out, const char *text, size_t len,
    struct error *err)
{
    const char      *at, *end;
    struct version   parts;

    at = text;
    end = text + len;
    version_strip(&at, &end);

    if (version_scan(&parts, at, end, VERSION_ANY) != end) {
        memset(out, 0, sizeof(struct version));
        return error_set(err, MINT_ERR_INVALID,
                         "\"%.*s\" is not a version",
                         len > 100 ? 100 : (int) len, text);
    }

    version_build(out, &parts);

    return 0;
}


void
version_clear(struct version *version)
{
    free(version->text);
    memset(version, 0, sizeof(struct version));
}


/* ---- normalising ------------------------------------------------------- */


void
version_build(struct version *out, const struct version *parts)
{
    size_t         len;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    version_render(parts, &text);
    len = text.len;

    if (parts->local.len > 0) {
        version_render_key(&text);
    }

    version_scan(out, text.data, text.data + len, VERSION_ANY);
    version_trim(out);

    if (out->local.len > 0) {
        out->local_key.at = text.data + len + 1;
        out->local_key.len = text.len - len - 1;
    }

    out->text = text.data;
}


struct version_part
version_significant(struct version_part number)
{
    while (number.len > 0 && *number.at == '0') {
        number.at++;
        number.len--;
    }

    return number;
}


static void
version_render_number(struct version_part number, struct strbuf *out)
{
    number = version_significant(number);

    if (number.len == 0) {
        strbuf_append(out, "0", 1);

    } else {
        strbuf_append(out, number.at, number.len);
    }
}


/* takes the first dotted (in a local part: separated) part off the front */

static struct version_part
version_first(struct version_part *parts)
{
    struct version_part  first;

    first.at = parts->at;
    first.len = 0;

    while (first.len < parts->len && !version_is_separator(first.at[first.len]))
    {
        first.len++;
    }

    parts->at += first.len;
    parts->len -= first.len;

    if (parts->len > 0) {
        parts->at++;
        parts->len--;
    }

    return first;
}


static void
version_render(const struct version *parts, struct strbuf *out)
{
    struct version_part  rest;

    if (version_significant(parts->epoch).len > 0) {
        version_render_number(parts->epoch, out);
        strbuf_append(out, "!", 1);
    }

    for (rest = parts->release; rest.len > 0; /* void */) {
        version_render_number(version_first(&rest), out);

        if (rest.len > 0) {
            strbuf_append(out, ".", 1);
        }
    }

    if (parts->phase != VERSION_FINAL) {
        strbuf_puts(out, version_phase_names[parts->phase]);
        version_render_number(parts->pre, out);
    }

    if (parts->has_post) {
        strbuf_puts(out, ".post");
        version_render_number(parts->post, out);
    }

    if (parts->has_dev) {
        strbuf_puts(out, ".dev");
        version_render_number(parts->dev, out);
    }

    if (parts->local.len > 0) {
        version_render_local(parts->local, out);
    }
}


static bool
version_is_number(struct version_part part)
{
    size_t  i;

    for (i = 0; i < part.len; i++) {
        if (!version_is_digit(part.at[i])) {
            return false;
        }
    }

    return true;
}


static void
version_render_local(struct version_part local, struct strbuf *out)
{
    char                 c;
    size_t               i;
    struct version_part  part;

    strbuf_append(out, "+", 1);

    while (local.len > 0) {
        part = version_first(&local);

        if (version_is_number(part)) {
            version_render_number(part, out);

        } else {
            for (i = 0; i < part.len; i++) {
                c = part.at[i];
                c = version_is_digit(c) ? c : (char) (c | 0x20);
                strbuf_append(out, &c, 1);
            }
        }

        if (local.len > 0) {
            strbuf_append(out, ".", 1);
        }
    }
}


/* the local part once more, behind the NUL of the text */

static void
version_render_key(struct strbuf *text)
{
    struct strbuf        key;
    struct version_part  part, local;

    memset(&key, 0, sizeof(key));
    local.at = strchr(text->data, '+') + 1;
    local.len = (size_t) (text->data + text->len - local.at);

    while (local.len > 0) {
        part = version_first(&local);
        strbuf_append(&key, version_is_number(part) ? "n" : "w", 1);
        strbuf_append(&key, part.at, part.len);

        if (local.len > 0) {
            strbuf_append(&key, ".", 1);
        }
    }

    strbuf_append(text, "", 1);
    strbuf_append(text, key.data, key.len);
    strbuf_free(&key);
}


/* one number stays, whatever it is */

static void
version_trim(struct version *version)
{
    const char           *at;
    struct version_part   release;

    release = version->release;
    at = release.at;

    while (release.len > 2 && at[release.len - 1] == '0'
           && at[release.len - 2] == '.')
    {
        release.len -= 2;
    }

    version->trimmed = release;
}


void
version_write(const struct version *version, bool trimmed,
    struct strbuf *out)
{
    struct version  parts;

    if (!trimmed) {
        strbuf_puts(out, version->text);
        return;
    }

    parts = *version;
    parts.release = version->trimmed;
    version_render(&parts, out);
}


void
version_write_next(struct version_part number, struct strbuf *out)
{
    size_t  i, start;

    number = version_significant(number);
    start = out->len;

    strbuf_append(out, "0", 1);
    strbuf_append(out, number.at, number.len);

    for (i = out->len - 1; out->data[i] == '9'; i--) {
        out->data[i] = '0';
    }

    out->data[i]++;

    if (out->data[start] == '0') {
        memmove(out->data + start, out->data + start + 1, out->len - start);
        out->len--;
    }
}


bool
version_is_prerelease(const struct version *version)
{
    return version->phase != VERSION_FINAL || version->has_dev;
}
