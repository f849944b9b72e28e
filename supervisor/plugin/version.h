/* SPDX-License-Identifier: MIT */
/*
 * PEP 440 versions.  Numbers have any size: they stay digits and are compared
 * as such, so a version costs no more than its text.
 */

#ifndef SUPERVISOR_PLUGIN_VERSION_H
#define SUPERVISOR_PLUGIN_VERSION_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"
#include "lib/strbuf.h"


enum version_phase {
    VERSION_ALPHA = 0,
    VERSION_BETA = 1,
    VERSION_CANDIDATE = 2,
    VERSION_FINAL = 3               /* neither a, b nor rc */
};


/* digits without leading zeros, or dotted parts of the text */
struct version_part {
    const char  *at;
    size_t       len;
};


struct version {
    char                 *text;         /* normalised; the parts lie in it */
    struct version_part   epoch;        /* empty: 0 */
    struct version_part   release;      /* as given, zeros at its end too */
    struct version_part   trimmed;      /* without these */
    enum version_phase    phase;
    struct version_part   pre;          /* its number */
    bool                  has_post;
    struct version_part   post;
    bool                  has_dev;
    struct version_part   dev;
    struct version_part   local;        /* empty: none */
    struct version_part   local_key;    /* "w" or "n" before each part: word
                                           or number, known at once */
};


/*
 * Places on the line of versions next to one.  In order: the version, its
 * local versions, AFTER_LOCALS, its post-releases, AFTER_POSTS.
 */
enum version_place {
    VERSION_ITSELF = 0,
    VERSION_AFTER_LOCALS = 1,
    VERSION_AFTER_POSTS = 2
};


/* what version_extent() finds at a place of a text */
enum version_form {
    VERSION_ANY = 0,
    VERSION_PUBLIC = 1,             /* without a local part */
    VERSION_SEGMENTED = 2,          /* public, two release numbers or more */
    VERSION_PREFIX = 3              /* any, or release numbers and ".*" */
};


/* white space around it is allowed; len bytes */
int version_parse(struct version *out, const char *text, size_t len,
    struct error *err);
void version_clear(struct version *version);

/* a new version of these parts, wherever they lie (text is not read) */
void version_build(struct version *out, const struct version *parts);

/* the text with or without zeros at the end of the release */
void version_write(const struct version *version, bool trimmed,
    struct strbuf *out);

/* negative, 0, positive */
int version_compare(const struct version *a, const struct version *b);
int version_compare_places(const struct version *a, enum version_place at_a,
    const struct version *b, enum version_place at_b);

bool version_is_prerelease(const struct version *version);

/* without leading zeros: empty is 0 */
struct version_part version_significant(struct version_part number);

/* number + 1 */
void version_write_next(struct version_part number, struct strbuf *out);

/* end of the version that begins at text, NULL if none does */
const char *version_extent(const char *text, const char *end,
    enum version_form form);

/* what Python calls white space: bytes of it at the beginning of the text */
size_t version_space(const char *text, const char *end);

/* moves both ends inward over white space */
void version_strip(const char **text, const char **end);

#endif /* SUPERVISOR_PLUGIN_VERSION_H */
