/* SPDX-License-Identifier: MIT */
/*
 * Protocol between mint-keeper and a warm process: one that was started with
 * MINT_SPAWN_WARM and forks further processes for the keeper (plugin_host/).
 *
 * The keeper holds one end of a SOCK_SEQPACKET pair, the warm process the
 * other (its fd after report and control pipe).  For each process wanted the
 * keeper sends one byte, MINT_WARM_FORK, and one fd: the near end of another
 * such pair, the birth socket.  The warm process forks twice, reaps the
 * process between, and closes that fd unread: of tokens and sockets that
 * belong to one plugin nothing ever is in memory that others are forked from.
 *
 * What follows is between the keeper and the new process alone:
 *   keeper   struct mint_warm_birth; strings, each ended by NUL: cwd,
 *            argv[argc], env[envc], allow[allow_count] (mint_keeper.h); fds
 *            by SCM_RIGHTS: what become 0, 1, 2..
 *   process  struct mint_warm_born, once it is all of this and its parent is
 *            the keeper; or once it, or the fork before it, has failed
 *   keeper   one byte, MINT_WARM_BEGIN: it is in custody and may load what it
 *            likes.  End of file instead: nobody waits for it, it exits.
 *
 * The keeper believes no number it is told: pid, uid and gid are those the
 * kernel attaches (SO_PASSCRED).
 */

#ifndef MINT_WARM_H
#define MINT_WARM_H

#include <stdint.h>


#define MINT_WARM_VERSION  1

#define MINT_WARM_FORK   'f'
#define MINT_WARM_BEGIN  'b'


struct mint_warm_birth {
    uint32_t  version;
    uint32_t  flags;                /* enum mint_keeper_spawn_flag */
    uint32_t  uid;                  /* UINT32_MAX: ids stay as they are */
    uint32_t  gid;
    uint32_t  umask;
    uint32_t  argc;
    uint32_t  envc;
    uint32_t  allow_count;
    uint32_t  parent;               /* the keeper's pid */
    uint32_t  reserved;
    uint64_t  nofile_soft;          /* limits: UINT64_MAX = none */
    uint64_t  nofile_hard;
    uint64_t  data_bytes;
    uint64_t  processes;
};


struct mint_warm_born {
    int32_t  status;                /* 0 or an errno */
};


_Static_assert(sizeof(struct mint_warm_birth) == 72, "warm birth");
_Static_assert(sizeof(struct mint_warm_born) == 4, "warm born");

#endif /* MINT_WARM_H */
