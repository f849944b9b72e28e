/* SPDX-License-Identifier: MIT */
/*
 * Releases that uv has looked at before, out of its cache:
 * <cache>/wheels-v8/pypi/<name>/<version>-<tags>.msgpack, or below
 * index/<hash>/ for another index.  uv promises nothing of this: what is not
 * as it is known here counts as not there, and nothing is lost but the quick
 * answer.
 */

#ifndef SUPERVISOR_PLUGIN_UV_CACHE_H
#define SUPERVISOR_PLUGIN_UV_CACHE_H

#include <stddef.h>

#include "supervisor/plugin/marker.h"
#include "supervisor/plugin/text_list.h"


/* the metadata of one wheel, zero-initialise */
struct uv_release {
    char              *name;            /* normalised */
    char              *version;
    char              *requires_python; /* NULL: any */
    struct text_list   requires;        /* Requires-Dist */
};


/* of a package, the newest first; final releases for this interpreter */
struct uv_releases {
    char               *name;           /* normalised */
    struct uv_release  *items;
    size_t              count;
};


struct uv_cache;

/* directory: that of uv's cache, which need not be there.  The interpreter
   must outlive it; NULL if it is not known */
struct uv_cache *uv_cache_open(const char *directory,
    const struct marker_environment *interpreter);
void uv_cache_close(struct uv_cache **cache);

/* read at the first call, valid until the cache is closed; never NULL.  Of a
   package that two indexes have nothing is told, nor of more than the limits */
const struct uv_releases *uv_cache_releases(struct uv_cache *cache,
    const char *name);

/* 0, or MINT_ERR_INVALID and *out empty; what follows the entry is not read */
int uv_release_parse(struct uv_release *out, const void *data, size_t size);
void uv_release_clear(struct uv_release *release);

#endif /* SUPERVISOR_PLUGIN_UV_CACHE_H */
