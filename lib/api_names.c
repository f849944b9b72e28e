/* SPDX-License-Identifier: MIT */
/*
 * First segments that are the platform's: its own paths, and the resources of
 * its API, since a plugin at /auth would also take /api/auth.  The list is
 * that of the documented API, built or not: a plugin must not have to move
 * when one of them is.
 */

#include "lib/api_names.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>


static const char *const  api_names[] = {
    "__mint", "admin", "api", "auth", "calendar", "config", "docs",
    "experiments", "filesystem", "health", "internal", "marketplace",
    "mcp", "metrics", "notices", "notifications", "openapi.json",
    "passkey", "platform", "plugins", "projects", "redoc", "roles",
    "setup", "static", "updates", "users"
};


bool
api_names_has(const char *path)
{
    size_t  i, len;

    len = strcspn(path, "/");

    for (i = 0; i < sizeof(api_names) / sizeof(api_names[0]); i++) {
        if (strlen(api_names[i]) == len
            && strncasecmp(api_names[i], path, len) == 0)
        {
            return true;
        }
    }

    return false;
}
