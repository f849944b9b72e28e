/* SPDX-License-Identifier: MIT */
/*
 * What an installation would have to fetch: uv says in a dry run which files
 * it would take and which of them it has, and in a pylock.toml how large they
 * are, as far as the index says that.
 */

#ifndef SUPERVISOR_PLUGIN_FETCH_H
#define SUPERVISOR_PLUGIN_FETCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/strbuf.h"


struct fetch_package {
    char      *name;                /* normalised */
    char      *version;
    char      *file;                /* its wheel, NULL: not said */
    bool       is_missing;          /* uv does not have it */
    bool       is_local;            /* it lies on this machine */
    uint64_t   bytes;               /* 0: not known */
};

/* zero-initialise */
struct fetch {
    struct fetch_package  *packages;
    size_t                 count;
    size_t                 missing;         /* packages that are */
    size_t                 told;            /* how many uv says there are */
    bool                   has_ended;       /* uv came to its conclusion */
};


/* a line of "uv pip sync --dry-run --verbose" */
void fetch_line(struct fetch *fetch, const char *line);

/* whether the lines make sense together: another uv may talk differently */
bool fetch_is_known(const struct fetch *fetch);

/* sizes, after the last line; text is a pylock.toml */
void fetch_sizes(struct fetch *fetch, const struct strbuf *text);

/* bytes whose number is known; *complete: those of all that is missing */
uint64_t fetch_bytes(const struct fetch *fetch, bool *complete);

/* [{name, version, bytes: N|null}] of what comes over the network */
json_t *fetch_encode(const struct fetch *fetch);
void fetch_clear(struct fetch *fetch);

#endif /* SUPERVISOR_PLUGIN_FETCH_H */
