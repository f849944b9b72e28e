/* SPDX-License-Identifier: MIT */
/*
 * What handover.c (the connection) and handover_message.c (what is believed of
 * what comes by it) share.
 */

#ifndef KEEPER_HANDOVER_PRIVATE_H
#define KEEPER_HANDOVER_PRIVATE_H

#include "keeper.h"


/* 1: it was the last one, 0: there is more, -1: it cannot be.  fds that are
   taken become -1. */
int handover_message(char *data, size_t len, int *fds, size_t fd_count);

/* after the attach: what was claimed and is not to be had counts as dead */
void handover_tell_refused(void);

/* so that freeing it does not touch them */
void handover_forget_groups(struct child *c);

#endif /* KEEPER_HANDOVER_PRIVATE_H */
