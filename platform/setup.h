/* SPDX-License-Identifier: MIT */
/*
 * What mint-platform does before it serves: store, roles, signing key, first
 * administrator, directories.
 */

#ifndef PLATFORM_SETUP_H
#define PLATFORM_SETUP_H

#include "platform/api.h"


/* fills api but for directory and link */
int setup_open(struct api *api, const struct config *config,
    struct error *err);
void setup_close(struct api *api);

/* "unix:PATH", or "127.0.0.1:PORT": a listening socket */
int setup_listen(const char *address, int *fd_out, struct error *err);

#endif /* PLATFORM_SETUP_H */
