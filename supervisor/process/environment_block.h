/* SPDX-License-Identifier: MIT */
/*
 * The environment of a process to be: nothing is inherited but what is named.
 */

#ifndef SUPERVISOR_PROCESS_ENVIRONMENT_BLOCK_H
#define SUPERVISOR_PROCESS_ENVIRONMENT_BLOCK_H

#include <stddef.h>


/* zero-initialise; items are wiped when freed (tokens are among them) */
struct environment_block {
    char    **item;                 /* NULL-terminated */
    size_t    count;
};


void environment_clear(struct environment_block *block);
void environment_add(struct environment_block *block, const char *name,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* the supervisor's own value of name, if it has one */
void environment_pass(struct environment_block *block, const char *name);

/* all of the supervisor's own variables whose name starts so, but for those
   the block has already */
void environment_pass_prefix(struct environment_block *block,
    const char *prefix);

const char *const *environment_list(const struct environment_block *block);

#endif /* SUPERVISOR_PROCESS_ENVIRONMENT_BLOCK_H */
