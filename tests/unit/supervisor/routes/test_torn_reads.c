/* SPDX-License-Identifier: MIT */
/*
 * One thread writes at full speed, others read as nginx workers do: whatever
 * a reader accepts is whole.  Routes swap between two sets, identity rewrites
 * blobs and its whole file; readers are those of edge.c, made from contract/
 * alone.
 */

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "supervisor/routes/identity_writer.h"
#include "supervisor/routes/routes_writer.h"


#define READERS       2
#define RUN_MS        700
#define PATIENCE_MS   15000     /* for what must be seen at least once */
#define SET_A         48        /* routes of set a, and of set b */
#define SET_B         61
#define CAPACITY      64


static char      directory[64];
static bool      is_over;
static uint64_t  writes;

struct reader {
    pthread_t            thread;
    uint64_t             accepted[2];   /* of set a, of set b */
    uint64_t             reopened;
    struct edge_retries  retries;
    const char          *wrong;         /* what is wrong with an accepted one */
};


static void
setup(void)
{
    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    edge_directory_make(directory);
    is_over = false;
    writes = 0;
}


static void
teardown(void)
{
    edge_directory_remove(directory);
}


static bool
over(void)
{
    return __atomic_load_n(&is_over, __ATOMIC_ACQUIRE);
}


/* ---- routes -------------------------------------------------------- */

/* the sets share prefixes, but nothing else: set b runs in reverse */

static size_t
make_set(struct publisher_route *routes, char (*text)[3][64], bool b)
{
    size_t  i, count;

    count = b ? SET_B : SET_A;

    for (i = 0; i < count; i++) {
        memset(&routes[i], 0, sizeof(routes[i]));
        snprintf(text[i][0], 64, "/p%02zu", i);
        snprintf(text[i][1], 64, "%c-%zu", b ? 'b' : 'a',
                 b ? count - i : i + 1);
        snprintf(text[i][2], 64, "%s", b ? "2.0.0-b" : "1.0.0-a");
        routes[i].prefix = text[i][0];
        routes[i].name = text[i][1];
        routes[i].version = text[i][2];
        routes[i].plugin_id = (uint32_t) (b ? count - i : i + 1);
        routes[i].seat_first = 2 * routes[i].plugin_id;
        routes[i].slot_count = b ? 2 : 1;
        routes[i].flags = b ? MINT_ROUTE_SHARED : 0;
    }

    return count;
}


/* the set an entry belongs to with all its fields, or -1 */

static int
set_of(const struct mint_route *r, size_t i)
{
    int   set;
    char  name[65];

    set = r->slot_count == 2;
    snprintf(name, sizeof(name), "%c-%u", set ? 'b' : 'a', r->plugin_id);

    return r->plugin_id == (set ? SET_B - i : i + 1)
           && r->seat_first == 2 * r->plugin_id
           && r->flags == (set ? MINT_ROUTE_SHARED : 0)
           && r->name_len == strlen(name)
           && memcmp(r->name, name, r->name_len) == 0
           && strcmp(r->version, set ? "2.0.0-b" : "1.0.0-a") == 0
           ? set : -1;
}


static void *
read_routes(void *ctx)
{
    int                       set;
    char                      prefix[16];
    size_t                    i;
    struct reader            *reader;
    struct edge_file          file;
    struct mint_route         route, all[CAPACITY];
    struct mint_routes_half   half;

    reader = ctx;
    edge_open(&file, directory, MINT_RUN_ROUTES);

    for (i = 0; !over() && reader->wrong == NULL; i = (i + 1) % SET_B) {
        snprintf(prefix, sizeof(prefix), "/p%02zu", i);

        if (edge_route(&file, prefix, &route, &reader->retries)) {
            set = set_of(&route, i);
            if (set == -1) {
                reader->wrong = "an entry is mixed";
                break;
            }
            reader->accepted[set]++;
        }

        if (!edge_half(&file, &half, all, CAPACITY, &reader->retries)) {
            continue;
        }

        set = half.entry_count == SET_B;
        if (half.entry_count != (set ? SET_B : SET_A)
            || half.segments_max != 1 || half.prefix_max != 4
            || set_of(&all[i % half.entry_count], i % half.entry_count)
               != set)
        {
            reader->wrong = "a half is mixed";
        }
    }

    edge_close(&file);

    return NULL;
}


static void
start(struct reader *readers, void *(*run)(void *ctx))
{
    unsigned  i;

    memset(readers, 0, READERS * sizeof(*readers));

    for (i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, run,
                                        &readers[i]), 0);
    }
}


static bool
has_torn(const struct reader *readers)
{
    unsigned  i;

    for (i = 0; i < READERS; i++) {
        if (__atomic_load_n(&readers[i].retries.torn, __ATOMIC_RELAXED) > 0) {
            return true;
        }
    }

    return false;
}


static bool
has_reopened(const struct reader *readers)
{
    unsigned  i;

    for (i = 0; i < READERS; i++) {
        if (__atomic_load_n(&readers[i].reopened, __ATOMIC_RELAXED) > 0) {
            return true;
        }
    }

    return false;
}


/* joins all; the sums in *sum */

static void
finish(struct reader *readers, struct reader *sum)
{
    unsigned  i;

    memset(sum, 0, sizeof(*sum));
    __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);

    for (i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        sum->accepted[0] += readers[i].accepted[0];
        sum->accepted[1] += readers[i].accepted[1];
        sum->reopened += readers[i].reopened;
        sum->retries.retried += readers[i].retries.retried;
        sum->retries.torn += readers[i].retries.torn;
        sum->retries.gave_up += readers[i].retries.gave_up;
        if (readers[i].wrong != NULL) {
            sum->wrong = readers[i].wrong;
        }
    }
}


START_TEST(routes_are_never_torn)
{
    size_t                   count[2];
    uint64_t                 end_ms;
    struct error             err;
    struct reader            readers[READERS], sum;
    struct routes_writer     writer;
    struct publisher_route   routes[2][CAPACITY];

    static char  text[2][CAPACITY][3][64];

    count[0] = make_set(routes[0], text[0], false);
    count[1] = make_set(routes[1], text[1], true);

    ck_assert_int_eq(routes_writer_open(&writer, directory, CAPACITY,
                                        (gid_t) -1, &err), 0);
    ck_assert_int_eq(routes_writer_set(&writer, routes[0], count[0], &err),
                     0);
    start(readers, read_routes);
    end_ms = time_boot_ms() + RUN_MS;

    while (time_boot_ms() < end_ms
           || (!has_torn(readers) && time_boot_ms() < end_ms + PATIENCE_MS))
    {
        writes++;
        ck_assert_int_eq(routes_writer_set(&writer, routes[writes & 1],
                                           count[writes & 1], &err), 0);
    }

    finish(readers, &sum);
    printf("routes: %llu writes; %llu and %llu entries accepted, %llu copies "
           "discarded, %llu of them torn, %llu given up\n",
           (unsigned long long) writes, (unsigned long long) sum.accepted[0],
           (unsigned long long) sum.accepted[1],
           (unsigned long long) sum.retries.retried,
           (unsigned long long) sum.retries.torn,
           (unsigned long long) sum.retries.gave_up);

    ck_assert_msg(sum.wrong == NULL, "%s", sum.wrong);
    ck_assert_uint_gt(sum.accepted[0], 100);
    ck_assert_uint_gt(sum.accepted[1], 100);

    /* without the check of the generation torn copies would have been used */
    ck_assert_uint_gt(sum.retries.torn, 0);
    ck_assert_ptr_null(writer.line.retired);
    routes_writer_close(&writer);
}
END_TEST


/* ---- identity ------------------------------------------------------ */

/* a text of one letter, its length given by the letter */

static void
fill(char *text, uint64_t turn)
{
    char    letter;
    size_t  len;

    letter = (char) ('a' + turn % 26);
    len = 1 + (size_t) (letter - 'a') * 9;
    memset(text, letter, len);
    text[len] = '\0';
}


static bool
is_filled(const char *text, size_t len)
{
    size_t  i;

    if (len == 0 || text[0] < 'a' || text[0] > 'z'
        || len != 1 + (size_t) (text[0] - 'a') * 9)
    {
        return false;
    }

    for (i = 1; i < len; i++) {
        if (text[i] != text[0]) {
            return false;
        }
    }

    return true;
}


static const char *
look(const struct edge_file *file, char *text, struct reader *reader)
{
    uint32_t                          len;
    uint64_t                          word;
    const struct mint_identity_user  *user;
    const struct mint_identity_role  *role;

    user = edge_user(file, 77);
    if (user == NULL) {
        return "the user is missing";
    }

    word = mint_run_load_acquire(&user->word);
    if (mint_user_role(word) != 0
        || (mint_user_flags(word) == MINT_USER_ACTIVE)
           != (mint_user_session_version(word) % 2 == 1))
    {
        return "the user's word is mixed";
    }

    reader->accepted[mint_user_flags(word)]++;

    len = edge_blob(file, &user->name, text);
    if (!is_filled(text, len)) {
        return "the user's name is mixed";
    }

    role = edge_role(file, 0);
    if (role == NULL) {
        return "the role is missing";
    }

    /* ["aaaa"] */
    len = edge_blob(file, &role->permissions, text);
    if (len < 5 || memcmp(text, "[\"", 2) != 0
        || memcmp(text + len - 2, "\"]", 2) != 0
        || !is_filled(text + 2, len - 4))
    {
        return "the permissions are mixed";
    }

    return NULL;
}


static void *
read_identity(void *ctx)
{
    char              *text;
    struct reader     *reader;
    struct edge_file   file;

    reader = ctx;
    text = malloc(MINT_BLOB_MAX + 9);
    edge_open(&file, directory, MINT_RUN_IDENTITY);

    while (!over() && reader->wrong == NULL) {
        reader->wrong = look(&file, text, reader);

        if (edge_is_retired(&file)) {
            edge_close(&file);
            edge_open(&file, directory, MINT_RUN_IDENTITY);
            reader->reopened++;
        }
    }

    edge_close(&file);
    free(text);

    return NULL;
}


static int
change_identity(struct identity_writer *writer, uint64_t turn,
    struct error *err)
{
    int                     rc;
    char                    name[256], permission[256];
    const char             *permissions[1];
    struct publisher_role   role;
    struct publisher_user   user;

    fill(name, turn);
    fill(permission, turn + 13);
    permissions[0] = permission;

    memset(&role, 0, sizeof(role));
    role.slug = "member";
    role.permissions = permissions;
    role.permission_count = 1;

    rc = identity_writer_role(writer, &role, err);
    if (rc != 0) {
        return rc;
    }

    user.id = 77;
    user.username = name;
    user.role = "member";
    user.session_version = (uint32_t) turn;
    user.active = turn % 2 == 1;

    return identity_writer_user(writer, &user, err);
}


START_TEST(identity_is_never_torn)
{
    uint64_t                 end_ms;
    struct error             err;
    struct reader            readers[READERS], sum;
    struct identity_writer   writer;

    ck_assert_int_eq(identity_writer_open(&writer, directory, 0, 8,
                                          (gid_t) -1, &err), 0);
    ck_assert_int_eq(change_identity(&writer, 0, &err), 0);
    start(readers, read_identity);
    end_ms = time_boot_ms() + RUN_MS;

    while (time_boot_ms() < end_ms
           || (!has_reopened(readers)
               && time_boot_ms() < end_ms + PATIENCE_MS))
    {
        ck_assert_int_eq(change_identity(&writer, ++writes, &err), 0);
    }

    finish(readers, &sum);
    printf("identity: %llu writes in %llu files; %llu looks, reopened %llu "
           "times\n", (unsigned long long) writes,
           (unsigned long long) writer.line.current->epoch,
           (unsigned long long) (sum.accepted[0] + sum.accepted[1]),
           (unsigned long long) sum.reopened);

    ck_assert_msg(sum.wrong == NULL, "%s", sum.wrong);
    ck_assert_uint_gt(sum.accepted[0], 100);
    ck_assert_uint_gt(sum.accepted[1], 100);

    /* the arena has been full at least once, and readers have moved on */
    ck_assert_uint_gt(writer.line.current->epoch, 1);
    ck_assert_uint_gt(sum.reopened, 0);
    identity_writer_close(&writer);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    setbuf(stdout, NULL);

    suite = suite_create("torn_reads");
    cases = tcase_create("torn_reads");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, routes_are_never_torn);
    tcase_add_test(cases, identity_is_never_torn);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
