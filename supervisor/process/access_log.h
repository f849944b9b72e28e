/* SPDX-License-Identifier: MIT */
/*
 * The log of requests that nginx writes (conf/mint-upstream.conf has its
 * format): made and rotated here, because nginx may only append to it.
 */

#ifndef SUPERVISOR_PROCESS_ACCESS_LOG_H
#define SUPERVISOR_PROCESS_ACCESS_LOG_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/error.h"


/* <data>/edge/access.log; to be freed */
char *access_log_path(const char *data_path);

/* makes directory and file for nginx's group (-1: our own); idempotent */
int access_log_prepare(const char *path, gid_t edge_gid, struct error *err);

/*
 * Renames a file that has become too long and makes a new one.  True: nginx
 * has to be told (SIGUSR1), it goes on writing to the old one until then.
 */
bool access_log_rotate(const char *path, gid_t edge_gid);

#endif /* SUPERVISOR_PROCESS_ACCESS_LOG_H */
