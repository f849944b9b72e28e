/* SPDX-License-Identifier: MIT */
/*
 * Cgroups of children (cgroup.c) and what of them there is (cgroup_find.c).
 */

#ifndef KEEPER_CGROUP_H
#define KEEPER_CGROUP_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "contract/mint_keeper.h"


enum cgroup_kind {
    CGROUP_V2 = 0, CGROUP_V1_MEMORY = 1, CGROUP_V1_PIDS = 2,
    CGROUP_V1_CPU = 3, CGROUP_KINDS = MINT_KEEPER_CGROUPS
};


/* of one child; directories, NULL where it has none */
struct cgroup {
    char  *dir[CGROUP_KINDS];
};


/* 0 = none */
struct cgroup_limits {
    uint64_t  memory_bytes;
    uint32_t  pids;
    uint32_t  cpu_percent;
};


/* cgroup_find.c: the directories that those of children are made in, and
   which means are in force for what (its header is not filled) */
extern char                      *cgroup_root[CGROUP_KINDS];
extern struct mint_keeper_facts   cgroup_facts;

int cgroup_set_name(const char *name);      /* 0 or EINVAL */
void cgroup_find(void);
void cgroup_leave(void);                    /* removes what it has made */
const char *cgroup_where(void);             /* or why nowhere */

/* cgroup.c: a kind that cannot be made is left out, with a word in the log */
void cgroup_make(struct cgroup *g, const char *label, uint32_t id,
    const struct cgroup_limits *l);
int cgroup_enter(const struct cgroup *g);
int cgroup_place(const struct cgroup *g, pid_t pid);
uint32_t cgroup_kill(const struct cgroup *g);
const char *cgroup_members(const struct cgroup *g);
const char *cgroup_memory(const struct cgroup *g);
uint32_t cgroup_oom_kills(const struct cgroup *g);
void cgroup_remove(struct cgroup *g);
int cgroup_open(const char *dir, const char *file, int mode);

#endif /* KEEPER_CGROUP_H */
