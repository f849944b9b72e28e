/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the nginx module's reading of run files.  The input is the
 * file: its first byte chooses the kind, and the header's marks are set so
 * that the fuzzer gets to the tables.
 */

#include "ngx_mint_module/ngx_http_mint_identity.c"
#include "ngx_mint_module/ngx_http_mint_slots.c"
#include "ngx_mint_module/ngx_http_mint_view.c"

#include <stdlib.h>


#define FUZZ_BYTES_MAX  65536


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* the CRC is made right: a wrong one would hide what lies behind it */

static void
fuzz_routes(ngx_http_mint_view_t *view)
{
    size_t                    bucket_bytes, entry_bytes;
    uint8_t                  *from;
    uint32_t                  capacity;
    uint64_t                  generation;
    ngx_http_mint_table_t     table;
    ngx_http_mint_match_t     match;
    struct mint_routes_half  *half;

    memset(&table, 0, sizeof(table));
    ngx_http_mint_table_sizes(view, &bucket_bytes, &entry_bytes);
    capacity = view->header.capacity[MINT_ROUTES_CAPACITY_ENTRIES];
    generation = *ngx_http_mint_view_word(view, generation);
    from = view->base + view->header.section[generation & 1];
    half = (struct mint_routes_half *) (void *) from;
    half->generation = generation;

    if (half->entry_count <= capacity) {
        half->crc32 = mint_crc32(0, from + sizeof(*half),
                                 bucket_bytes + half->entry_count
                                                * sizeof(struct mint_route));
    }

    table.buckets = malloc(bucket_bytes);
    table.entries = malloc(entry_bytes);

    if (table.buckets == NULL || table.entries == NULL) {
        abort();
    }

    if (ngx_http_mint_table_load(&table, view)
        == NGX_HTTP_MINT_TABLE_LOADED)
    {
        (void) ngx_http_mint_table_find(&table, from, 200, &match);
        (void) ngx_http_mint_table_find(&table,
                                        (const uint8_t *) "/api/a/b", 8,
                                        &match);
    }

    free(table.buckets);
    free(table.entries);
}


static void
fuzz_identity(ngx_http_mint_view_t *view)
{
    unsigned                          i;
    uint64_t                          user, word, hash[4] = { 1, 2, 3, 4 };
    const uint64_t                   *ref;
    const struct mint_identity_role  *role;
    static uint64_t                   to[MINT_BLOB_MAX / 8];

    for (i = 0; i < 300; i++) {
        if (ngx_http_mint_identity_user(view, i, &word, &ref)) {
            (void) ngx_http_mint_identity_blob(view, ref, to, sizeof(to));
        }

        if (ngx_http_mint_identity_role(view, i, &role, &word)) {
            (void) ngx_http_mint_identity_blob(view, &role->permissions, to,
                                               sizeof(to));
            (void) ngx_http_mint_identity_bit(view, &role->plugin_access,
                                              i * 977);
        }

        if (ngx_http_mint_identity_token(view, i, &ref)) {
            (void) ngx_http_mint_identity_blob(view, ref, to, 128);
        }
    }

    for (i = 0; i < MINT_IDENTITY_KEYS; i++) {
        (void) ngx_http_mint_identity_blob(view,
                                        ngx_http_mint_identity_key(view, i),
                                        to, sizeof(struct mint_identity_key));
    }

    (void) ngx_http_mint_identity_pat(view, hash, &user, &word);
    (void) ngx_http_mint_identity_is_denied(view, 1, 1);
    (void) ngx_http_mint_identity_sequence(view);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void                     *file;
    uint32_t                  kind, seat;
    size_t                    bytes;
    ngx_http_mint_view_t      view;
    struct mint_run_header   *h;
    const struct mint_seat   *record;

    if (size < 1 || size > FUZZ_BYTES_MAX) {
        return 0;
    }

    kind = MINT_RUN_ROUTES + data[0] % 4;
    bytes = (size - 1) & ~(size_t) 7;
    file = malloc(bytes + 1);

    if (file == NULL) {
        abort();
    }

    memcpy(file, data + 1, bytes);

    if (bytes >= sizeof(*h)) {
        h = file;
        h->magic = MINT_RUN_MAGIC;
        h->kind = kind;
        h->abi_major = MINT_RUN_ABI_MAJOR;
        h->file_bytes = bytes;
        h->life = MINT_RUN_LIVE;
    }

    if (ngx_http_mint_view_open(&view, file, bytes,
                                (enum mint_run_kind) kind) == NULL)
    {
        if (kind == MINT_RUN_ROUTES) {
            fuzz_routes(&view);

        } else if (kind == MINT_RUN_IDENTITY) {
            fuzz_identity(&view);

        } else if (kind == MINT_RUN_SEATS) {
            for (seat = 0; seat < 2000; seat++) {
                record = ngx_http_mint_view_seat(&view, seat);
                (void) ngx_http_mint_slots_pin(&view, seat % 3, seat + 1, 0,
                                               UINT32_MAX);

                if (record != NULL && record->address_len == 1) {
                    break;
                }
            }
        }
    }

    free(file);

    return 0;
}
