/* SPDX-License-Identifier: MIT */
/*
 * What a warm process may do that others may not: take on ids of the range.
 * It keeps two capabilities, and a system call filter sees to it that they
 * are good for nothing else, whoever asked for its start and whatever it
 * runs.  The filter stays with all that is forked from it.
 */

#include "keeper.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>


#if defined(__x86_64__)
#define WARM_ARCH  AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define WARM_ARCH  AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define WARM_ARCH  AUDIT_ARCH_RISCV64
#endif

#define WARM_X32      0x40000000            /* numbers of another ABI */
#define WARM_RULES    96


struct warm_filter {
    struct sock_filter  rule[WARM_RULES];
    unsigned short      count;
};


static const uint32_t  warm_capabilities[] = { CAP_SETUID, CAP_SETGID };

#define WARM_CAPABILITIES \
    (sizeof(warm_capabilities) / sizeof(warm_capabilities[0]))


#ifdef WARM_ARCH

/* other ways to another id, or to being root of a namespace with such an id */

static const int  warm_denied[] = {
    SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setfsuid,
    SYS_setfsgid
};

static int warm_rights_filter(void);
static void warm_rule_ids(struct warm_filter *f, int number, int first,
    int last);
static void warm_rule_flag(struct warm_filter *f, int number);

#endif


/* while it is root; the bounding set as far as it may: the rest is belt and
   braces, without new privileges nothing is gained by exec */

int
warm_rights_limit(void)
{
    int  cap;

    if (!keeper.is_root) {
        return 0;
    }

    for (cap = 0; cap <= CAP_LAST_CAP; cap++) {
        if (cap != CAP_SETUID && cap != CAP_SETGID) {
            (void) prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
        }
    }

    return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1 ? errno : 0;
}


/* when it is not root any more */

int
warm_rights_keep(void)
{
#ifdef WARM_ARCH
    size_t                           i;
    struct __user_cap_header_struct  head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct    data[2];

    if (!keeper.is_root) {
        return 0;
    }

    memset(data, 0, sizeof(data));

    for (i = 0; i < WARM_CAPABILITIES; i++) {
        data[0].permitted |= 1U << warm_capabilities[i];
    }

    data[0].effective = data[0].inheritable = data[0].permitted;

    if (syscall(SYS_capset, &head, data) == -1) {
        return errno;
    }

    for (i = 0; i < WARM_CAPABILITIES; i++) {
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, warm_capabilities[i],
                  0, 0) == -1)
        {
            return errno;
        }
    }

    return warm_rights_filter();
#else
    return keeper.is_root ? ENOSYS : 0;     /* plugins are exec'ed */
#endif
}


#ifdef WARM_ARCH

static void
warm_rule(struct warm_filter *f, uint16_t code, uint32_t value, int yes,
    int no)
{
    if (f->count < WARM_RULES) {
        f->rule[f->count] = (struct sock_filter) {
            code, (uint8_t) yes, (uint8_t) no, value
        };
    }

    f->count++;
}


static void
warm_rule_load(struct warm_filter *f, size_t offset)
{
    warm_rule(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t) offset, 0, 0);
}


/* the kernel looks at the lower half of an id only */

static void
warm_rule_load_argument(struct warm_filter *f, int i)
{
    warm_rule_load(f, offsetof(struct seccomp_data, args)
                   + (size_t) i * sizeof(uint64_t)
                   + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0));
}


static void
warm_rule_end(struct warm_filter *f, uint32_t action)
{
    warm_rule(f, BPF_RET | BPF_K, action, 0, 0);
}


static int
warm_rights_filter(void)
{
    size_t              i;
    struct sock_fprog   program;
    struct warm_filter  f;

    f.count = 0;

    warm_rule_load(&f, offsetof(struct seccomp_data, arch));
    warm_rule(&f, BPF_JMP | BPF_JEQ | BPF_K, WARM_ARCH, 1, 0);
    warm_rule_end(&f, SECCOMP_RET_KILL_PROCESS);

    warm_rule_load(&f, offsetof(struct seccomp_data, nr));
    warm_rule(&f, BPF_JMP | BPF_JGE | BPF_K, WARM_X32, 0, 1);
    warm_rule_end(&f, SECCOMP_RET_ERRNO | ENOSYS);

    for (i = 0; i < sizeof(warm_denied) / sizeof(warm_denied[0]); i++) {
        warm_rule(&f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) warm_denied[i],
                  0, 1);
        warm_rule_end(&f, SECCOMP_RET_ERRNO | EPERM);
    }

    /* its flags are in memory, where no filter looks: libc takes clone() */

    warm_rule(&f, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
    warm_rule_end(&f, SECCOMP_RET_ERRNO | ENOSYS);

    warm_rule_flag(&f, SYS_clone);
    warm_rule_flag(&f, SYS_unshare);
    warm_rule_ids(&f, SYS_setgroups, 0, 0);
    warm_rule_ids(&f, SYS_setresuid, 0, 2);
    warm_rule_ids(&f, SYS_setresgid, 0, 2);
    warm_rule_end(&f, SECCOMP_RET_ALLOW);

    if (f.count > WARM_RULES) {
        return E2BIG;
    }

    program.len = f.count;
    program.filter = f.rule;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1)
    {
        return errno;
    }

    return 0;
}


/* setgroups: of none; else all three within the range */

static void
warm_rule_ids(struct warm_filter *f, int number, int first, int last)
{
    int             i;
    uint32_t        low, high;
    unsigned short  skip;

    low = number == SYS_setgroups ? 0 : keeper.range_first;
    high = number == SYS_setgroups ? 0 : keeper.range_last;

    /* none may be in a range that is not there */

    low = high == 0 && number != SYS_setgroups ? UINT32_MAX : low;

    skip = f->count;
    warm_rule(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) number, 0, 0);

    for (i = first; i <= last; i++) {
        warm_rule_load_argument(f, i);
        warm_rule(f, BPF_JMP | BPF_JGE | BPF_K, low, 0, 1);
        warm_rule(f, BPF_JMP | BPF_JGT | BPF_K, high, 0, 1);
        warm_rule_end(f, SECCOMP_RET_ERRNO | EPERM);
    }

    warm_rule_end(f, SECCOMP_RET_ALLOW);

    if (f->count <= WARM_RULES) {
        f->rule[skip].jf = (uint8_t) (f->count - skip - 1);
    }
}


/* CLONE_NEWUSER: who may set ids may map them into a namespace of his own */

static void
warm_rule_flag(struct warm_filter *f, int number)
{
    warm_rule(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) number, 0, 4);
    warm_rule_load_argument(f, 0);
    warm_rule(f, BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 1);
    warm_rule_end(f, SECCOMP_RET_ERRNO | EPERM);
    warm_rule_end(f, SECCOMP_RET_ALLOW);
}

#endif
