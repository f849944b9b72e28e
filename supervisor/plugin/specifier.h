/* SPDX-License-Identifier: MIT */
/*
 * PEP 440 specifiers and sets of them (">=1.0,!=1.5.*"): which versions they
 * take, and whether any version can satisfy them all.
 */

#ifndef SUPERVISOR_PLUGIN_SPECIFIER_H
#define SUPERVISOR_PLUGIN_SPECIFIER_H

#include "supervisor/plugin/version_range.h"


enum specifier_operator {
    SPECIFIER_ARBITRARY = 0,        /* ===, compared as text */
    SPECIFIER_COMPATIBLE = 1,       /* ~= */
    SPECIFIER_EQUAL = 2,
    SPECIFIER_NOT_EQUAL = 3,
    SPECIFIER_AT_MOST = 4,
    SPECIFIER_AT_LEAST = 5,
    SPECIFIER_BELOW = 6,
    SPECIFIER_ABOVE = 7,
    SPECIFIER_OPERATOR_COUNT = 8
};


/* what is done about pre-releases; AUTO: as PEP 440 recommends, they count
   where no final release does or where one is asked for */
enum specifier_prereleases {
    SPECIFIER_AUTO = 0,
    SPECIFIER_ALLOW = 1,
    SPECIFIER_REFUSE = 2
};


struct specifier {
    enum specifier_operator   operator;
    char                     *wanted;       /* as written behind it */
    bool                      is_prefix;    /* "1.0.*" */
    bool                      has_version;  /* always, unless ARBITRARY */
    struct version            version;
    struct version           *edges[2];     /* derived, for the range */
    struct version_range      range;        /* any version if ARBITRARY */
};


struct specifier_set {
    struct specifier  *items;
    size_t             count;
};


/* specifiers with commas between them, none at all is allowed */
int specifier_set_parse(struct specifier_set *out, const char *text,
    size_t len, struct error *err);

/* exactly one, which may hold a comma ("===a,b") */
int specifier_set_parse_one(struct specifier_set *out, const char *text,
    size_t len, struct error *err);

void specifier_set_clear(struct specifier_set *set);

/* in an order that does not depend on how it was written, nothing twice */
void specifier_set_write(const struct specifier_set *set, struct strbuf *out);
bool specifier_set_equals(const struct specifier_set *a,
    const struct specifier_set *b);

void specifier_set_intersect(struct specifier_set *out,
    const struct specifier_set *a, const struct specifier_set *b);

/* keep[i]: texts[i], which need not be a version, is taken */
void specifier_set_filter(const struct specifier_set *set,
    const char *const *texts, size_t count,
    enum specifier_prereleases prereleases, bool *keep);
bool specifier_set_has(const struct specifier_set *set, const char *text,
    enum specifier_prereleases prereleases);

/* no version can satisfy them all */
bool specifier_set_is_unsatisfiable(const struct specifier_set *set,
    enum specifier_prereleases prereleases);

/* end of the specifier that begins at text, NULL if none does */
const char *specifier_extent(const char *text, const char *end);

/* "===" and the like: its row, and its length (0: there is none) */
size_t specifier_operator_scan(const char *text, const char *end,
    enum specifier_operator *out);
const char *specifier_operator_name(enum specifier_operator operator);

/* one specifier out of all of [text, end); *out may not move afterwards, its
   range points into it.  MINT_ERR_INVALID leaves *out empty */
int specifier_parse(struct specifier *out, const char *text, const char *end,
    struct error *err);
void specifier_clear(struct specifier *specifier);

/* without what PEP 440 says about pre-releases; version NULL: text is none */
bool specifier_takes(const struct specifier *specifier, const char *text,
    const struct version *version);

/* it names a pre-release that it takes ("!=1.0a1" does not) */
bool specifier_asks_for_prereleases(const struct specifier *specifier);

/* the same for all ways to write the same */
void specifier_write_canonical(const struct specifier *specifier,
    struct strbuf *out);

#endif /* SUPERVISOR_PLUGIN_SPECIFIER_H */
