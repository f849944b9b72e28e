/* SPDX-License-Identifier: MIT */
/*
 * Reading the run files.  A view is a mapped file whose header was checked
 * and copied out: offsets and capacities are taken from the copy only, so
 * that nothing in the file can lead a reader out of its mapping.  Plain C
 * without nginx types, so that unit tests and fuzzers can call it.
 *
 * Who keeps something made from a file keeps the view's mapping beside it: in
 * a run directory that was emptied epochs, offsets and references begin anew.
 */

#ifndef NGX_HTTP_MINT_VIEW_H
#define NGX_HTTP_MINT_VIEW_H

#include "contract/mint_identity.h"
#include "contract/mint_routes.h"
#include "contract/mint_run.h"
#include "contract/mint_seats.h"
#include "contract/mint_workers.h"


typedef struct {
    uint8_t                *base;       /* NULL: no file */
    uint64_t                bytes;
    uint64_t                mapping;    /* no other of this worker has it */
    struct mint_run_header  header;     /* a checked copy */
} ngx_http_mint_view_t;


/*
 * Checks the mapping of "bytes" bytes at base.  NULL if the file can be used,
 * else why not.
 */
const char *ngx_http_mint_view_open(ngx_http_mint_view_t *view, void *base,
    uint64_t bytes, enum mint_run_kind kind);

#define ngx_http_mint_view_word(view, field)                                  \
    (&((struct mint_run_header *) (void *) (view)->base)->field)


/* ---- routes ---------------------------------------------------------- */

/* a private, checked copy of the published half */
typedef struct {
    uint64_t            generation;     /* 0 = nothing loaded */
    uint32_t            entry_count;
    uint32_t            bucket_mask;
    uint32_t            segments_max;
    uint32_t           *buckets;
    struct mint_route  *entries;
} ngx_http_mint_table_t;

typedef struct {
    const struct mint_route  *route;    /* in the table; until its next load */
    size_t                    head_len; /* bytes of the path that matched,
                                           "/api" included */
    int                       is_page;  /* <prefix>/..., not /api<prefix>/... */
} ngx_http_mint_match_t;

enum ngx_http_mint_table_result {
    NGX_HTTP_MINT_TABLE_SAME = 0,       /* nothing new */
    NGX_HTTP_MINT_TABLE_LOADED = 1,
    NGX_HTTP_MINT_TABLE_TORN = 2        /* unreadable: the last good stays */
};

/* bytes of the two arrays a table for this view needs */
void ngx_http_mint_table_sizes(const ngx_http_mint_view_t *view,
    size_t *bucket_bytes, size_t *entry_bytes);

/* buckets and entries must have room as said by ngx_http_mint_table_sizes() */
enum ngx_http_mint_table_result ngx_http_mint_table_load(
    ngx_http_mint_table_t *table, const ngx_http_mint_view_t *view);

/* 1 if a plugin's prefix matches the normalised path */
int ngx_http_mint_table_find(const ngx_http_mint_table_t *table,
    const uint8_t *path, size_t len, ngx_http_mint_match_t *match);


/* ---- seats ------------------------------------------------------------ */

/* NULL if there is no such record */

static inline const struct mint_seat *
ngx_http_mint_view_seat(const ngx_http_mint_view_t *view, uint32_t index)
{
    const struct mint_seat  *seats;

    if (view->base == NULL
        || index >= view->header.capacity[MINT_SEATS_CAPACITY_SEATS])
    {
        return NULL;
    }

    seats = (const struct mint_seat *) (const void *)
            (view->base + view->header.section[MINT_SEATS_SECTION_SEATS]);

    return &seats[index];
}


/* ---- identity --------------------------------------------------------- */

/* each returns 0 if there is none; words are loaded with acquire */

static inline int
ngx_http_mint_identity_role(const ngx_http_mint_view_t *view, unsigned index,
    const struct mint_identity_role **role, uint64_t *word)
{
    const struct mint_identity_role  *roles;

    if (index >= view->header.capacity[MINT_IDENTITY_CAPACITY_ROLES]) {
        return 0;
    }

    roles = (const struct mint_identity_role *) (const void *)
            (view->base + view->header.section[MINT_IDENTITY_SECTION_ROLES]);
    *role = &roles[index];
    *word = mint_run_load_acquire(&roles[index].word);

    return (*word >> 63) != 0;
}


static inline int
ngx_http_mint_identity_token(const ngx_http_mint_view_t *view,
    uint32_t plugin_id, const uint64_t **ref)
{
    const struct mint_identity_plugin  *plugins;

    if (plugin_id >= view->header.capacity[MINT_IDENTITY_CAPACITY_PLUGINS]) {
        return 0;
    }

    plugins = (const struct mint_identity_plugin *) (const void *)
              (view->base
               + view->header.section[MINT_IDENTITY_SECTION_PLUGINS]);
    *ref = &plugins[plugin_id].token;

    return mint_run_load_acquire(*ref) != 0;
}


static inline const uint64_t *
ngx_http_mint_identity_key(const ngx_http_mint_view_t *view, unsigned index)
{
    const struct mint_identity_misc  *misc;

    misc = (const struct mint_identity_misc *) (const void *)
           (view->base + view->header.section[MINT_IDENTITY_SECTION_ARENA]);

    return &misc->key[index];
}


int ngx_http_mint_identity_user(const ngx_http_mint_view_t *view, uint64_t id,
    uint64_t *word, const uint64_t **name_ref);
int ngx_http_mint_identity_pat(const ngx_http_mint_view_t *view,
    const uint64_t hash[4], uint64_t *user_id, uint64_t *word);
/* of a token's id, 0 if it has none, which is never denied */
uint64_t ngx_http_mint_identity_jti(const char *jti, size_t len);
int ngx_http_mint_identity_is_denied(const ngx_http_mint_view_t *view,
    uint64_t jti_hash, uint64_t now_unix);
/* 0: the platform has not said anything yet */
uint64_t ngx_http_mint_identity_sequence(const ngx_http_mint_view_t *view);
const uint64_t *ngx_http_mint_identity_edge_secret(
    const ngx_http_mint_view_t *view);

/*
 * Copies the blob a reference word names.  Returns its length, or -1 if the
 * reference is 0, changed underneath too often, leads out of the arena or the
 * blob is longer than size.  room = size rounded up to 8 bytes.
 */
int64_t ngx_http_mint_identity_blob(const ngx_http_mint_view_t *view,
    const uint64_t *ref, uint64_t *to, size_t size);

/* a byte that has bit "index" of a blob used as a bit map, -1 as above */
int ngx_http_mint_identity_bit(const ngx_http_mint_view_t *view,
    const uint64_t *ref, uint32_t index);

#endif /* NGX_HTTP_MINT_VIEW_H */
