/* SPDX-License-Identifier: MIT */
/*
 * Session tokens that this worker has verified.
 */

#ifndef NGX_HTTP_MINT_MEMO_H
#define NGX_HTTP_MINT_MEMO_H

#include "ngx_http_mint_compat.h"
#include "ngx_http_mint_text.h"


/* what a verified token says */

typedef struct {
    uint64_t  user_id;
    uint64_t  jti_hash;
    uint64_t  issued_unix;
    uint64_t  not_before_unix;
    uint64_t  expires_unix;
    uint32_t  version;              /* of the user's session */
} ngx_http_mint_session_t;


/* NULL unless the same text was added since the memo was last cleared; good
   until the next call that adds or clears */
const ngx_http_mint_session_t *ngx_http_mint_memo_find(
    const ngx_http_mint_text_t *token);
void ngx_http_mint_memo_add(const ngx_http_mint_text_t *token,
    const ngx_http_mint_session_t *session);

/* when the keys are no longer those that they were verified with */
void ngx_http_mint_memo_clear(void);

#endif /* NGX_HTTP_MINT_MEMO_H */
