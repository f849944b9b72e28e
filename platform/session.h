/* SPDX-License-Identifier: MIT */
/*
 * Session tokens of the public side.
 */

#ifndef PLATFORM_SESSION_H
#define PLATFORM_SESSION_H

#include "platform/api.h"


#define SESSION_COOKIE  "mint_access_token"


/* a new token for the user as it is now */
int session_issue(struct api *api, const struct identity_user *user,
    char *text, size_t text_size, uint64_t *expires_unix_out,
    struct error *err);

/* the browser says that one of our own pages sent this */
bool session_is_own_page(const struct call *call);

#endif /* PLATFORM_SESSION_H */
