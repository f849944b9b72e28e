/* SPDX-License-Identifier: MIT */
/*
 * Intervals of versions: intersecting them and asking them.
 */

#include "supervisor/plugin/version_range.h"

#include <stdlib.h>
#include <string.h>


/* literals: never cleared */

static const struct version  version_lowest = {
    .release = { "0", 1 }, .trimmed = { "0", 1 }, .phase = VERSION_FINAL,
    .has_dev = true
};

static const struct version  version_lowest_final = {
    .release = { "0", 1 }, .trimmed = { "0", 1 }, .phase = VERSION_FINAL
};


static int version_bound_compare(const struct version_bound *a,
    const struct version_bound *b);
static bool version_interval_is_empty(const struct version_bound *lower,
    const struct version_bound *upper);


void
version_range_add(struct version_range *range, struct version_bound lower,
    struct version_bound upper)
{
    range->intervals = mem_grow(range->intervals, range->count + 1,
                                sizeof(struct version_interval));
    range->intervals[range->count].lower = lower;
    range->intervals[range->count++].upper = upper;
}


void
version_range_clear(struct version_range *range)
{
    free(range->intervals);
    memset(range, 0, sizeof(struct version_range));
}


/* [1 begins before (1, and what has no bound before everything */

static int
version_lower_compare(const struct version_bound *a,
    const struct version_bound *b)
{
    int  order;

    if (a->version == NULL || b->version == NULL) {
        return (a->version != NULL) - (b->version != NULL);
    }

    order = version_bound_compare(a, b);

    return order != 0 ? order : (int) b->is_inclusive - (int) a->is_inclusive;
}


static int
version_upper_compare(const struct version_bound *a,
    const struct version_bound *b)
{
    int  order;

    if (a->version == NULL || b->version == NULL) {
        return (a->version == NULL) - (b->version == NULL);
    }

    order = version_bound_compare(a, b);

    return order != 0 ? order : (int) a->is_inclusive - (int) b->is_inclusive;
}


/* the place alone */

static int
version_bound_compare(const struct version_bound *a,
    const struct version_bound *b)
{
    return version_compare_places(a->version, a->place, b->version, b->place);
}


void
version_range_intersect(struct version_range *out,
    const struct version_range *a, const struct version_range *b)
{
    size_t                          i, k;
    struct version_bound            lower, upper;
    const struct version_interval  *x, *y;

    /* each step leaves one interval behind: no more than both have come out */

    out->intervals = mem_grow(NULL, a->count + b->count + 1,
                              sizeof(struct version_interval));
    out->count = 0;

    for (i = 0, k = 0; i < a->count && k < b->count; /* void */) {
        x = &a->intervals[i];
        y = &b->intervals[k];

        lower = version_lower_compare(&x->lower, &y->lower) >= 0 ? x->lower
                                                                 : y->lower;

        if (version_upper_compare(&y->upper, &x->upper) < 0) {
            upper = y->upper;
            k++;

        } else {
            upper = x->upper;
            i++;
        }

        if (!version_interval_is_empty(&lower, &upper)) {
            out->intervals[out->count].lower = lower;
            out->intervals[out->count++].upper = upper;
        }
    }
}


static void
version_next_dev(struct version *out, const struct version *parts,
    struct version_part *number)
{
    struct strbuf  next;

    memset(&next, 0, sizeof(next));
    version_write_next(*number, &next);
    number->at = next.data;
    number->len = next.len;
    version_build(out, parts);
    strbuf_free(&next);
}


/* the first version behind a place, false if there is none (before 1.0.1
   there is always 1.0.0.1, and before that 1.0.0.0.1) */

static bool
version_successor(struct version *out, const struct version_bound *bound)
{
    struct version  parts;

    parts = *bound->version;
    parts.local.len = 0;

    if (bound->place == VERSION_AFTER_POSTS) {
        if (parts.phase == VERSION_FINAL) {
            return false;
        }

        parts.has_post = false;
        parts.has_dev = true;
        parts.dev.len = 0;
        version_next_dev(out, &parts, &parts.pre);

    } else if (parts.has_dev) {
        version_next_dev(out, &parts, &parts.dev);

    } else {
        parts.has_dev = true;
        parts.dev.len = 0;

        if (parts.has_post) {
            version_next_dev(out, &parts, &parts.post);

        } else {
            parts.has_post = true;
            parts.post.len = 0;
            version_build(out, &parts);
        }
    }

    return true;
}


static bool
version_interval_is_empty(const struct version_bound *lower,
    const struct version_bound *upper)
{
    int             order;
    struct version  next;

    if (upper->version == NULL) {
        return false;
    }

    if (lower->version == NULL) {
        return !upper->is_inclusive && upper->place == VERSION_ITSELF
               && version_compare(upper->version, &version_lowest) <= 0;
    }

    order = version_bound_compare(lower, upper);

    if (order >= 0) {
        return order > 0 || !lower->is_inclusive || !upper->is_inclusive;
    }

    if (lower->place == VERSION_ITSELF || !version_successor(&next, lower)) {
        return false;
    }

    order = version_compare_places(upper->version, upper->place, &next,
                                   VERSION_ITSELF);
    version_clear(&next);

    return order < 0 || (order == 0 && !upper->is_inclusive);
}


bool
version_range_has(const struct version_range *range,
    const struct version *version)
{
    int                             order;
    size_t                          i;
    struct version_bound            here;
    const struct version_interval  *interval;

    here.version = version;
    here.place = VERSION_ITSELF;
    here.is_inclusive = true;

    for (i = 0; i < range->count; i++) {
        interval = &range->intervals[i];

        if (interval->lower.version != NULL) {
            order = version_bound_compare(&here, &interval->lower);

            if (order < 0 || (order == 0 && !interval->lower.is_inclusive)) {
                return false;
            }
        }

        if (interval->upper.version == NULL) {
            return true;
        }

        order = version_bound_compare(&here, &interval->upper);

        if (order < 0 || (order == 0 && interval->upper.is_inclusive)) {
            return true;
        }
    }

    return false;
}


/* a final release at or above a bound; those that the release itself begins
   with are enough to know */

static void
version_final_above(struct version *out, const struct version_bound *bound)
{
    struct version  parts;

    parts = *bound->version;

    if (!version_is_prerelease(&parts)) {
        if (bound->place == VERSION_ITSELF) {
            version_build(out, &parts);
            return;
        }

        parts.local.len = 0;

        if (parts.has_post) {
            version_next_dev(out, &parts, &parts.post);
            return;
        }

        parts.has_post = true;
        parts.post.len = 0;

    } else if (parts.phase != VERSION_FINAL) {
        parts.phase = VERSION_FINAL;
        parts.has_post = false;
    }

    parts.local.len = 0;
    parts.has_dev = false;
    version_build(out, &parts);
}


bool
version_range_is_prerelease(const struct version_range *range)
{
    int                             order;
    size_t                          i;
    struct version                  above;
    struct version_bound            from;
    const struct version_interval  *interval;

    for (i = 0; i < range->count; i++) {
        interval = &range->intervals[i];

        if (interval->upper.version == NULL) {
            return false;
        }

        from = interval->lower;

        if (from.version == NULL) {
            from.version = &version_lowest_final;
            from.place = VERSION_ITSELF;
        }

        version_final_above(&above, &from);
        order = version_compare_places(&above, VERSION_ITSELF,
                                       interval->upper.version,
                                       interval->upper.place);
        version_clear(&above);

        if (order < 0 || (order == 0 && interval->upper.is_inclusive)) {
            return false;
        }
    }

    return true;
}
