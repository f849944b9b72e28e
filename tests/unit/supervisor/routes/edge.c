/* SPDX-License-Identifier: MIT */
/*
 * The edge's side of the run files for tests.  Includes contract/ only.
 */

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "edge.h"


struct edge_command {
    char      what;
    uint32_t  value;
};

/* a worker counts out in the mapping it counted into */
struct edge_records {
    struct edge_file      file;
    struct mint_worker   *own;
    struct edge_records  *before;
};


static const char *const  edge_names[] = {
    [MINT_RUN_ROUTES] = "routes",
    [MINT_RUN_SEATS] = "seats",
    [MINT_RUN_IDENTITY] = "identity",
    [MINT_RUN_WORKERS] = "workers"
};


void
edge_directory_make(char path[64])
{
    strcpy(path, "/dev/shm/mint-test-XXXXXX");
    if (mkdtemp(path) == NULL) {
        strcpy(path, "/tmp/mint-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(path));
    }
}


void
edge_directory_remove(const char *path)
{
    DIR            *dir;
    char            name[512];
    struct dirent  *entry;

    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);

    while ((entry = readdir(dir)) != NULL) {
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        unlink(name);
    }

    closedir(dir);
    ck_assert_int_eq(rmdir(path), 0);
}


static void
edge_map(struct edge_file *file, const char *directory,
    enum mint_run_kind kind, bool writable)
{
    char         path[256];
    void        *p;
    struct stat  st;

    snprintf(path, sizeof(path), "%s/%s", directory, edge_names[kind]);
    file->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    ck_assert_msg(file->fd != -1, "open(\"%s\"): %s", path, strerror(errno));
    ck_assert_int_eq(fstat(file->fd, &st), 0);
    ck_assert_int_ge(st.st_size, 192);

    file->bytes = (uint64_t) st.st_size;
    p = mmap(NULL, file->bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ,
             MAP_SHARED, file->fd, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    file->header = p;

    ck_assert_uint_eq(file->header->magic, MINT_RUN_MAGIC);
    ck_assert_uint_eq(file->header->kind, kind);
    ck_assert_uint_eq(file->header->abi_major, 1);
    ck_assert_uint_eq(file->header->file_bytes, file->bytes);
}


void
edge_open(struct edge_file *file, const char *directory,
    enum mint_run_kind kind)
{
    edge_map(file, directory, kind, false);
}


void
edge_close(struct edge_file *file)
{
    munmap(file->header, file->bytes);
    close(file->fd);
}


bool
edge_is_retired(const struct edge_file *file)
{
    return mint_run_load_acquire(&file->header->life) == MINT_RUN_RETIRED;
}


static const void *
edge_at(const struct edge_file *file, uint64_t offset, uint64_t bytes)
{
    ck_assert_msg(offset % 8 == 0 && offset >= 192
                  && offset + bytes <= file->bytes,
                  "%llu bytes at %llu are out of bounds",
                  (unsigned long long) bytes, (unsigned long long) offset);

    return (const char *) file->header + offset;
}


/* one try: 1 found, 0 not there, -1 the tables were torn */

static int
edge_lookup(const struct edge_file *routes, uint64_t generation,
    const char *prefix, struct mint_route *route)
{
    size_t                    len;
    uint32_t                  at, mask, capacity, index, probes;
    uint64_t                  half, pair;
    const struct mint_route  *entries;
    const uint64_t           *buckets;

    len = strlen(prefix);
    capacity = routes->header->capacity[MINT_ROUTES_CAPACITY_ENTRIES];
    mask = routes->header->capacity[MINT_ROUTES_CAPACITY_BUCKETS] - 1;
    half = routes->header->section[generation & 1];
    buckets = edge_at(routes, half + 64, (mask + 1) * 4ULL);
    entries = edge_at(routes, half + 64 + (mask + 1) * 4ULL,
                      capacity * 256ULL);
    at = (uint32_t) mint_prefix_hash(MINT_PREFIX_HASH_SEED, prefix, len);

    for (probes = 0; probes <= mask; probes++, at++) {
        pair = mint_run_load(&buckets[(at & mask) / 2]);
        index = (uint32_t) (at & 1 ? pair >> 32 : pair);
        if (index == 0) {
            return 0;
        }

        if (index > capacity) {
            return -1;
        }

        mint_run_copy(route, &entries[index - 1], sizeof(*route));
        if (route->prefix_len == len
            && memcmp(route->prefix, prefix, len) == 0)
        {
            return 1;
        }
    }

    return -1;
}


bool
edge_route(const struct edge_file *routes, const char *prefix,
    struct mint_route *route, struct edge_retries *retries)
{
    int       found, tries;
    uint64_t  generation;

    for (tries = 0; tries < MINT_ROUTES_TRIES; tries++) {
        generation = mint_run_load_acquire(&routes->header->generation);
        found = edge_lookup(routes, generation, prefix, route);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);

        if (mint_run_load(&routes->header->generation) == generation) {
            ck_assert_int_ne(found, -1);
            return found == 1;
        }

        if (retries != NULL) {
            retries->retried++;
        }
    }

    if (retries != NULL) {
        retries->gave_up++;
    }

    return false;
}


bool
edge_half(const struct edge_file *routes, struct mint_routes_half *half,
    struct mint_route *entries, uint32_t size, struct edge_retries *retries)
{
    int               tries;
    bool              whole;
    char             *copy;
    uint64_t          generation, buckets_bytes, most;
    const char       *from;
    const uint32_t   *capacity;

    capacity = routes->header->capacity;
    buckets_bytes = capacity[MINT_ROUTES_CAPACITY_BUCKETS] * 4ULL;
    most = buckets_bytes + capacity[MINT_ROUTES_CAPACITY_ENTRIES] * 256ULL;
    copy = malloc(most);
    ck_assert_ptr_nonnull(copy);
    whole = false;

    for (tries = 0; tries < MINT_ROUTES_TRIES; tries++) {
        generation = mint_run_load_acquire(&routes->header->generation);
        from = edge_at(routes, routes->header->section[generation & 1],
                       64 + most);
        mint_run_copy(half, from, sizeof(*half));
        mint_run_copy(copy, from + 64, most);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);

        whole = half->generation == generation && half->entry_count <= size
                && half->entry_count * 256ULL + buckets_bytes <= most
                && crc32(0, (const Bytef *) copy,
                         (uInt) (buckets_bytes + half->entry_count * 256ULL))
                   == half->crc32;

        if (mint_run_load(&routes->header->generation) == generation) {
            ck_assert_msg(whole, "a published half is not whole");
            break;
        }

        retries->retried++;
        retries->torn += !whole;
        whole = false;
    }

    if (whole) {
        memcpy(entries, copy + buckets_bytes, half->entry_count * 256ULL);

    } else {
        retries->gave_up++;
    }

    free(copy);

    return whole;
}


const struct mint_seat *
edge_seat(const struct edge_file *seats, uint32_t index)
{
    ck_assert_uint_lt(index, seats->header->capacity[0]);

    return edge_at(seats, seats->header->section[0] + index * 128ULL, 128);
}


const struct mint_identity_user *
edge_user(const struct edge_file *identity, uint64_t id)
{
    uint32_t                          at, mask, probes;
    uint64_t                          row;
    const struct mint_identity_user  *users;

    mask = identity->header->capacity[MINT_IDENTITY_CAPACITY_USERS] - 1;
    users = edge_at(identity, identity->header->section[0],
                    (mask + 1) * 32ULL);
    at = mint_identity_hash(id);

    for (probes = 0; probes <= mask; probes++, at++) {
        row = mint_run_load_acquire(&users[at & mask].id);
        if (row == id) {
            return &users[at & mask];
        }
        if (row == 0) {
            break;
        }
    }

    return NULL;
}


const struct mint_identity_role *
edge_role(const struct edge_file *identity, unsigned index)
{
    const struct mint_identity_role  *row;

    ck_assert_uint_lt(index, identity->header->capacity[1]);
    row = edge_at(identity, identity->header->section[1] + index * 32ULL, 32);

    return mint_run_load_acquire(&row->word) >> 63 ? row : NULL;
}


const struct mint_identity_misc *
edge_misc(const struct edge_file *identity)
{
    return edge_at(identity,
                   identity->header->section[MINT_IDENTITY_SECTION_ARENA],
                   64);
}


bool
edge_denied(const struct edge_file *identity, const char *jti,
    uint64_t now_unix)
{
    uint32_t                            at, mask, probes;
    uint64_t                            hash, row;
    const struct mint_identity_denied  *rows;

    mask = identity->header->capacity[MINT_IDENTITY_CAPACITY_DENIED] - 1;
    rows = edge_at(identity, identity->header->section[4],
                   (mask + 1) * 16ULL);
    hash = mint_prefix_hash(MINT_PREFIX_HASH_SEED, jti, strlen(jti));
    at = (uint32_t) hash;

    for (probes = 0; probes <= mask; probes++, at++) {
        row = mint_run_load_acquire(&rows[at & mask].jti_hash);
        if (row == 0) {
            return false;
        }
        if (row == hash) {
            return mint_run_load(&rows[at & mask].expires_unix) >= now_unix;
        }
    }

    return false;
}


uint32_t
edge_blob(const struct edge_file *identity, const uint64_t *word, char *text)
{
    uint32_t  len;
    uint64_t  ref;

    do {
        ref = mint_run_load_acquire(word);
        len = mint_blob_length(ref);
        text[0] = '\0';
        if (ref == 0) {
            return 0;
        }

        ck_assert_uint_le(len, MINT_BLOB_MAX);
        mint_run_copy(text, edge_at(identity, mint_blob_offset(ref), len),
                      (len + 7) & ~7U);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (mint_run_load(word) != ref);

    text[len] = '\0';

    return len;
}


void
edge_token(const struct edge_file *identity, uint32_t plugin_id, char *text)
{
    const struct mint_identity_plugin  *row;

    ck_assert_uint_lt(plugin_id, identity->header->capacity[2]);
    row = edge_at(identity, identity->header->section[2] + plugin_id * 16ULL,
                  16);
    edge_blob(identity, &row->token, text);
}


/* ---- worker -------------------------------------------------------- */

static struct edge_records *
edge_own(const char *directory, struct edge_records *before)
{
    unsigned              i;
    uint64_t              bytes;
    struct flock          lock;
    struct edge_records  *records;

    records = calloc(1, sizeof(*records));
    edge_map(&records->file, directory, MINT_RUN_WORKERS, true);
    records->before = before;

    bytes = mint_worker_record_bytes(records->file.header->capacity[1],
                                     records->file.header->capacity[2]);

    for (i = 0; i < MINT_WORKERS_MAX; i++) {
        memset(&lock, 0, sizeof(lock));
        lock.l_type = F_WRLCK;
        lock.l_start = i;
        lock.l_len = 1;
        if (fcntl(records->file.fd, F_OFD_SETLK, &lock) == 0) {
            break;
        }
    }

    if (i == MINT_WORKERS_MAX
        || posix_fallocate(records->file.fd,
                           (off_t) (records->file.header->section[0]
                                    + i * bytes), (off_t) bytes) != 0)
    {
        _exit(3);
    }

    records->own = (struct mint_worker *) (void *)
                   ((char *) records->file.header
                    + records->file.header->section[0] + i * bytes);
    mint_worker_begin(records->own, records->file.header->capacity[1],
                      records->file.header->capacity[2]);
    records->own->pid = (uint64_t) getpid();

    return records;
}


static void
edge_count(struct edge_records *records, char what, uint32_t seat)
{
    uint32_t  *in_flight;

    /* count out where it was counted in */
    for ( /* void */ ; records != NULL; records = records->before) {
        in_flight = (uint32_t *) (records->own + 1);
        if (what == EDGE_ENTER) {
            mint_seat_enter(&in_flight[seat]);
            return;
        }
        if (mint_seat_count(&in_flight[seat]) > 0) {
            mint_seat_leave(&in_flight[seat]);
            return;
        }
    }
}


static void
edge_epochs(struct edge_records *records, const char *directory)
{
    unsigned          kind;
    struct edge_file  file;

    for (kind = 1; kind <= 4; kind++) {
        edge_open(&file, directory, (enum mint_run_kind) kind);
        mint_run_store(&records->own->epoch[kind - 1],
                       file.header->writer_epoch);
        edge_close(&file);
    }
}


static void
edge_worker_main(int from, int to, const char *directory)
{
    struct edge_command   command;
    struct edge_records  *records;

    records = edge_own(directory, NULL);

    for ( ;; ) {
        if (write(to, "", 1) != 1
            || read(from, &command, sizeof(command)) != sizeof(command))
        {
            _exit(0);
        }

        switch (command.what) {
        case EDGE_EPOCHS:
            edge_epochs(records, directory);
            break;

        case EDGE_REOPEN:
            records = edge_own(directory, records);
            break;

        default:
            edge_count(records, command.what, command.value);
        }
    }
}


void
edge_worker_start(struct edge_worker *worker, const char *directory)
{
    int   to[2], from[2];
    char  byte;

    ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);

    worker->pid = fork();
    ck_assert_int_ne(worker->pid, -1);
    if (worker->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(to[1]);
        close(from[0]);
        edge_worker_main(to[0], from[1], directory);
    }

    close(to[0]);
    close(from[1]);
    worker->to = to[1];
    worker->from = from[0];
    ck_assert_int_eq(read(worker->from, &byte, 1), 1);
}


void
edge_worker_command(struct edge_worker *worker, char what, uint32_t value)
{
    char                 byte;
    struct edge_command  command;

    memset(&command, 0, sizeof(command));
    command.what = what;
    command.value = value;
    ck_assert_int_eq(write(worker->to, &command, sizeof(command)),
                     sizeof(command));
    ck_assert_int_eq(read(worker->from, &byte, 1), 1);
}


void
edge_worker_kill(struct edge_worker *worker)
{
    kill(worker->pid, SIGKILL);
    ck_assert_int_eq(waitpid(worker->pid, NULL, 0), worker->pid);
    close(worker->to);
    close(worker->from);
}
