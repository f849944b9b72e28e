/* SPDX-License-Identifier: MIT */
/*
 * Header lines that are the same for every request of a user, or of everybody
 * to one plugin: made once in a worker, and again when what they say changes.
 */

#ifndef NGX_HTTP_MINT_LINES_H
#define NGX_HTTP_MINT_LINES_H

#include "ngx_http_mint_compat.h"
#include "ngx_http_mint_view.h"


/* who the user is; each request that will be told of them holds a reference */

typedef struct {
    ngx_uint_t   refs;
    uint64_t     user_id;
    uint64_t     mapping;           /* of the file that all of it is from */
    uint64_t     name_ref;
    uint64_t     slug_ref;
    uint64_t     permissions_ref;
    uint64_t     rights;            /* as in ngx_http_mint_grant_t */
    ngx_str_t    text;              /* each line ends with CRLF */
} ngx_http_mint_lines_t;


/*
 * Of a user with a role; NULL if that cannot be read or must not be in a
 * header.  The caller gives it back.
 */
ngx_http_mint_lines_t *ngx_http_mint_lines_user(ngx_http_mint_view_t *view,
    uint64_t user_id, const uint64_t *name_ref, unsigned role_index,
    const struct mint_identity_role *role);
void ngx_http_mint_lines_release(ngx_http_mint_lines_t *lines);
void ngx_http_mint_lines_done(void);                /* keeps none of them */

/*
 * The line with a plugin's internal token, by which it knows that the edge is
 * asking; empty if there is none that can be used.  Good until the next call.
 */
void ngx_http_mint_lines_token(ngx_http_mint_view_t *view, uint32_t plugin_id,
    ngx_str_t *line);

#endif /* NGX_HTTP_MINT_LINES_H */
