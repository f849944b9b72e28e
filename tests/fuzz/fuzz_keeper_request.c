/* SPDX-License-Identifier: MIT */
/*
 * The keeper's parser of requests: whatever arrives, only strings that end
 * inside the message reach those who act on them, and each message is
 * answered exactly once.
 */

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/request.c"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


struct keeper  keeper;

static jmp_buf        finished;
static int            answers;
static volatile long  sink;


static void
use(const char *text)
{
    sink += (long) strlen(text);
}


static void
check(int is_true)
{
    if (!is_true) {
        abort();
    }
}


void
supervisor_say(enum mint_keeper_type type, uint32_t serial, int status,
    uint32_t id)
{
    (void) serial;
    (void) id;
    check(type == MINT_KEEPER_DONE || status != 0);
    check(status >= 0);
    answers++;
}


int
listener_open(const struct mint_keeper_listen *m, const char *address,
    const char *label)
{
    check(m->header.id != 0 && m->mode <= 0777);
    use(address);
    use(label);
    answers++;

    return -1;
}


int
warm_is_expected(uint32_t id)
{
    return id == 3;
}


int
child_spawn(const struct mint_keeper_spawn *m, const char *label,
    const char *cwd, char **argv, char **env, char **allow)
{
    uint32_t  i;

    check(m->argc > 0 && m->listener_count <= MINT_KEEPER_LISTENERS_MAX);
    check(argv[0][0] == '/' && cwd[0] == '/');
    check(strlen(label) < MINT_KEEPER_LABEL_MAX);

    for (i = 0; i < m->argc; i++) {
        use(argv[i]);
    }

    for (i = 0; i < m->envc; i++) {
        use(env[i]);
    }

    for (i = 0; i < m->allow_count; i++) {
        check(sandbox_is_entry(allow[i]));
        use(allow[i]);
    }

    check(argv[m->argc] == NULL && env[m->envc] == NULL);
    check(allow[m->allow_count] == NULL);
    answers++;

    return 0;
}


int
sandbox_is_entry(const char *entry)
{
    return entry[0] == 'r' && entry[1] == '/';
}


int
path_wipe(const struct mint_keeper_header *h, const char *path)
{
    (void) h;
    use(path);
    answers++;

    return -1;
}


int
path_own(const struct mint_keeper_path *m, const char *path)
{
    check(m->mode <= 0777);
    use(path);

    return 0;
}


int
child_signal(uint32_t id, int number)
{
    (void) id;
    check(number > 0 && number < NSIG);

    return 0;
}


int
child_forget(uint32_t id)
{
    return id == 0 ? ENOENT : 0;
}


int
listener_close(uint32_t id)
{
    return id == 0 ? ENOENT : 0;
}


struct child *
child_find(uint32_t id)
{
    (void) id;
    return NULL;
}


int
identity_allowed(uint32_t uid, uint32_t gid, uint32_t extra_gid)
{
    return uid % 2 == 0 && gid % 2 == 0 && extra_gid % 2 == 0;
}


void
keeper_finish(int status, uint64_t grace_ms)
{
    (void) grace_ms;
    check(status >= 0 && status <= 125);
    longjmp(finished, 1);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char  *copy;

    if (size > MINT_KEEPER_MESSAGE_MAX) {
        return 0;
    }

    /* a block of its own size, so that reading past it is seen */

    copy = malloc(size + (size == 0));
    memcpy(copy, data, size);
    answers = 0;

    if (setjmp(finished) == 0) {
        request_handle(copy, size);
    }

    check(answers == 1);
    free(copy);

    return 0;
}
