/* SPDX-License-Identifier: MIT */
/*
 * Paths and identities of a running system.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layout.h"
#include "lib/fs.h"
#include "lib/strbuf.h"


static unsigned
layout_somaxconn(void)
{
    unsigned       value;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    value = 0;

    if (fs_read("/proc/sys/net/core/somaxconn", 64, &text, NULL) == 0) {
        value = (unsigned) strtoul(strbuf_text(&text), NULL, 10);
    }

    strbuf_free(&text);

    return value > 0 ? value : 128;
}


int
layout_open(struct layout *layout, const struct config *config,
    struct error *err)
{
    char         end;
    char        *slash;
    unsigned     uid, gid;
    const char  *text;

    memset(layout, 0, sizeof(struct layout));

    layout->state_directory = mem_strdup(config->server.data_path);
    slash = strrchr(layout->state_directory, '/');

    if (slash != NULL && slash != layout->state_directory) {
        *slash = '\0';
    }

    layout->tmp_directory = mem_printf("%s/tmp", layout->state_directory);
    layout->plugin_data = mem_printf("%s/plugin-data",
                                     config->server.data_path);
    layout->log_directory = mem_printf("%s/logs", config->server.data_path);
    layout->history_directory = mem_printf("%s/history",
                                           config->server.data_path);
    layout->socket_directory = mem_printf("%s/s",
                                          config->server.run_directory);
    layout->platform_socket = mem_printf("%s/platform.sock",
                                         layout->socket_directory);

    layout->own_uid = (uint32_t) geteuid();
    layout->own_gid = (uint32_t) getegid();
    layout->edge_uid = layout->own_uid;
    layout->edge_gid = layout->own_gid;
    layout->backlog = layout_somaxconn();

    text = getenv("MINT_EDGE_IDENTITY");

    if (text != NULL) {
        if (sscanf(text, "%u:%u%c", &uid, &gid, &end) != 2) {
            layout_close(layout);
            return error_set(err, MINT_ERR_INVALID, "MINT_EDGE_IDENTITY: "
                             "expected UID:GID, got \"%s\"", text);
        }

        layout->has_uids = true;
        layout->edge_uid = uid;
        layout->edge_gid = gid;
    }

    if (strlen(layout->socket_directory) > 90) {
        error_set(err, MINT_ERR_INVALID, "server.runDirectory \"%s\" is too "
                  "long: a unix socket's path has at most 107 bytes",
                  config->server.run_directory);
        layout_close(layout);
        return MINT_ERR_INVALID;
    }

    return 0;
}


void
layout_close(struct layout *layout)
{
    free(layout->state_directory);
    free(layout->tmp_directory);
    free(layout->plugin_data);
    free(layout->log_directory);
    free(layout->history_directory);
    free(layout->socket_directory);
    free(layout->platform_socket);
    memset(layout, 0, sizeof(struct layout));
}


char *
layout_seat_socket(const struct layout *layout, uint32_t plugin_id,
    unsigned slot, unsigned seat)
{
    return mem_printf("%s/%u-%u%c.sock", layout->socket_directory, plugin_id,
                      slot, seat == 0 ? 'a' : 'b');
}


char *
layout_seat_tmp(const struct layout *layout, const char *name,
    const char *place)
{
    return mem_printf("%s/%s.%s", layout->tmp_directory, name, place);
}


char *
layout_data(const struct layout *layout, const char *plugin)
{
    return mem_printf("%s/%s", layout->plugin_data, plugin);
}
