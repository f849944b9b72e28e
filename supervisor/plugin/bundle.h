/* SPDX-License-Identifier: MIT */
/*
 * A .mint bundle (or a plain wheel) on its way in: checks it and unpacks its
 * wheels into a directory, piece by piece, so that a large one does not hold
 * up the event loop.
 */

#ifndef SUPERVISOR_PLUGIN_BUNDLE_H
#define SUPERVISOR_PLUGIN_BUNDLE_H

#include <stddef.h>

#include "lib/error.h"


#define BUNDLE_STEP_BYTES  (1024 * 1024)


struct bundle;

/*
 * Checks every name and the manifest; a path that ends in .whl is a plain
 * wheel.  directory exists and is empty; the main wheel will be in it, the
 * wheels that come with it in its subdirectory "wheels".  Texts of errors
 * begin with "Invalid .mint bundle: " (or "Invalid wheel: ").
 */
int bundle_open(struct bundle **out, const char *path, const char *directory,
    struct error *err);
void bundle_free(struct bundle **bundle);

/* unpacks about BUNDLE_STEP_BYTES more; 1: call again, 0: all is there */
int bundle_step(struct bundle *bundle, struct error *err);

/* of the manifest; "" for a plain wheel */
const char *bundle_name(const struct bundle *bundle);
const char *bundle_requires_mint(const struct bundle *bundle);

/* file name of the main wheel in directory; its SHA-256 in hex once
   bundle_step() has returned 0 */
const char *bundle_wheel(const struct bundle *bundle);
const char *bundle_sha256(const struct bundle *bundle);

/* file names of the wheels in "wheels" */
size_t bundle_extra_count(const struct bundle *bundle);
const char *bundle_extra(const struct bundle *bundle, size_t i);

/* "Invalid .mint bundle" or "Invalid wheel", for errors found later */
const char *bundle_complaint(const struct bundle *bundle);

#endif /* SUPERVISOR_PLUGIN_BUNDLE_H */
