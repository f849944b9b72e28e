/* SPDX-License-Identifier: MIT */
/*
 * base64url (RFC 4648's own vectors, every wrong letter), CRC-32 (the check
 * value of the algorithm) and UTF-8 (all code points).
 */

#include "contract/mint_crc32.h"
#include "contract/mint_token.h"
#include "contract/mint_utf8.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>


START_TEST(test_base64url_vectors)
{
    char     text[16];
    size_t   i;
    uint8_t  data[16];

    static const struct {
        const char  *data;
        const char  *text;
    } vectors[] = {
        { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" }, { "\xff\xef\xbe", "_---" },
    };

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t  data_len = strlen(vectors[i].data);
        size_t  text_len = strlen(vectors[i].text);

        memset(text, 'x', sizeof(text));
        ck_assert_int_eq(mint_base64url_encode(text, text_len + 1,
                                               (const uint8_t *)
                                               vectors[i].data, data_len),
                         (int) text_len);
        ck_assert_str_eq(text, vectors[i].text);
        ck_assert_int_eq(mint_base64url_encode(text, text_len,
                                               (const uint8_t *)
                                               vectors[i].data, data_len),
                         -1);

        ck_assert_int_eq(mint_base64url_decode(data, data_len,
                                               vectors[i].text, text_len),
                         (int) data_len);
        ck_assert_mem_eq(data, vectors[i].data, data_len);

        if (data_len > 0) {
            ck_assert_int_eq(mint_base64url_decode(data, data_len - 1,
                                                   vectors[i].text, text_len),
                             -1);
        }
    }
}
END_TEST


/* each text of up to three letters decodes only if it encodes to itself */

START_TEST(test_base64url_is_one_to_one)
{
    int      a, b, n;
    char     text[4], again[8];
    size_t   len;
    uint8_t  data[4];

    for (a = 0; a < 256; a++) {
        for (b = 0; b < 256; b++) {
            for (len = 1; len <= 4; len++) {
                memset(text, 'A', sizeof(text));
                text[0] = (char) a;
                text[len - 1] = (char) b;

                n = mint_base64url_decode(data, sizeof(data), text, len);

                if (n == -1) {
                    continue;
                }

                ck_assert_int_eq(mint_base64url_encode(again, sizeof(again),
                                                       data, (size_t) n),
                                 (int) len);
                ck_assert_mem_eq(again, text, len);
            }
        }
    }
}
END_TEST


/* one wrong letter, wherever it stands */

START_TEST(test_base64url_sees_every_letter)
{
    int      letter, n;
    char     text[12];
    size_t   len, at;
    uint8_t  data[12];

    for (len = 2; len <= 11; len++) {
        if (len % 4 == 1) {
            continue;
        }

        for (at = 0; at < len; at++) {
            for (letter = 0; letter < 256; letter++) {
                memset(text, 'A', sizeof(text));
                text[at] = (char) letter;
                n = mint_base64url_decode(data, sizeof(data), text, len);

                if (!mint_base64url_is_letter((char) letter)
                    || (at + 1 == len && len % 4 == 2
                        && memchr("AQgw", letter, 4) == NULL)
                    || (at + 1 == len && len % 4 == 3
                        && memchr("AEIMQUYcgkosw048", letter, 16) == NULL))
                {
                    ck_assert_int_eq(n, -1);

                } else {
                    ck_assert_int_eq(n, (int) (len * 3 / 4));
                }
            }
        }
    }
}
END_TEST


START_TEST(test_crc32)
{
    size_t       i;
    uint32_t     crc;
    const char  *text;

    ck_assert_uint_eq(mint_crc32(0, "", 0), 0);
    ck_assert_uint_eq(mint_crc32(0, "123456789", 9), 0xcbf43926u);
    ck_assert_uint_eq(mint_crc32(0, "\0\0\0\0", 4), 0x2144df1cu);

    text = "The quick brown fox jumps over the lazy dog";
    ck_assert_uint_eq(mint_crc32(0, text, strlen(text)), 0x414fa339u);

    for (crc = 0, i = 0; i < strlen(text); i++) {
        crc = mint_crc32(crc, text + i, 1);
    }

    ck_assert_uint_eq(crc, 0x414fa339u);
}
END_TEST


START_TEST(test_utf8_code_points)
{
    size_t    n;
    uint8_t   text[4];
    uint32_t  code, wrong;

    /* counted, not asserted one by one: Check writes a line for each */
    wrong = 0;

    for (code = 0; code < 0x120000; code++) {
        n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

        if (n == 1) {
            text[0] = (uint8_t) code;

        } else {
            static const uint8_t  lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
            size_t                k;
            uint32_t              rest = code;

            for (k = n; k-- > 1; rest >>= 6) {
                text[k] = (uint8_t) (0x80 | (rest & 0x3f));
            }

            text[0] = (uint8_t) (lead[n] | rest);
        }

        if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
            wrong += mint_utf8_length(text, n) != 0;

        } else {
            wrong += mint_utf8_length(text, n) != n;
            wrong += mint_utf8_length(text, n - 1) != 0;
        }
    }

    ck_assert_uint_eq(wrong, 0);
}
END_TEST


START_TEST(test_utf8_refused)
{
    size_t  i;

    static const char *const  refused[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
        "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80", "\xfe", "\xff", "\xc3(",
        "\xe2\x28\xa1", "\xe2\x82(", "\xf0\x9f\x98(",
    };

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ck_assert_msg(mint_utf8_length((const uint8_t *) refused[i],
                                       strlen(refused[i])) == 0, "%zu", i);
    }
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("encodings");
    tcase = tcase_create("encodings");
    tcase_set_timeout(tcase, 60);

    tcase_add_test(tcase, test_base64url_vectors);
    tcase_add_test(tcase, test_base64url_is_one_to_one);
    tcase_add_test(tcase, test_base64url_sees_every_letter);
    tcase_add_test(tcase, test_crc32);
    tcase_add_test(tcase, test_utf8_code_points);
    tcase_add_test(tcase, test_utf8_refused);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
