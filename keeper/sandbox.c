/* SPDX-License-Identifier: MIT */
/*
 * Landlock: what a process may open, for itself and all it starts, for good.
 * Which paths, the supervisor says (mint_keeper.h, allow[]); a kernel without
 * Landlock is no error.  The constants are written out: headers of older
 * systems lack the later ones.  plugin_host/mint_plugin_host/sandbox.py does
 * the same for processes that are not exec'ed.
 */

#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>


#define SANDBOX_GET_VERSION     1U          /* flag of create_ruleset */
#define SANDBOX_PATH_BENEATH    1           /* type of rule */
#define SANDBOX_SCOPE_ABSTRACT  (1ULL << 0)
#define SANDBOX_SCOPE_SIGNAL    (1ULL << 1)

#define SANDBOX_EXECUTE         (1ULL << 0)
#define SANDBOX_WRITE_FILE      (1ULL << 1)
#define SANDBOX_READ_FILE       (1ULL << 2)
#define SANDBOX_READ_DIR        (1ULL << 3)
#define SANDBOX_CHANGE_DIR      (0x3ffULL << 4)     /* remove, make, refer */
#define SANDBOX_REFER           (1ULL << 13)
#define SANDBOX_TRUNCATE        (1ULL << 14)
#define SANDBOX_IOCTL           (1ULL << 15)

#define SANDBOX_READ   (SANDBOX_EXECUTE | SANDBOX_READ_FILE | SANDBOX_READ_DIR)
#define SANDBOX_WRITE  (SANDBOX_READ | SANDBOX_WRITE_FILE \
                        | SANDBOX_CHANGE_DIR | SANDBOX_TRUNCATE)
#define SANDBOX_DEVICE (SANDBOX_READ_FILE | SANDBOX_READ_DIR \
                        | SANDBOX_WRITE_FILE | SANDBOX_TRUNCATE \
                        | SANDBOX_IOCTL)
#define SANDBOX_FILE   (SANDBOX_EXECUTE | SANDBOX_READ_FILE \
                        | SANDBOX_WRITE_FILE | SANDBOX_TRUNCATE \
                        | SANDBOX_IOCTL)


struct sandbox_ruleset {
    uint64_t  handled_fs;
    uint64_t  handled_net;
    uint64_t  scoped;
};

struct sandbox_rule {
    uint64_t  allowed;
    int32_t   fd;
} __attribute__((packed));


static int sandbox_allow(int ruleset, const char *entry, uint64_t handled);


uint32_t
sandbox_abi(void)
{
    long  abi;

    abi = syscall(SYS_landlock_create_ruleset, NULL, 0, SANDBOX_GET_VERSION);

    return abi > 0 ? (uint32_t) abi : 0;
}


/* of the calling process, which has no_new_privs; 0 also without Landlock */

int
sandbox_apply(char *const *allow, uint32_t count)
{
    int                     ruleset, failed;
    uint32_t                i, abi;
    struct sandbox_ruleset  attr = { SANDBOX_WRITE | SANDBOX_IOCTL, 0, 0 };

    abi = sandbox_abi();

    if (abi == 0) {
        return 0;
    }

    attr.handled_fs &= abi >= 2 ? ~0ULL : ~SANDBOX_REFER;
    attr.handled_fs &= abi >= 3 ? ~0ULL : ~SANDBOX_TRUNCATE;
    attr.handled_fs &= abi >= 5 ? ~0ULL : ~SANDBOX_IOCTL;
    attr.scoped = abi >= 6 ? SANDBOX_SCOPE_ABSTRACT | SANDBOX_SCOPE_SIGNAL : 0;

    ruleset = (int) syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
                            0);
    failed = ruleset == -1 ? errno : 0;

    for (i = 0; i < count && failed == 0; i++) {
        failed = sandbox_allow(ruleset, allow[i], attr.handled_fs);
    }

    if (failed == 0
        && syscall(SYS_landlock_restrict_self, ruleset, 0) == -1)
    {
        failed = errno;
    }

    if (ruleset != -1) {
        close(ruleset);
    }

    return failed;
}


static int
sandbox_allow(int ruleset, const char *entry, uint64_t handled)
{
    int                  failed;
    struct stat          st;
    struct sandbox_rule  rule;

    rule.allowed = entry[0] == MINT_ALLOW_WRITE ? SANDBOX_WRITE
                   : entry[0] == MINT_ALLOW_DEVICE ? SANDBOX_DEVICE
                   : SANDBOX_READ;
    rule.fd = open(entry + 1, O_PATH | O_CLOEXEC);

    if (rule.fd == -1) {
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM
               ? errno : 0;
    }

    if (fstat(rule.fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
        rule.allowed &= SANDBOX_FILE;
    }

    rule.allowed &= handled;
    failed = syscall(SYS_landlock_add_rule, ruleset, SANDBOX_PATH_BENEATH,
                     &rule, 0) == -1 ? errno : 0;
    close(rule.fd);

    return failed;
}


/* what the child asks for: a letter and an absolute path */

int
sandbox_is_entry(const char *entry)
{
    return (entry[0] == MINT_ALLOW_READ || entry[0] == MINT_ALLOW_WRITE
            || entry[0] == MINT_ALLOW_DEVICE) && entry[1] == '/';
}
