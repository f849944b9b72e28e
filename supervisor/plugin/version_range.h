/* SPDX-License-Identifier: MIT */
/*
 * Sets of versions as sorted intervals that do not touch.  The versions they
 * end at belong to others and must stay.
 */

#ifndef SUPERVISOR_PLUGIN_VERSION_RANGE_H
#define SUPERVISOR_PLUGIN_VERSION_RANGE_H

#include "supervisor/plugin/version.h"


struct version_bound {
    const struct version  *version;     /* NULL: none */
    enum version_place     place;
    bool                   is_inclusive;
};


struct version_interval {
    struct version_bound  lower;
    struct version_bound  upper;
};


/* zero-initialise: no version at all */
struct version_range {
    struct version_interval  *intervals;
    size_t                    count;
};


void version_range_add(struct version_range *range, struct version_bound lower,
    struct version_bound upper);
void version_range_clear(struct version_range *range);

/* out must be empty, and neither a nor b; without the intervals that hold no
   version */
void version_range_intersect(struct version_range *out,
    const struct version_range *a, const struct version_range *b);

bool version_range_has(const struct version_range *range,
    const struct version *version);

/* no final release lies in it */
bool version_range_is_prerelease(const struct version_range *range);

#endif /* SUPERVISOR_PLUGIN_VERSION_RANGE_H */
