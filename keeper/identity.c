/* SPDX-License-Identifier: MIT */
/*
 * Which uids and gids may be asked for: the supervisor's own, and as root
 * those named at the start.
 */

#include "keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


/* root is no identity: what runs as root is the keeper alone */

int
identity_add(const char *text, int is_supervisor)
{
    int       i, count;
    uint32_t  n[KEEPER_LIST_MAX];

    count = identity_numbers(text, ':', n, KEEPER_LIST_MAX);

    if (count < 2 || keeper.uid_count == KEEPER_LIST_MAX
        || keeper.gid_count + (size_t) count - 1 > KEEPER_LIST_MAX)
    {
        return count < 2 ? EINVAL : E2BIG;
    }

    for (i = 0; i < count; i++) {
        if (n[i] == 0) {
            return EINVAL;
        }
    }

    if (is_supervisor && !keeper.is_root
        && (n[0] != geteuid() || n[1] != getegid()))
    {
        return EPERM;
    }

    for (i = 1; i < count; i++) {
        keeper.gids[keeper.gid_count++] = n[i];
    }

    keeper.uids[keeper.uid_count++] = n[0];

    if (is_supervisor) {
        keeper.supervisor.uid = n[0];
        keeper.supervisor.gid = n[1];
        keeper.supervisor.group_count = (size_t) count - 2;
        memcpy(keeper.supervisor.groups, n + 2,
               ((size_t) count - 2) * sizeof(n[0]));
        keeper.supervisor.flags = MINT_SPAWN_NO_NEW_PRIVS;
    }

    return 0;
}


int
identity_add_range(const char *text)
{
    uint32_t  n[2];

    if (identity_numbers(text, '-', n, 2) != 2 || n[0] == 0 || n[1] < n[0]) {
        return EINVAL;
    }

    keeper.range_first = n[0];
    keeper.range_last = n[1];

    return 0;
}


/* returns how many, 0 if it is not a list of at most max numbers */

int
identity_numbers(const char *text, char separator, uint32_t *list, int max)
{
    int            count;
    char          *end;
    const char    *at;
    unsigned long  number;

    for (count = 0, at = text; count < max; at = end + 1) {
        number = strtoul(at, &end, 10);

        if (*at < '0' || *at > '9' || number >= UINT32_MAX) {
            break;
        }

        list[count++] = (uint32_t) number;

        if (*end == '\0') {
            return count;
        }

        if (*end != separator) {
            break;
        }
    }

    return 0;
}


/* UINT32_MAX changes nothing, so it is always allowed */

int
identity_allowed(uint32_t uid, uint32_t gid, uint32_t extra_gid)
{
    size_t  i;
    int     uid_ok, gid_ok, extra_ok;

    uid_ok = uid == UINT32_MAX || uid == keeper.supervisor.uid
             || identity_in_range(uid);
    gid_ok = gid == UINT32_MAX || gid == keeper.supervisor.gid
             || identity_in_range(gid);
    extra_ok = extra_gid == 0 || identity_in_range(extra_gid);

    for (i = 0; keeper.is_root && i < KEEPER_LIST_MAX; i++) {
        uid_ok |= i < keeper.uid_count && uid == keeper.uids[i];
        gid_ok |= i < keeper.gid_count && gid == keeper.gids[i];
        extra_ok |= i < keeper.gid_count && extra_gid == keeper.gids[i];
    }

    return uid_ok && gid_ok && extra_ok;
}


int
identity_in_range(uint32_t id)
{
    return keeper.is_root && keeper.range_last != 0
           && id >= keeper.range_first && id <= keeper.range_last;
}
