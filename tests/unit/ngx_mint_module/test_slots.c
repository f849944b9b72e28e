/* SPDX-License-Identifier: MIT */
/*
 * The module's order of slots, its lookup of pins and the text of the
 * affinity cookie.  The file is laid out here by hand from contract/.
 */

#include "contract/mint_seats.h"


/* the lookups' loads, so that a writer can come between two of them */

static struct mint_pin  *given_away;        /* after its key is next loaded */
static uint64_t          given_key, given_value;

static uint64_t load_between_writes(const uint64_t *word);

#define mint_run_load_acquire  load_between_writes

#include "ngx_mint_module/ngx_http_mint_slots.c"
#include "ngx_mint_module/ngx_http_mint_view.c"

#undef mint_run_load_acquire

#include <stdlib.h>

#include <check.h>


#define SEATS       16
#define PINS        4096
#define FILE_BYTES  (sizeof(struct mint_run_header)                           \
                     + SEATS * sizeof(struct mint_seat)                       \
                     + PINS * sizeof(struct mint_pin))
#define USERS       9000


static uint64_t               file[FILE_BYTES / 8];
static struct mint_seat      *seats;
static struct mint_pin       *pins;
static ngx_http_mint_view_t   view;


static uint64_t
load_between_writes(const uint64_t *word)
{
    uint64_t  found;

    found = mint_run_load_acquire(word);

    if (given_away != NULL && word == &given_away->key) {
        mint_run_store_release(&given_away->key, given_key);
        mint_run_store_release(&given_away->value, given_value);
        given_away = NULL;
    }

    return found;
}


static void
open_file(void)
{
    const char  *reason;

    reason = ngx_http_mint_view_open(&view, file, FILE_BYTES, MINT_RUN_SEATS);
    ck_assert_msg(reason == NULL, "%s", reason);
}


/* seats 4 to 9 are plugin 2's, 10 and 11 plugin 3's */

static void
make_file(void)
{
    uint32_t                 i;
    struct mint_run_header  *h;

    memset(file, 0, sizeof(file));

    h = (struct mint_run_header *) file;
    h->magic = MINT_RUN_MAGIC;
    h->kind = MINT_RUN_SEATS;
    h->abi_major = MINT_RUN_ABI_MAJOR;
    h->abi_minor = MINT_RUN_ABI_MINOR;
    h->file_bytes = FILE_BYTES;
    h->life = MINT_RUN_LIVE;
    h->capacity[MINT_SEATS_CAPACITY_SEATS] = SEATS;
    h->capacity[MINT_SEATS_CAPACITY_PINS] = PINS;
    h->section[MINT_SEATS_SECTION_SEATS] = sizeof(*h);
    h->section[MINT_SEATS_SECTION_PINS] = sizeof(*h)
                                          + SEATS * sizeof(struct mint_seat);

    seats = (struct mint_seat *) (h + 1);
    pins = (struct mint_pin *) (seats + SEATS);

    for (i = 4; i < 12; i++) {
        seats[i].plugin_id = i < 10 ? 2 : 3;
    }

    open_file();
}


/* from its home on, the first cell that was never used */

static struct mint_pin *
put_pin(uint32_t plugin_id, uint64_t user_id, uint64_t value)
{
    uint32_t  i;
    uint64_t  key;

    key = mint_pin_key(plugin_id, user_id);

    for (i = mint_pin_hash(key); pins[i % PINS].key != 0; i++) { /* void */ }

    pins[i % PINS].key = key;
    pins[i % PINS].value = value;

    return &pins[i % PINS];
}


/* the nth user of plugin 2 whose home is this cell */

static uint64_t
user_at_home(uint32_t home, unsigned nth)
{
    uint64_t  user;

    for (user = 1; ; user++) {
        if (mint_pin_hash(mint_pin_key(2, user)) % PINS == home
            && nth-- == 0)
        {
            return user;
        }
    }
}

#define pin_of(user)  ngx_http_mint_slots_pin(&view, 2, user, 4, 6)


/* ---- order ------------------------------------------------------------- */

static void
order_of(uint64_t key, uint32_t count, uint32_t first,
    uint32_t order[MINT_SLOTS_MAX])
{
    uint32_t               i;
    uint64_t               seen;
    ngx_http_mint_slots_t  slots;

    memset(&slots, 0, sizeof(slots));
    slots.key = mint_mix(key);
    slots.count = count;
    slots.first = first;
    seen = 0;

    for (i = 0; i < count; i++) {
        order[i] = ngx_http_mint_slots_next(&slots);
        ck_assert_uint_lt(order[i], count);
        seen |= (uint64_t) 1 << order[i];
    }

    ck_assert_uint_eq(seen, count == 64 ? UINT64_MAX
                                        : ((uint64_t) 1 << count) - 1);
    ck_assert_uint_eq(ngx_http_mint_slots_next(&slots),
                      NGX_HTTP_MINT_SLOTS_NONE);
}


START_TEST(test_each_slot_once)
{
    uint32_t               key, count, order[MINT_SLOTS_MAX];
    ngx_http_mint_slots_t  none;

    for (count = 1; count <= MINT_SLOTS_MAX; count++) {
        for (key = 0; key < 20; key++) {
            order_of(key, count, NGX_HTTP_MINT_SLOTS_NONE, order);
            order_of(key, count, key % count, order);
            ck_assert_uint_eq(order[0], key % count);

            /* a first slot that there is not */
            order_of(key, count, count, order);
        }
    }

    memset(&none, 0, sizeof(none));
    ck_assert_uint_eq(ngx_http_mint_slots_next(&none),
                      NGX_HTTP_MINT_SLOTS_NONE);
}
END_TEST


START_TEST(test_balanced)
{
    uint32_t  user, slot, count, order[MINT_SLOTS_MAX];
    uint32_t  first[MINT_SLOTS_MAX], second[MINT_SLOTS_MAX];

    for (count = 2; count <= 8; count++) {
        memset(first, 0, sizeof(first));
        memset(second, 0, sizeof(second));

        for (user = 1; user <= USERS; user++) {
            order_of(user, count, NGX_HTTP_MINT_SLOTS_NONE, order);
            first[order[0]]++;
            second[order[1]] += order[0] == 0;
        }

        /* five standard deviations of a fair choice are below a sixth */

        for (slot = 0; slot < count; slot++) {
            ck_assert_uint_gt(first[slot], USERS / count * 5 / 6);
            ck_assert_uint_lt(first[slot], USERS / count * 7 / 6);

            if (slot != 0) {
                ck_assert_uint_gt(second[slot],
                                  first[0] / (count - 1) * 3 / 4);
            }
        }
    }
}
END_TEST


START_TEST(test_a_new_slot_takes_only_its_share)
{
    uint32_t  user, count, moved;
    uint32_t  before[MINT_SLOTS_MAX], after[MINT_SLOTS_MAX];

    for (count = 2; count <= 8; count++) {
        moved = 0;

        for (user = 1; user <= USERS; user++) {
            order_of(user, count, NGX_HTTP_MINT_SLOTS_NONE, before);
            order_of(user, count + 1, NGX_HTTP_MINT_SLOTS_NONE, after);

            if (before[0] != after[0]) {
                moved++;
                ck_assert_uint_eq(after[0], count);
                ck_assert_uint_eq(after[1], before[0]);
            }
        }

        ck_assert_uint_lt(moved, USERS / (count + 1) * 7 / 6);
        ck_assert_uint_gt(moved, USERS / (count + 1) * 5 / 6);
    }
}
END_TEST


START_TEST(test_fewest_requests_first)
{
    uint64_t               key;
    uint32_t               ties[4] = { 0 };
    ngx_http_mint_slots_t  slots;

    static const uint32_t  in_flight[] = { 2, 1, 0, 1, 4, 0, 1, 0 };

    for (key = 0; key < 1000; key++) {
        memset(&slots, 0, sizeof(slots));
        slots.key = mint_mix(key);
        slots.count = 4;
        slots.first = NGX_HTTP_MINT_SLOTS_NONE;
        slots.in_flight = in_flight;

        ties[ngx_http_mint_slots_next(&slots)]++;
        (void) ngx_http_mint_slots_next(&slots);
        ck_assert_uint_eq(ngx_http_mint_slots_next(&slots), 0);
        ck_assert_uint_eq(ngx_http_mint_slots_next(&slots), 2);
    }

    ck_assert_uint_gt(ties[1], 400);
    ck_assert_uint_gt(ties[3], 400);
    ck_assert_uint_eq(ties[1] + ties[3], 1000);
}
END_TEST


/* ---- pins -------------------------------------------------------------- */

START_TEST(test_pin)
{
    put_pin(2, 70, 5 + 1);
    put_pin(3, 70, 10 + 1);

    ck_assert_uint_eq(pin_of(70), 5);
    ck_assert_uint_eq(pin_of(71), MINT_SEAT_NONE);
    ck_assert_uint_eq(pin_of(0), MINT_SEAT_NONE);
    ck_assert_uint_eq(ngx_http_mint_slots_pin(&view, 3, 70, 10, 2), 10);
    ck_assert_uint_eq(ngx_http_mint_slots_pin(&view, 4, 70, 12, 2),
                      MINT_SEAT_NONE);
}
END_TEST


START_TEST(test_pin_wraps_around)
{
    unsigned  i;

    for (i = 0; i < 5; i++) {
        put_pin(2, user_at_home(PINS - 2, i), 4 + i + 1);
    }

    ck_assert_uint_eq(pins[2].key, mint_pin_key(2, user_at_home(PINS - 2, 4)));

    for (i = 0; i < 5; i++) {
        ck_assert_uint_eq(pin_of(user_at_home(PINS - 2, i)), 4 + i);
    }

    /* removed ones are walked over */
    pins[PINS - 1].value = 0;
    ck_assert_uint_eq(pin_of(user_at_home(PINS - 2, 1)), MINT_SEAT_NONE);
    ck_assert_uint_eq(pin_of(user_at_home(PINS - 2, 4)), 8);
}
END_TEST


/* what a value may not lead to */

static const uint64_t  bad_values[] = {
    0,                          /* removed */
    1,                          /* the platform's */
    3 + 1,                      /* before the route's */
    10 + 1,                     /* behind them, and another plugin's */
    15 + 1,                     /* nobody's */
    SEATS + 1,                  /* beyond the file */
    UINT32_MAX, (uint64_t) UINT32_MAX + 1, (uint64_t) UINT32_MAX + 6,
    UINT64_MAX
};


START_TEST(test_pin_with_a_bad_value)
{
    put_pin(2, 70, bad_values[_i]);
    ck_assert_uint_eq(pin_of(70), MINT_SEAT_NONE);
}
END_TEST


START_TEST(test_pin_outside_the_route)
{
    put_pin(2, 70, 9 + 1);
    ck_assert_uint_eq(ngx_http_mint_slots_pin(&view, 2, 70, 4, 6), 9);
    ck_assert_uint_eq(ngx_http_mint_slots_pin(&view, 2, 70, 4, 4),
                      MINT_SEAT_NONE);
    ck_assert_uint_eq(ngx_http_mint_slots_pin(&view, 2, 70, 10, 2),
                      MINT_SEAT_NONE);

    /* seat_first and seat_count come from a file, too */
    ck_assert_uint_eq(ngx_http_mint_slots_pin(&view, 2, 70, UINT32_MAX,
                                              UINT32_MAX),
                      MINT_SEAT_NONE);
}
END_TEST


START_TEST(test_full_table)
{
    uint32_t  i;

    for (i = 0; i < PINS; i++) {
        pins[i].key = UINT64_MAX - i;
        pins[i].value = 5;
    }

    ck_assert_uint_eq(pin_of(70), MINT_SEAT_NONE);

    /* beyond the cells that are looked at */
    i = (mint_pin_hash(mint_pin_key(2, 70)) + MINT_PIN_PROBES) % PINS;
    pins[i].key = mint_pin_key(2, 70);
    ck_assert_uint_eq(pin_of(70), MINT_SEAT_NONE);

    i = (i - 1) % PINS;
    pins[i].key = mint_pin_key(2, 70);
    ck_assert_uint_eq(pin_of(70), 4);
}
END_TEST


START_TEST(test_table_of_another_size)
{
    uint32_t                 capacity;
    struct mint_run_header  *h;

    h = (struct mint_run_header *) file;

    for (capacity = 0; capacity < 70; capacity++) {
        memset(pins, 0, PINS * sizeof(*pins));
        h->capacity[MINT_SEATS_CAPACITY_PINS] = capacity;
        open_file();

        if (capacity != 0) {
            pins[mint_pin_hash(mint_pin_key(2, 70)) & (capacity - 1)].key =
                mint_pin_key(2, 70);
            pins[mint_pin_hash(mint_pin_key(2, 70)) & (capacity - 1)].value =
                5;
        }

        ck_assert_uint_eq(pin_of(70),
                          capacity != 0 && (capacity & (capacity - 1)) == 0
                          ? 4 : MINT_SEAT_NONE);
    }
}
END_TEST


/* a removed pin's cell is given to another user between the reader's loads:
   in either case the first is not taken to where the second is pinned */

START_TEST(test_cell_given_away_meanwhile)
{
    uint64_t          first, second;
    struct mint_pin  *pin;

    first = user_at_home(100, 0);
    second = user_at_home(100, 1);
    pin = put_pin(2, first, 4 + 1);

    given_away = pin;
    given_key = mint_pin_key(2, second);
    given_value = 5 + 1;
    ck_assert_uint_eq(pin_of(first), MINT_SEAT_NONE);
    ck_assert_ptr_null(given_away);
    ck_assert_uint_eq(pin_of(second), 5);

    /* and asked for by the one who gets it: found now, or the next time */

    given_away = pin;
    given_key = mint_pin_key(2, first);
    given_value = 6 + 1;
    ck_assert_uint_eq(pin_of(second), MINT_SEAT_NONE);
    ck_assert_uint_eq(pin_of(first), 6);
}
END_TEST


/* ---- cookie ------------------------------------------------------------ */

#define MAC  "AAAAAAAAAAAAAAAAAAAA-_"

static const struct {
    const char  *text;
    int          slot;          /* -1: has not the shape */
}  cookies[] = {
    { "0." MAC, 0 },
    { "1." MAC, 1 },
    { "9." MAC, 9 },
    { "10." MAC, 10 },
    { "63." MAC, 63 },
    { "64." MAC, -1 },
    { "99." MAC, -1 },
    { "100." MAC, -1 },
    { "00." MAC, -1 },
    { "01." MAC, -1 },
    { "+1." MAC, -1 },
    { "-1." MAC, -1 },
    { " 1." MAC, -1 },
    { "1 ." MAC, -1 },
    { "a." MAC, -1 },
    { "." MAC, -1 },
    { "1" MAC, -1 },
    { "1.." MAC, -1 },
    { "1." MAC "A", -1 },
    { "1." MAC "=", -1 },
    { "1.AAAAAAAAAAAAAAAAAAAAA", -1 },
    { "1.AAAAAAAAAAAAAAAAAAAA+/", -1 },
    { "1.AAAAAAAAAAAAAAAAAAAAA.", -1 },
    { "1.AAAAAAAAAAAAAAAAAAAA A", -1 },
    { "1.", -1 },
    { "1", -1 },
    { "", -1 },
};


START_TEST(test_parse)
{
    int             found;
    size_t          len;
    uint32_t        slot;
    const uint8_t  *text, *mac;

    text = (const uint8_t *) cookies[_i].text;
    len = strlen(cookies[_i].text);
    found = ngx_http_mint_slots_parse(text, len, &slot, &mac);

    ck_assert_int_eq(found, cookies[_i].slot != -1);

    if (found) {
        ck_assert_uint_eq(slot, (uint32_t) cookies[_i].slot);
        ck_assert_ptr_eq(mac + NGX_HTTP_MINT_SLOTS_MAC_TEXT, text + len);
    }
}
END_TEST


static const struct {
    const char  *header;
    int          sets;
}  set_cookies[] = {
    { "mint_slot_3=1; Path=/", 1 },
    { "mint_slot_=1", 1 },
    { "mint_slot_", 1 },
    { "  mint_slot_3=1", 1 },
    { "\tmint_slot_3=1", 1 },
    { "=mint_slot_3=1", 1 },
    { " = mint_slot_3=1", 1 },
    { "mint_slot=1", 0 },
    { "Mint_slot_3=1", 0 },
    { "xmint_slot_3=1", 0 },
    { "a=mint_slot_3=1", 0 },
    { "", 0 },
    { "===", 0 },
};


START_TEST(test_sets_cookie)
{
    const char  *header;

    header = set_cookies[_i].header;
    ck_assert_int_eq(ngx_http_mint_slots_sets_cookie(
                                 (const uint8_t *) header, strlen(header)),
                     set_cookies[_i].sets);
}
END_TEST


START_TEST(test_name_and_path)
{
    char     name[NGX_HTTP_MINT_SLOTS_NAME_MAX];
    uint8_t  data[8];

    static const uint8_t  expected[8] = { 4, 3, 2, 1, 63, 0, 0, 0 };

    ck_assert_uint_eq(ngx_http_mint_slots_name(name, UINT32_MAX),
                      sizeof(name) - 1);
    ck_assert_str_eq(name, "mint_slot_4294967295");
    ck_assert_uint_eq(ngx_http_mint_slots_name(name, 3), 11);
    ck_assert_str_eq(name, "mint_slot_3");

    ngx_http_mint_slots_signed(data, 0x01020304, 63);
    ck_assert_int_eq(memcmp(data, expected, 8), 0);

#define is_path(text)                                                         \
    ngx_http_mint_slots_is_path((const uint8_t *) text, sizeof(text) - 1)

    ck_assert_int_eq(is_path("/tiny/deep-er_1.2~"), 1);
    ck_assert_int_eq(is_path("/"), 0);
    ck_assert_int_eq(is_path(""), 0);
    ck_assert_int_eq(is_path("tiny"), 0);
    ck_assert_int_eq(is_path("/a;Domain=x"), 0);
    ck_assert_int_eq(is_path("/a\r\nX: y"), 0);
    ck_assert_int_eq(is_path("/a b"), 0);
}
END_TEST


#define COUNT(list)  ((int) (sizeof(list) / sizeof((list)[0])))

int
main(void)
{
    int       failed;
    TCase    *order, *pinned, *cookie;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("module slots");

    order = tcase_create("order");
    tcase_set_timeout(order, 60);
    tcase_add_test(order, test_each_slot_once);
    tcase_add_test(order, test_balanced);
    tcase_add_test(order, test_a_new_slot_takes_only_its_share);
    tcase_add_test(order, test_fewest_requests_first);
    suite_add_tcase(suite, order);

    pinned = tcase_create("pins");
    tcase_set_timeout(pinned, 60);
    tcase_add_checked_fixture(pinned, make_file, NULL);
    tcase_add_test(pinned, test_pin);
    tcase_add_test(pinned, test_pin_wraps_around);
    tcase_add_loop_test(pinned, test_pin_with_a_bad_value, 0,
                        COUNT(bad_values));
    tcase_add_test(pinned, test_pin_outside_the_route);
    tcase_add_test(pinned, test_full_table);
    tcase_add_test(pinned, test_table_of_another_size);
    tcase_add_test(pinned, test_cell_given_away_meanwhile);
    suite_add_tcase(suite, pinned);

    cookie = tcase_create("cookie");
    tcase_add_loop_test(cookie, test_parse, 0, COUNT(cookies));
    tcase_add_loop_test(cookie, test_sets_cookie, 0, COUNT(set_cookies));
    tcase_add_test(cookie, test_name_and_path);
    suite_add_tcase(suite, cookie);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
