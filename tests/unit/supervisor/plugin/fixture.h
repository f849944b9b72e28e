/* SPDX-License-Identifier: MIT */
/*
 * What the tests of supervisor/plugin share: a temporary directory, ZIP
 * archives, wheels and bundles made on the spot.
 */

#ifndef TESTS_UNIT_SUPERVISOR_PLUGIN_FIXTURE_H
#define TESTS_UNIT_SUPERVISOR_PLUGIN_FIXTURE_H

#include <stddef.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/registry.h"


struct fixture_file {
    const char  *name;
    const char  *data;
    size_t       len;                   /* of data; 0: strlen(data) */
};


/* a new directory below $TMPDIR or /tmp; fixture_remove frees the text */
char *fixture_directory(void);
void fixture_remove(char *directory);

/* a stored (not deflated) archive; names are written as they are; ends with
   a NULL name.  Written here byte by byte: libarchive would not write the
   broken ones */
void fixture_zip(const char *path, const struct fixture_file *files);

/* a text file */
void fixture_write(const char *path, const char *text);

/* an installable wheel in directory; requires ends with NULL.  Returns its
   path (free it) */
char *fixture_wheel(const char *directory, const char *distribution,
    const char *version, const char *plugin, const char *const *requires,
    const char *source);

/* a .mint bundle around that wheel */
char *fixture_bundle(const char *directory, const char *distribution,
    const char *version, const char *wheel, const char *requires_mint);

/* what uv keeps of a wheel, in the cache directory; requires ends with NULL,
   python may be NULL */
void fixture_release(const char *cache, const char *name, const char *version,
    const char *tags, const char *python, const char *const *requires);

/* the same as bytes */
void fixture_release_entry(const char *name, const char *version,
    const char *python, const char *const *requires, struct strbuf *out);

/* fills a plugin that may be put */
void fixture_plugin(struct plugin *plugin, const char *name,
    enum plugin_mode mode);

#endif /* TESTS_UNIT_SUPERVISOR_PLUGIN_FIXTURE_H */
