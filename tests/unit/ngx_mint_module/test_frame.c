/* SPDX-License-Identifier: MIT */
/*
 * Where the frames of a WebSocket end.
 */

#include "ngx_mint_module/ngx_http_mint_frame.c"

#include <stdlib.h>
#include <string.h>

#include <check.h>


#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))


static const struct {
    const char  *bytes;
    size_t       len;
    int          may_begin;
} streams[] = {
    { "", 0, 1 },
    { "\x81", 1, 0 },
    { "\x89\x00", 2, 1 },
    { "\x81\x05hello", 7, 1 },
    { "\x81\x05hell", 6, 0 },
    { "\x81\x05hello\x81", 8, 0 },
    { "\x81\x05hello\x8a\x00", 9, 1 },
    { "\x01\x01" "a\x80\x01" "b", 6, 1 },
    /* masked */
    { "\x81\x82\x01\x02\x03\x04" "ab", 8, 1 },
    { "\x81\x82\x01\x02\x03", 5, 0 },
    { "\x81\x80\x01\x02\x03\x04", 6, 1 },
    /* 16 and 64 bits, also where fewer would do */
    { "\x82\x7e\x00\x02" "ab", 6, 1 },
    { "\x82\x7e\x00\x00", 4, 1 },
    { "\x82\x7e\x00", 3, 0 },
    { "\x82\x7e\x01\x00" "ab", 6, 0 },
    { "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x02" "ab", 12, 1 },
    { "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x02" "a", 11, 0 },
    { "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff" "ab", 12, 0 },
    { "\x82\xff\x00\x00\x00\x00\x00\x00\x00\x01\x01\x02\x03\x04" "a", 15, 1 },
};


/* however the bytes are cut in two */

START_TEST(test_stream)
{
    size_t                  cut;
    ngx_http_mint_frame_t   frame;

    for (cut = 0; cut <= streams[_i].len; cut++) {
        memset(&frame, 0, sizeof(frame));

        ngx_http_mint_frame_pass(&frame, (const uint8_t *) streams[_i].bytes,
                                 cut);
        ngx_http_mint_frame_pass(&frame,
                                 (const uint8_t *) streams[_i].bytes + cut,
                                 streams[_i].len - cut);

        ck_assert_int_eq(ngx_http_mint_frame_may_begin(&frame),
                         streams[_i].may_begin);
    }
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("ngx_http_mint_frame");
    tcase = tcase_create("frames");
    tcase_add_loop_test(tcase, test_stream, 0, COUNT(streams));
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
