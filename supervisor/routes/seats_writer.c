/* SPDX-License-Identifier: MIT */
/*
 * Writes "seats".  An address is written once and stays; afterwards a change
 * is one word.  While workers may still read a retired file, words go there
 * too: a worker that counts in and reloads the word must never find an old
 * one.
 */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_workers.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "seat_pins.h"
#include "seats_writer.h"


#define SEATS_CAPACITY_LEAST  16
#define SEATS_CAPACITY_MOST   131072


static struct mint_pin *seats_pins(const struct run_file *file);
static void seats_carry_pins(struct mint_pin *to, const struct mint_pin *from);
static int seats_replace(struct seats_writer *writer, uint32_t capacity,
    struct error *err);
static int seats_family(const char *address);
static bool seats_valid(const struct mint_seat *seat);
static bool seats_same_place(const struct mint_seat *a,
    const struct mint_seat *b);
static void seats_file_shape(uint32_t capacity, struct run_shape *shape);


int
seats_writer_open(struct seats_writer *writer, const char *directory,
    uint32_t capacity, gid_t gid, struct error *err)
{
    int            rc;
    struct error   why;

    memset(writer, 0, sizeof(*writer));

    rc = run_line_open(&writer->line, directory, MINT_RUN_SEATS, gid, err);
    if (rc != 0) {
        goto failed;
    }

    if (writer->line.current != NULL) {
        rc = seats_file_read(writer->line.current, &writer->seats,
                             &writer->capacity, &why);
        if (rc != 0) {
            log_warn("run file \"seats\": %s; it will be replaced", why.text);

        } else {
            (void) seat_pins_check(seats_pins(writer->line.current),
                                   writer->seats, writer->capacity,
                                   &writer->pins, &why);
        }
    }

    if (writer->capacity != 0 && writer->capacity >= capacity) {
        return 0;
    }

    rc = seats_replace(writer, capacity, err);
    if (rc == 0) {
        return 0;
    }

failed:

    seats_writer_close(writer);

    return rc;
}


void
seats_writer_close(struct seats_writer *writer)
{
    run_line_close(&writer->line);
    free(writer->seats);
    memset(writer, 0, sizeof(*writer));
}


int
seats_writer_grow(struct seats_writer *writer, uint32_t capacity,
    struct error *err)
{
    if (capacity <= writer->capacity) {
        return 0;
    }

    return seats_replace(writer, capacity, err);
}


int
seats_writer_place(struct seats_writer *writer, uint32_t index,
    uint32_t plugin_id, uint16_t slot, uint8_t seat, const char *address,
    struct error *err)
{
    int                family;
    size_t             len;
    struct mint_seat   fresh, *model, *to;

    if (index >= writer->capacity) {
        return error_set(err, MINT_ERR_FULL, "seat %u: only %u fit", index,
                         writer->capacity);
    }

    len = strlen(address);
    family = seats_family(address);
    if (family == 0 || seat > 1) {
        return error_set(err, MINT_ERR_INVALID,
                         "seat %u, \"%.120s\": an address is an absolute "
                         "path of at most %d bytes, \"127.0.0.1:8000\" or "
                         "\"[::1]:8000\", and a seat is 0 or 1", index,
                         address, MINT_SEAT_ADDRESS_MAX - 1);
    }

    memset(&fresh, 0, sizeof(fresh));
    fresh.plugin_id = plugin_id;
    fresh.slot = slot;
    fresh.seat = seat;
    fresh.family = (uint8_t) family;
    fresh.address_len = (uint32_t) len;
    memcpy(fresh.address, address, len);

    model = &writer->seats[index];
    if (model->address_len != 0) {
        if (seats_same_place(model, &fresh)) {
            return 0;
        }

        return error_set(err, MINT_ERR_CONFLICT,
                         "seat %u has address \"%s\" (plugin %u) for the "
                         "life of the file, not \"%s\" (plugin %u)", index,
                         model->address, model->plugin_id, address,
                         plugin_id);
    }

    /* no reader looks at it before its word has left EMPTY */
    *model = fresh;
    to = run_file_section(writer->line.current, MINT_SEATS_SECTION_SEATS);
    mint_run_fill(&to[index], model, sizeof(*model));

    return 0;
}


int
seats_writer_set(struct seats_writer *writer, uint32_t index, uint64_t word,
    struct error *err)
{
    struct run_file   *file;
    struct mint_seat  *seats;

    if (index >= writer->capacity || writer->seats[index].address_len == 0) {
        return error_set(err, MINT_ERR_NOT_FOUND, "seat %u has no address",
                         index);
    }

    for (file = writer->line.retired; file != NULL; file = file->next) {
        if (index >= file->header->capacity[MINT_SEATS_CAPACITY_SEATS]) {
            continue;
        }

        seats = run_file_section(file, MINT_SEATS_SECTION_SEATS);
        if (seats_same_place(&seats[index], &writer->seats[index])) {
            mint_seat_word_publish(&seats[index], word);
        }
    }

    writer->seats[index].word = word;
    seats = run_file_section(writer->line.current, MINT_SEATS_SECTION_SEATS);
    mint_seat_word_publish(&seats[index], word);
    run_file_changed(writer->line.current);

    return 0;
}


/* ---- pins ---------------------------------------------------------- */

static struct mint_pin *
seats_pins(const struct run_file *file)
{
    return run_file_section(file, MINT_SEATS_SECTION_PINS);
}


int
seats_writer_pin(struct seats_writer *writer, uint32_t index,
    uint64_t user_id, struct error *err)
{
    uint32_t           before;
    uint64_t           key;
    struct mint_pin   *table;
    struct run_file   *file;
    struct mint_seat  *seats, *seat;

    if (index >= writer->capacity || writer->seats[index].word == 0) {
        return error_set(err, MINT_ERR_NOT_FOUND,
                         "seat %u is not in use: nobody can be pinned to it",
                         index);
    }

    seat = &writer->seats[index];
    key = mint_pin_key(seat->plugin_id, user_id);
    table = seats_pins(writer->line.current);
    before = seat_pins_get(table, key);

    if (user_id == 0 || key == 0
        || (before != MINT_SEAT_NONE
            && writer->seats[before].plugin_id != seat->plugin_id))
    {
        return error_set(err, MINT_ERR_INVALID,
                         "user %llu of plugin %u cannot be pinned",
                         (unsigned long long) user_id, seat->plugin_id);
    }

    if ((before == MINT_SEAT_NONE && writer->pins >= SEAT_PINS_MOST)
        || !seat_pins_put(table, key, index))
    {
        return error_set(err, MINT_ERR_FULL,
                         "no room for a pin: there are %u", writer->pins);
    }

    writer->pins += before == MINT_SEAT_NONE;
    run_file_changed(writer->line.current);

    for (file = writer->line.retired; file != NULL; file = file->next) {
        seats = run_file_section(file, MINT_SEATS_SECTION_SEATS);

        if (index < file->header->capacity[MINT_SEATS_CAPACITY_SEATS]
            && seats_same_place(&seats[index], seat))
        {
            (void) seat_pins_put(seats_pins(file), key, index);
        }
    }

    return 0;
}


bool
seats_writer_unpin(struct seats_writer *writer, uint32_t plugin_id,
    uint64_t user_id)
{
    uint64_t          key;
    struct run_file  *file;

    key = mint_pin_key(plugin_id, user_id);

    if (!seat_pins_remove(seats_pins(writer->line.current), key)) {
        return false;
    }

    writer->pins--;
    run_file_changed(writer->line.current);

    for (file = writer->line.retired; file != NULL; file = file->next) {
        (void) seat_pins_remove(seats_pins(file), key);
    }

    return true;
}


uint32_t
seats_writer_unpin_seat(struct seats_writer *writer, uint32_t index)
{
    uint32_t  at, seat, count, plugin_id;
    uint64_t  key;

    at = 0;
    count = 0;

    while (seat_pins_next(seats_pins(writer->line.current), &at, &key, &seat))
    {
        if (index != MINT_SEAT_NONE && seat != index) {
            continue;
        }

        plugin_id = writer->seats[seat].plugin_id;
        count += seats_writer_unpin(writer, plugin_id,
                                    seat_pins_user(key, plugin_id));
    }

    return count;
}


uint32_t
seats_writer_pins_of(const struct seats_writer *writer, uint32_t index)
{
    uint32_t  at, seat, count;
    uint64_t  key;

    at = 0;
    count = 0;

    while (seat_pins_next(seats_pins(writer->line.current), &at, &key, &seat))
    {
        count += seat == index;
    }

    return count;
}


/* ---- files --------------------------------------------------------- */

int
seats_file_read(const struct run_file *file, struct mint_seat **seats,
    uint32_t *capacity, struct error *err)
{
    int                 rc;
    uint32_t            i, count, pins;
    struct run_shape    shape;
    struct mint_seat   *copy, *from;

    *seats = NULL;
    *capacity = 0;

    count = file->header->capacity[MINT_SEATS_CAPACITY_SEATS];
    if (count == 0 || count > SEATS_CAPACITY_MOST) {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "capacity of %u seats is out of bounds", count);
    }

    seats_file_shape(count, &shape);
    if (!run_file_has_shape(file, &shape)) {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "tables are not where they should be");
    }

    from = run_file_section(file, MINT_SEATS_SECTION_SEATS);
    copy = mem_alloc(count * sizeof(*copy));

    for (i = 0; i < count; i++) {
        copy[i].word = mint_run_load_acquire(&from[i].word);
        if (copy[i].word == 0) {
            /* never left EMPTY: its address may be half-written */
            continue;
        }

        mint_run_copy((char *) &copy[i] + sizeof(copy[i].word),
                      (char *) &from[i] + sizeof(copy[i].word),
                      sizeof(*copy) - sizeof(copy[i].word));

        if (!seats_valid(&copy[i])) {
            free(copy);
            return error_set(err, MINT_ERR_PROTOCOL, "seat %u is broken", i);
        }
    }

    rc = seat_pins_check(seats_pins(file), copy, count, &pins, err);
    if (rc != 0) {
        free(copy);
        return rc;
    }

    *seats = copy;
    *capacity = count;

    return 0;
}


/* without what is left of removed ones */

static void
seats_carry_pins(struct mint_pin *to, const struct mint_pin *from)
{
    uint32_t  at, seat;
    uint64_t  key;

    at = 0;

    while (seat_pins_next(from, &at, &key, &seat)) {
        (void) seat_pins_put(to, key, seat);
    }
}


static int
seats_replace(struct seats_writer *writer, uint32_t capacity,
    struct error *err)
{
    int                rc;
    struct run_file   *fresh;
    struct run_shape   shape;
    struct mint_seat  *seats;

    if (capacity < SEATS_CAPACITY_LEAST) {
        capacity = SEATS_CAPACITY_LEAST;
    }

    if (capacity > SEATS_CAPACITY_MOST) {
        return error_set(err, MINT_ERR_FULL, "%u seats: at most %d fit",
                         capacity, SEATS_CAPACITY_MOST);
    }

    seats_file_shape(capacity, &shape);

    rc = run_line_make(&writer->line, &shape, &fresh, err);
    if (rc != 0) {
        return rc;
    }

    seats = mem_alloc(capacity * sizeof(*seats));

    if (writer->seats != NULL) {
        memcpy(seats, writer->seats, writer->capacity * sizeof(*seats));
        seats_carry_pins(seats_pins(fresh), seats_pins(writer->line.current));
        fresh->header->generation =
            mint_run_load(&writer->line.current->header->generation) + 1;
    }

    memcpy(run_file_section(fresh, MINT_SEATS_SECTION_SEATS), seats,
           capacity * sizeof(*seats));

    rc = run_line_commit(&writer->line, &fresh, err);
    if (rc != 0) {
        free(seats);
        return rc;
    }

    free(writer->seats);
    writer->seats = seats;
    writer->capacity = capacity;
    log_info("run file \"seats\" made: epoch %llu, room for %u seats",
             (unsigned long long) writer->line.current->epoch, capacity);

    return 0;
}


/* 0 if it is no address */

static int
seats_family(const char *address)
{
    int              port;
    char            *end, host[64];
    size_t           len;
    const char      *colon, *start;
    struct in6_addr  ignored;

    len = strlen(address);
    if (len == 0 || len >= MINT_SEAT_ADDRESS_MAX) {
        return 0;
    }

    if (address[0] == '/') {
        return MINT_FAMILY_UNIX;
    }

    colon = strrchr(address, ':');
    if (colon == NULL || colon[1] < '0' || colon[1] > '9') {
        return 0;
    }

    port = (int) strtol(colon + 1, &end, 10);
    if (*end != '\0' || port < 1 || port > 65535) {
        return 0;
    }

    start = address;
    len = (size_t) (colon - address);

    if (address[0] == '[' && len > 2 && colon[-1] == ']') {
        start++;
        len -= 2;
    }

    if (len >= sizeof(host)) {
        return 0;
    }

    memcpy(host, start, len);
    host[len] = '\0';

    if (start == address) {
        return inet_pton(AF_INET, host, &ignored) == 1 ? MINT_FAMILY_INET : 0;
    }

    return inet_pton(AF_INET6, host, &ignored) == 1 ? MINT_FAMILY_INET6 : 0;
}


static bool
seats_valid(const struct mint_seat *seat)
{
    return mint_seat_state(seat->word) < MINT_SEAT_STATE_COUNT
           && mint_seat_cause(seat->word) < MINT_CAUSE_COUNT
           && seat->seat <= 1
           && seat->address_len > 0
           && seat->address_len < MINT_SEAT_ADDRESS_MAX
           && seat->address[MINT_SEAT_ADDRESS_MAX - 1] == '\0'
           && strlen(seat->address) == seat->address_len
           && seats_family(seat->address) == seat->family;
}


static bool
seats_same_place(const struct mint_seat *a, const struct mint_seat *b)
{
    return memcmp((const char *) a + sizeof(a->word),
                  (const char *) b + sizeof(b->word),
                  sizeof(*a) - sizeof(a->word)) == 0;
}


static void
seats_file_shape(uint32_t capacity, struct run_shape *shape)
{
    uint64_t  pins;

    pins = run_align(sizeof(struct mint_run_header)
                     + (uint64_t) capacity * sizeof(struct mint_seat));

    memset(shape, 0, sizeof(*shape));
    shape->capacity[MINT_SEATS_CAPACITY_SEATS] = capacity;
    shape->capacity[MINT_SEATS_CAPACITY_PINS] = SEAT_PINS;
    shape->section[MINT_SEATS_SECTION_SEATS] = sizeof(struct mint_run_header);
    shape->section[MINT_SEATS_SECTION_PINS] = pins;
    shape->bytes = run_align(pins + (uint64_t) SEAT_PINS
                                    * sizeof(struct mint_pin));
}
