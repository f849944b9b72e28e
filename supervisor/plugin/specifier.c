/* SPDX-License-Identifier: MIT */
/*
 * One specifier: its syntax and the versions that it stands for.
 */

#include "supervisor/plugin/specifier.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>


struct specifier_form {
    const char         *name;
    enum version_form   form;
};


/* an operator comes before those that it begins with */
static const struct specifier_form
specifier_forms[SPECIFIER_OPERATOR_COUNT] = {
    [SPECIFIER_ARBITRARY] =  { "===", VERSION_ANY },
    [SPECIFIER_COMPATIBLE] = { "~=",  VERSION_SEGMENTED },
    [SPECIFIER_EQUAL] =      { "==",  VERSION_PREFIX },
    [SPECIFIER_NOT_EQUAL] =  { "!=",  VERSION_PREFIX },
    [SPECIFIER_AT_MOST] =    { "<=",  VERSION_PUBLIC },
    [SPECIFIER_AT_LEAST] =   { ">=",  VERSION_PUBLIC },
    [SPECIFIER_BELOW] =      { "<",   VERSION_PUBLIC },
    [SPECIFIER_ABOVE] =      { ">",   VERSION_PUBLIC }
};

static const struct version_bound  specifier_unbounded = {
    .version = NULL
};


static void specifier_bind(struct specifier *specifier);


size_t
specifier_operator_scan(const char *text, const char *end,
    enum specifier_operator *out)
{
    int     i;
    size_t  len;

    for (i = 0; i < SPECIFIER_OPERATOR_COUNT; i++) {
        len = strlen(specifier_forms[i].name);

        if ((size_t) (end - text) >= len
            && memcmp(text, specifier_forms[i].name, len) == 0)
        {
            *out = (enum specifier_operator) i;
            return len;
        }
    }

    return 0;
}


const char *
specifier_operator_name(enum specifier_operator operator)
{
    return specifier_forms[operator].name;
}


const char *
specifier_extent(const char *text, const char *end)
{
    size_t                   len;
    const char              *start;
    enum specifier_operator  operator;

    len = specifier_operator_scan(text, end, &operator);

    if (len == 0) {
        return NULL;
    }

    text += len;

    while ((len = version_space(text, end)) > 0) {
        text += len;
    }

    if (operator != SPECIFIER_ARBITRARY) {
        return version_extent(text, end, specifier_forms[operator].form);
    }

    for (start = text; text < end && *text != ';' && *text != ')'; text++) {
        if (version_space(text, end) > 0) {
            break;
        }
    }

    return text > start ? text : NULL;
}


int
specifier_parse(struct specifier *out, const char *text, const char *end,
    struct error *err)
{
    size_t       len;
    const char  *start;

    memset(out, 0, sizeof(struct specifier));
    start = text;
    version_strip(&text, &end);

    if (specifier_extent(text, end) != end) {
        return error_set(err, MINT_ERR_INVALID,
                         "\"%.*s\" is not a version specifier",
                         end - start > 100 ? 100 : (int) (end - start), start);
    }

    text += specifier_operator_scan(text, end, &out->operator);
    version_strip(&text, &end);
    len = (size_t) (end - text);

    out->wanted = mem_alloc(len + 1);
    memcpy(out->wanted, text, len);

    if (out->operator != SPECIFIER_ARBITRARY && len > 2 && text[len - 1] == '*')
    {
        out->is_prefix = true;
        len -= 2;
    }

    out->has_version = version_parse(&out->version, text, len, NULL) == 0;
    specifier_bind(out);

    return 0;
}


void
specifier_clear(struct specifier *specifier)
{
    size_t  i;

    for (i = 0; i < 2; i++) {
        if (specifier->edges[i] != NULL) {
            version_clear(specifier->edges[i]);
            free(specifier->edges[i]);
        }
    }

    free(specifier->wanted);
    version_clear(&specifier->version);
    version_range_clear(&specifier->range);
    memset(specifier, 0, sizeof(struct specifier));
}


void
specifier_write_canonical(const struct specifier *specifier,
    struct strbuf *out)
{
    strbuf_puts(out, specifier_forms[specifier->operator].name);

    if (specifier->operator == SPECIFIER_ARBITRARY || specifier->is_prefix) {
        strbuf_puts(out, specifier->wanted);
        return;
    }

    version_write(&specifier->version,
                  specifier->operator != SPECIFIER_COMPATIBLE, out);
}


/* ---- its range --------------------------------------------------------- */


static struct version_bound
specifier_bound(const struct version *version, enum version_place place,
    bool is_inclusive)
{
    struct version_bound  bound;

    bound.version = version;
    bound.place = place;
    bound.is_inclusive = is_inclusive;

    return bound;
}


static const struct version *
specifier_derive(struct specifier *specifier, const struct version *parts)
{
    struct version  *edge;

    edge = mem_alloc(sizeof(struct version));
    version_build(edge, parts);
    specifier->edges[specifier->edges[0] != NULL] = edge;

    return edge;
}


/* the same with another number in it, one higher */

static const struct version *
specifier_derive_next(struct specifier *specifier,
    const struct version *parts, struct version_part *number)
{
    struct strbuf          next;
    const struct version  *edge;

    memset(&next, 0, sizeof(next));
    version_write_next(*number, &next);
    number->at = next.data;
    number->len = next.len;
    edge = specifier_derive(specifier, parts);
    strbuf_free(&next);

    return edge;
}


/* 1.2.3 -> 1.2.3.dev0: nothing of this release comes before it */

static struct version
specifier_release_dev(const struct version *version)
{
    struct version  parts;

    memset(&parts, 0, sizeof(parts));
    parts.epoch = version->epoch;
    parts.release = version->release;
    parts.phase = VERSION_FINAL;
    parts.has_dev = true;

    return parts;
}


/* 1.2 -> 1.3.dev0: nothing that begins with 1.2 comes after it */

static const struct version *
specifier_next_prefix(struct specifier *specifier, struct version_part prefix)
{
    size_t                 len;
    struct strbuf          release;
    struct version         parts;
    struct version_part    last;
    const struct version  *edge;

    memset(&release, 0, sizeof(release));

    for (len = prefix.len; len > 0 && prefix.at[len - 1] != '.'; len--) {
        /* void */
    }

    last.at = prefix.at + len;
    last.len = prefix.len - len;
    strbuf_append(&release, prefix.at, len);
    version_write_next(last, &release);

    parts = specifier_release_dev(&specifier->version);
    parts.release.at = release.data;
    parts.release.len = release.len;
    edge = specifier_derive(specifier, &parts);
    strbuf_free(&release);

    return edge;
}


static struct version_part
specifier_without_last(struct version_part release)
{
    while (release.len > 0 && release.at[release.len - 1] != '.') {
        release.len--;
    }

    release.len -= release.len > 0;

    return release;
}


/* "<1" leaves out the pre-releases of 1 too, "<1rc1" does not */

static void
specifier_bind_below(struct specifier *specifier)
{
    struct version         parts;
    const struct version  *bound;

    bound = &specifier->version;

    if (!version_is_prerelease(bound)) {
        parts = *bound;
        parts.has_dev = true;
        bound = specifier_derive(specifier, &parts);
    }

    version_range_add(&specifier->range, specifier_unbounded,
                      specifier_bound(bound, VERSION_ITSELF, false));
}


/* ">1" leaves out the post-releases and local versions of 1 too */

static void
specifier_bind_above(struct specifier *specifier)
{
    struct version         parts;
    struct version_bound   lower;
    const struct version  *next;

    parts = specifier->version;

    if (parts.has_dev) {
        next = specifier_derive_next(specifier, &parts, &parts.dev);
        lower = specifier_bound(next, VERSION_ITSELF, true);

    } else if (parts.has_post) {
        parts.has_dev = true;
        next = specifier_derive_next(specifier, &parts, &parts.post);
        lower = specifier_bound(next, VERSION_ITSELF, true);

    } else {
        lower = specifier_bound(&specifier->version, VERSION_AFTER_POSTS,
                                false);
    }

    version_range_add(&specifier->range, lower, specifier_unbounded);
}


/* "==" and "!=": from where to where; "==1.0" is any local version of it */

static void
specifier_bind_equal(struct specifier *specifier)
{
    struct version         parts;
    struct version_bound   first, last;
    const struct version  *version;

    version = &specifier->version;

    if (specifier->is_prefix) {
        parts = specifier_release_dev(version);
        first = specifier_bound(specifier_derive(specifier, &parts),
                                VERSION_ITSELF, true);
        last = specifier_bound(specifier_next_prefix(specifier,
                                                     version->release),
                               VERSION_ITSELF, false);

    } else {
        first = specifier_bound(version, VERSION_ITSELF, true);
        last = specifier_bound(version, version->local.len > 0
                               ? VERSION_ITSELF : VERSION_AFTER_LOCALS, true);
    }

    if (specifier->operator == SPECIFIER_EQUAL) {
        version_range_add(&specifier->range, first, last);
        return;
    }

    first.is_inclusive = !first.is_inclusive;
    last.is_inclusive = !last.is_inclusive;
    version_range_add(&specifier->range, specifier_unbounded, first);
    version_range_add(&specifier->range, last, specifier_unbounded);
}


static void
specifier_bind(struct specifier *specifier)
{
    struct version_bound   lower, upper;
    const struct version  *version;

    version = &specifier->version;
    lower = specifier_unbounded;
    upper = specifier_unbounded;

    switch (specifier->operator) {

    case SPECIFIER_EQUAL:
    case SPECIFIER_NOT_EQUAL:
        specifier_bind_equal(specifier);
        return;

    case SPECIFIER_BELOW:
        specifier_bind_below(specifier);
        return;

    case SPECIFIER_ABOVE:
        specifier_bind_above(specifier);
        return;

    case SPECIFIER_AT_LEAST:
        lower = specifier_bound(version, VERSION_ITSELF, true);
        break;

    case SPECIFIER_AT_MOST:
        upper = specifier_bound(version, VERSION_AFTER_LOCALS, true);
        break;

    case SPECIFIER_COMPATIBLE:
        lower = specifier_bound(version, VERSION_ITSELF, true);
        upper = specifier_bound(
            specifier_next_prefix(specifier,
                                  specifier_without_last(version->release)),
            VERSION_ITSELF, false);
        break;

    default:
        break;
    }

    version_range_add(&specifier->range, lower, upper);
}


bool
specifier_takes(const struct specifier *specifier, const char *text,
    const struct version *version)
{
    if (specifier->operator == SPECIFIER_ARBITRARY) {
        return strcasecmp(specifier->wanted, text) == 0;
    }

    return version != NULL && version_range_has(&specifier->range, version);
}


bool
specifier_asks_for_prereleases(const struct specifier *specifier)
{
    return specifier->operator != SPECIFIER_NOT_EQUAL && specifier->has_version
           && version_is_prerelease(&specifier->version);
}
