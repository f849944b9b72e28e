/* SPDX-License-Identifier: MIT */
/*
 * The layout of the run files in literal numbers: a change that other programs
 * would not notice at build time must not pass by accident.
 */

#include <check.h>
#include <string.h>

#include "contract/mint_identity.h"
#include "contract/mint_routes.h"
#include "contract/mint_run.h"
#include "contract/mint_seats.h"
#include "contract/mint_workers.h"


struct number {
    const char  *what;
    uint64_t     is;
    uint64_t     should_be;
};

#define SIZE(type, n)          { "sizeof " #type, sizeof(struct type), n }
#define AT(type, member, n)    { #type "." #member, \
                                 offsetof(struct type, member), n }
#define VALUE(name, n)         { #name, name, n }


static const struct number  numbers[] = {
    VALUE(MINT_RUN_MAGIC, 0x4e55522d544e494d),
    VALUE(MINT_RUN_ABI_MAJOR, 1),
    VALUE(MINT_RUN_ABI_MINOR, 0),
    VALUE(MINT_RUN_FILLING, 0),
    VALUE(MINT_RUN_LIVE, 1),
    VALUE(MINT_RUN_RETIRED, 2),

    SIZE(mint_run_header, 192),
    AT(mint_run_header, magic, 0),
    AT(mint_run_header, kind, 8),
    AT(mint_run_header, abi_major, 12),
    AT(mint_run_header, abi_minor, 14),
    AT(mint_run_header, file_bytes, 16),
    AT(mint_run_header, writer_epoch, 24),
    AT(mint_run_header, created_unix_ms, 32),
    AT(mint_run_header, life, 40),
    AT(mint_run_header, generation, 48),
    AT(mint_run_header, heartbeat_ms, 56),
    AT(mint_run_header, capacity, 64),
    AT(mint_run_header, section, 96),
    AT(mint_run_header, owned, 144),
    AT(mint_run_header, reserved, 152),

    SIZE(mint_routes_half, 64),
    AT(mint_routes_half, generation, 0),
    AT(mint_routes_half, entry_count, 8),
    AT(mint_routes_half, crc32, 12),
    AT(mint_routes_half, segments_max, 16),
    AT(mint_routes_half, prefix_max, 20),

    SIZE(mint_route, 256),
    AT(mint_route, plugin_id, 0),
    AT(mint_route, seat_first, 4),
    AT(mint_route, slot_count, 8),
    AT(mint_route, affinity, 10),
    AT(mint_route, flags, 11),
    AT(mint_route, prefix_len, 12),
    AT(mint_route, name_len, 14),
    AT(mint_route, prefix, 16),
    AT(mint_route, name, 136),
    AT(mint_route, version, 200),
    AT(mint_route, reserved, 240),

    SIZE(mint_seat, 128),
    AT(mint_seat, word, 0),
    AT(mint_seat, plugin_id, 8),
    AT(mint_seat, slot, 12),
    AT(mint_seat, seat, 14),
    AT(mint_seat, family, 15),
    AT(mint_seat, address, 16),
    AT(mint_seat, address_len, 124),
    SIZE(mint_pin, 16),
    AT(mint_pin, value, 8),

    SIZE(mint_worker, 128),
    AT(mint_worker, pid, 0),
    AT(mint_worker, started_unix_ms, 8),
    AT(mint_worker, epoch, 16),
    AT(mint_worker, routes_generation, 48),
    AT(mint_worker, requests, 56),
    SIZE(mint_worker_plugin, 384),
    AT(mint_worker_plugin, requests, 0),
    AT(mint_worker_plugin, in_flight, 48),
    AT(mint_worker_plugin, upgrades, 56),
    AT(mint_worker_plugin, bytes_in, 64),
    AT(mint_worker_plugin, bytes_out, 72),
    AT(mint_worker_plugin, affinity_hits, 80),
    AT(mint_worker_plugin, rejections, 88),
    AT(mint_worker_plugin, latency, 152),
    AT(mint_worker_plugin, oldest_start_ms, 344),
    AT(mint_worker_plugin, parked, 352),
    AT(mint_worker_plugin, oldest_parked_ns, 360),

    SIZE(mint_identity_user, 32),
    AT(mint_identity_user, id, 0),
    AT(mint_identity_user, word, 8),
    AT(mint_identity_user, name, 16),
    SIZE(mint_identity_role, 32),
    AT(mint_identity_role, word, 0),
    AT(mint_identity_role, slug, 8),
    AT(mint_identity_role, permissions, 16),
    AT(mint_identity_role, plugin_access, 24),
    SIZE(mint_identity_plugin, 16),
    SIZE(mint_identity_pat, 48),
    AT(mint_identity_pat, user_id, 32),
    AT(mint_identity_pat, word, 40),
    SIZE(mint_identity_denied, 16),
    SIZE(mint_identity_key, 96),
    AT(mint_identity_key, id, 0),
    AT(mint_identity_key, secret_len, 16),
    AT(mint_identity_key, secret, 24),
    SIZE(mint_identity_misc, 64),
    AT(mint_identity_misc, key, 0),
    AT(mint_identity_misc, edge_secret, 16),
    AT(mint_identity_misc, store_sequence, 24),
    AT(mint_identity_misc, arena_used, 32),

    VALUE(MINT_SEAT_EMPTY, 0),
    VALUE(MINT_SEAT_STARTING, 1),
    VALUE(MINT_SEAT_READY, 2),
    VALUE(MINT_SEAT_DRAINING, 3),
    VALUE(MINT_SEAT_CLOSED, 4),
    VALUE(MINT_CAUSE_UPGRADING, 7),
    VALUE(MINT_REJECT_COUNT, 8),
    VALUE(MINT_WORKERS_MAX, 64),
    VALUE(MINT_ROLE_ADMIN, 1),
    VALUE(MINT_ROLE_PLUGINS_USE, 2),
    VALUE(MINT_ROLE_ALL_PLUGINS, 4)
};


START_TEST(layout_is_as_agreed)
{
    const struct number  *n;

    n = &numbers[_i];
    ck_assert_msg(n->is == n->should_be, "%s is %llu, agreed on is %llu",
                  n->what, (unsigned long long) n->is,
                  (unsigned long long) n->should_be);
}
END_TEST


START_TEST(seat_word_packs_its_parts)
{
    uint64_t  word;

    word = mint_seat_word(0x01020304, 0x0a0b, MINT_CAUSE_CRASHED,
                          MINT_SEAT_CLOSED);
    ck_assert_uint_eq(word, 0x010203040a0b0204ULL);
    ck_assert_uint_eq(mint_seat_state(word), MINT_SEAT_CLOSED);
    ck_assert_uint_eq(mint_seat_cause(word), MINT_CAUSE_CRASHED);
    ck_assert_uint_eq(mint_seat_retry_after(word), 0x0a0b);
    ck_assert_uint_eq(mint_seat_generation(word), 0x01020304);
}
END_TEST


START_TEST(user_word_packs_its_parts)
{
    uint64_t  word;

    word = mint_user_word(0xfffffffe, 0xab, MINT_USER_ACTIVE);
    ck_assert_uint_eq(word, 0x01abfffffffeULL);
    ck_assert_uint_eq(mint_user_session_version(word), 0xfffffffe);
    ck_assert_uint_eq(mint_user_role(word), 0xab);
    ck_assert_uint_eq(mint_user_flags(word), MINT_USER_ACTIVE);
}
END_TEST


START_TEST(blob_reference_packs_its_parts)
{
    uint64_t  ref;

    ref = mint_blob_ref(0xabcdef0, 0x12345, 0xfedc);
    ck_assert_uint_eq(ref, 0xfedc123450abcdefULL);
    ck_assert_uint_eq(mint_blob_offset(ref), 0xabcdef0);
    ck_assert_uint_eq(mint_blob_length(ref), 0x12345);

    /* the last byte that a reference can reach */
    ref = mint_blob_ref(0xfffffff0ULL, MINT_BLOB_MAX, 0);
    ck_assert_uint_eq(mint_blob_offset(ref), 0xfffffff0ULL);
    ck_assert_uint_eq(mint_blob_length(ref), 65536);
}
END_TEST


START_TEST(hashes_are_the_known_ones)
{
    /* FNV-1a 64 test vectors of its authors */
    ck_assert_uint_eq(mint_prefix_hash(MINT_PREFIX_HASH_SEED, "", 0),
                      0xcbf29ce484222325ULL);
    ck_assert_uint_eq(mint_prefix_hash(MINT_PREFIX_HASH_SEED, "a", 1),
                      0xaf63dc4c8601ec8cULL);
    ck_assert_uint_eq(mint_prefix_hash(MINT_PREFIX_HASH_SEED, "foobar", 6),
                      0x85944171f73967e8ULL);

    ck_assert_uint_eq(mint_identity_hash(1), 0x9e3779b9);
    ck_assert_uint_eq(mint_identity_hash(2), 0x3c6ef372);
}
END_TEST


START_TEST(worker_record_holds_its_tables)
{
    ck_assert_uint_eq(mint_worker_record_bytes(0, 0), 65536);
    ck_assert_uint_eq(mint_worker_record_bytes(1, 1), 65536);
    ck_assert_uint_eq(mint_worker_record_bytes(512, 256), 2 * 65536);

    /* 128 + 4 * 16160 + 384 * 2: up to the last byte */
    ck_assert_uint_eq(mint_worker_record_bytes(16160, 2), 65536);
    ck_assert_uint_eq(mint_worker_record_bytes(16161, 2), 2 * 65536);
}
END_TEST


START_TEST(copy_and_fill_move_whole_words)
{
    char              shared[32], private[32];
    struct mint_pin   pin, back;

    memset(shared, '.', sizeof(shared));
    memset(private, 'x', sizeof(private));

    mint_run_fill(shared, private, 16);
    ck_assert_mem_eq(shared, "xxxxxxxxxxxxxxxx................", 32);

    memset(private, '-', sizeof(private));
    mint_run_copy(private, shared, 24);
    ck_assert_mem_eq(private, "xxxxxxxxxxxxxxxx........--------", 32);

    /* fields written through their own type are seen, and the reverse */
    pin.key = 7;
    pin.value = 8;
    mint_run_copy(&back, &pin, sizeof(back));
    ck_assert_uint_eq(back.key, 7);
    ck_assert_uint_eq(back.value, 8);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("layout");
    cases = tcase_create("layout");
    tcase_add_loop_test(cases, layout_is_as_agreed, 0,
                        (int) (sizeof(numbers) / sizeof(numbers[0])));
    tcase_add_test(cases, seat_word_packs_its_parts);
    tcase_add_test(cases, user_word_packs_its_parts);
    tcase_add_test(cases, blob_reference_packs_its_parts);
    tcase_add_test(cases, hashes_are_the_known_ones);
    tcase_add_test(cases, worker_record_holds_its_tables);
    tcase_add_test(cases, copy_and_fill_move_whole_words);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
