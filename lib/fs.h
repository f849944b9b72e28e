/* SPDX-License-Identifier: MIT */
/*
 * Files: whole reads, durable atomic writes, trees.
 */

#ifndef LIB_FS_H
#define LIB_FS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "strbuf.h"


/* reads at most max bytes; a longer file is MINT_ERR_FULL */
int fs_read(const char *path, size_t max, struct strbuf *out,
    struct error *err);

/* writes path.tmp-<pid>, fsyncs, renames, fsyncs the directory; on failure
   the old file is as it was and nothing is left behind.  If only the last step
   fails the new one is there, and that is logged */
int fs_write_atomic(const char *path, const void *data, size_t len,
    mode_t mode, struct error *err);

/* what processes that were killed have left of fs_write_atomic, in a directory
   that nobody else writes to now; of one file, or name NULL: of all */
void fs_remove_unfinished(const char *directory, const char *name);

/* mkdir -p; existing directories are left as they are */
int fs_mkdir_all(const char *path, mode_t mode, struct error *err);

/* rm -rf without following links; a missing path is success */
int fs_remove_tree(const char *path, struct error *err);

/* fsyncs every file and directory below path */
int fs_sync_tree(const char *path, struct error *err);

int fs_exists(const char *path);

/* hex SHA-256 of a file, 64 characters and NUL */
int fs_sha256(const char *path, char hex[65], struct error *err);

/* n random bytes as hex, NUL-terminated; hex has room for 2n + 1 */
void fs_random_hex(char *hex, size_t n);

uint64_t time_unix_ms(void);
uint64_t time_boot_ms(void);        /* CLOCK_BOOTTIME */

/* 2026-01-01T00:00:00.000Z */
void time_rfc3339(uint64_t unix_ms, char text[32]);

#endif /* LIB_FS_H */
