/* SPDX-License-Identifier: MIT */
/*
 * Where things are on this machine, and who runs as whom: worked out once at
 * start from the configuration (see docs/architecture.md).
 */

#ifndef SUPERVISOR_PROCESS_LAYOUT_H
#define SUPERVISOR_PROCESS_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/error.h"


/* listener ids at the keeper: a seat's is its record index + 1 */
#define LAYOUT_LISTENER_ADMIN     0x80000001U
#define LAYOUT_LISTENER_INTERNAL  0x80000002U
#define LAYOUT_LISTENER_SEAT(i)   ((i) + 1)

#define LAYOUT_SEAT_OF(plugin_id)  (2 * (plugin_id))


struct layout {
    char      *state_directory;     /* parent of data and tmp */
    char      *tmp_directory;
    char      *plugin_data;         /* holds a directory for each plugin */
    char      *log_directory;
    char      *history_directory;
    char      *socket_directory;    /* <run>/s */
    char      *platform_socket;
    bool       has_uids;            /* the keeper may change uids */
    uint32_t   own_uid;
    uint32_t   own_gid;
    uint32_t   edge_uid;            /* of managed nginx; own without root */
    uint32_t   edge_gid;
    unsigned   backlog;
};


/*
 * has_uids and the edge's ids come from MINT_EDGE_IDENTITY ("UID:GID"), which
 * whoever starts the keeper as root sets.
 */
int layout_open(struct layout *layout, const struct config *config,
    struct error *err);
void layout_close(struct layout *layout);

/* <run>/s/<id>-<slot><a|b>.sock; to be freed */
char *layout_seat_socket(const struct layout *layout, uint32_t plugin_id,
    unsigned slot, unsigned seat);

/* TMPDIR of what runs in a seat ("0a"), data directory; to be freed */
char *layout_seat_tmp(const struct layout *layout, const char *name,
    const char *place);
char *layout_data(const struct layout *layout, const char *plugin);

#endif /* SUPERVISOR_PROCESS_LAYOUT_H */
