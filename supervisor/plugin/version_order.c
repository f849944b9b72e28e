/* SPDX-License-Identifier: MIT */
/*
 * The order of PEP 440 versions.
 */

#include "supervisor/plugin/version.h"

#include <string.h>


static int
version_compare_numbers(struct version_part a, struct version_part b)
{
    a = version_significant(a);
    b = version_significant(b);

    if (a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }

    return a.len > 0 ? memcmp(a.at, b.at, a.len) : 0;
}


/* up to the first "." of either, and whether they go on */

static size_t
version_common(struct version_part a, struct version_part b, bool *a_ends,
    bool *b_ends)
{
    size_t  len;

    for (len = 0; len < a.len && len < b.len; len++) {
        if (a.at[len] == '.' || b.at[len] == '.') {
            break;
        }
    }

    *a_ends = len == a.len || a.at[len] == '.';
    *b_ends = len == b.len || b.at[len] == '.';

    return len;
}


static void
version_advance(struct version_part *parts, size_t len)
{
    len += len < parts->len;            /* the "." */
    parts->at += len;
    parts->len -= len;
}


/*
 * Numbers without leading zeros, with dots between them: no more is looked at
 * than the shorter one has, so that one long version does not make many
 * comparisons expensive.  What is left when the other ends is not zero.
 */

static int
version_compare_releases(struct version_part a, struct version_part b)
{
    int     order;
    bool    a_ends, b_ends;
    size_t  len;

    while (a.len > 0 && b.len > 0) {
        len = version_common(a, b, &a_ends, &b_ends);

        if (a_ends != b_ends) {
            return a_ends ? -1 : 1;
        }

        order = memcmp(a.at, b.at, len);

        if (order != 0) {
            return order;
        }

        version_advance(&a, len);
        version_advance(&b, len);
    }

    return (a.len > 0) - (b.len > 0);
}


/* keys: words, compared as text, come before numbers */

static int
version_compare_locals(struct version_part a, struct version_part b)
{
    int     order, longer;
    bool    a_ends, b_ends;
    size_t  len;

    while (a.len > 0 && b.len > 0) {
        if (a.at[0] != b.at[0]) {
            return a.at[0] == 'w' ? -1 : 1;
        }

        len = version_common(a, b, &a_ends, &b_ends);
        longer = (int) b_ends - (int) a_ends;
        order = memcmp(a.at, b.at, len);

        if (a.at[0] == 'n' && longer != 0) {
            return longer;
        }

        if (order != 0 || longer != 0) {
            return order != 0 ? order : longer;
        }

        version_advance(&a, len);
        version_advance(&b, len);
    }

    return (a.len > 0) - (b.len > 0);
}


/* 1.0.dev1 comes before 1.0a1, 1.0a1.dev1 does not */

static int
version_rank(const struct version *version)
{
    return version->phase == VERSION_FINAL && version->has_dev
           && !version->has_post ? -1 : (int) version->phase;
}


/* after all post-releases lies after any post-release */

static int
version_compare_posts(const struct version *a, enum version_place at_a,
    const struct version *b, enum version_place at_b)
{
    int  order;

    order = (at_a == VERSION_AFTER_POSTS) - (at_b == VERSION_AFTER_POSTS);

    if (order != 0 || at_a == VERSION_AFTER_POSTS) {
        return order;
    }

    order = (int) a->has_post - (int) b->has_post;

    if (order == 0) {
        order = version_compare_numbers(a->post, b->post);
    }

    if (order == 0) {
        order = (int) b->has_dev - (int) a->has_dev;
    }

    return order != 0 ? order : version_compare_numbers(a->dev, b->dev);
}


int
version_compare_places(const struct version *a, enum version_place at_a,
    const struct version *b, enum version_place at_b)
{
    int  order;

    order = version_compare_numbers(a->epoch, b->epoch);

    if (order == 0) {
        order = version_compare_releases(a->trimmed, b->trimmed);
    }

    if (order == 0) {
        order = version_rank(a) - version_rank(b);
    }

    if (order == 0) {
        order = version_compare_numbers(a->pre, b->pre);
    }

    if (order == 0) {
        order = version_compare_posts(a, at_a, b, at_b);
    }

    if (order == 0) {
        order = (at_a != VERSION_ITSELF) - (at_b != VERSION_ITSELF);
    }

    return order != 0 || at_a != VERSION_ITSELF ? order
           : version_compare_locals(a->local_key, b->local_key);
}


int
version_compare(const struct version *a, const struct version *b)
{
    return version_compare_places(a, VERSION_ITSELF, b, VERSION_ITSELF);
}
