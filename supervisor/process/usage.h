/* SPDX-License-Identifier: MIT */
/*
 * What a process and all it has started use, from /proc.  Shared pages count
 * once for each process that has them; that of another user cannot be told
 * apart without more rights than the supervisor has.
 */

#ifndef SUPERVISOR_PROCESS_USAGE_H
#define SUPERVISOR_PROCESS_USAGE_H

#include <stdint.h>


#define USAGE_PROCESSES_MAX  1024   /* more are not looked at */


struct usage {
    uint64_t  memory_bytes;         /* resident */
    uint64_t  cpu_ms;               /* since they started */
    uint32_t  processes;
    uint32_t  threads;
};


/* 0, or -1: there is no such process */
int usage_read(int pid, struct usage *usage);

/* adds one process: the text of its stat file; 0, or -1 if it is none */
int usage_add(struct usage *usage, const char *stat, uint64_t page_bytes,
    uint64_t ticks_per_sec);

/* times a file of a cgroup says a process was killed for want of memory:
   "oom_kill N" is a line of it */
uint64_t usage_oom_kills(const char *group);

#endif /* SUPERVISOR_PROCESS_USAGE_H */
