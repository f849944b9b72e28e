/* SPDX-License-Identifier: MIT */
/*
 * Origins as texts, and the judgement about a page, from tables.
 */

#include "contract/mint_origin.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>


static const struct {
    const char  *text;
    const char  *normal;        /* NULL: not an origin */
} origins[] = {
    { "https://mint.example.org", "https://mint.example.org" },
    { "HTTPS://Mint.Example.Org", "https://mint.example.org" },
    { "https://mint.example.org:443", "https://mint.example.org" },
    { "https://mint.example.org:80", "https://mint.example.org:80" },
    { "http://mint:80", "http://mint" },
    { "http://mint:8001", "http://mint:8001" },
    { "http://mint:65535", "http://mint:65535" },
    { "http://127.0.0.1:1", "http://127.0.0.1:1" },
    { "http://[::1]:8001", "http://[::1]:8001" },
    { "http://[::FFFF:10.0.0.1]", "http://[::ffff:10.0.0.1]" },
    { "http://a_b-c.d", "http://a_b-c.d" },
    { "http://mint.", "http://mint." },
    { "", NULL },
    { "null", NULL },
    { "*", NULL },
    { "http://", NULL },
    { "https://", NULL },
    { "https:/", NULL },
    { "httpx://mint", NULL },
    { "http:/mint/", NULL },
    { "ftp://mint", NULL },
    { "mint.example.org", NULL },
    { "//mint.example.org", NULL },
    { "http://mint/", NULL },
    { "http://mint/x", NULL },
    { "http://mint?x", NULL },
    { "http://mint#x", NULL },
    { "http://mint:", NULL },
    { "http://mint:0", NULL },
    { "http://mint:080", NULL },
    { "http://mint:65536", NULL },
    { "http://mint:99999", NULL },
    { "http://mint:123456", NULL },
    { "http://mint:8x", NULL },
    { "http://mint:-1", NULL },
    { "http://:80", NULL },
    { "http://user@mint", NULL },
    { "http://mint,http://other", NULL },
    { "http://mint http://other", NULL },
    { " http://mint", NULL },
    { "http://mint ", NULL },
    { "http://m\xc3\xbcnt", NULL },
    { "http://*.example.org", NULL },
    { "http://[::1", NULL },
    { "http://[]", NULL },
    { "http://[:]", NULL },
    { "http://[::g]", NULL },
    { "http://[::1]x", NULL },
    { "http://mint%2fx", NULL },
    { "http://mint\\x", NULL },
    { "http://mint;x", NULL },
    { "http://mint\"", NULL }
};


START_TEST(test_parse)
{
    int                  rc;
    char                 text[MINT_ORIGIN_TEXT_MAX];
    struct mint_origin   origin;

    rc = mint_origin_parse(origins[_i].text, strlen(origins[_i].text),
                           &origin);

    ck_assert_msg((rc == 0) == (origins[_i].normal != NULL), "%s",
                  origins[_i].text);

    if (rc == 0) {
        rc = mint_origin_text(&origin, text);
        ck_assert_int_eq(rc, (int) strlen(origins[_i].normal));
        ck_assert_mem_eq(text, origins[_i].normal, (size_t) rc);
    }
}
END_TEST


START_TEST(test_parse_longest)
{
    char                 text[400];
    struct mint_origin   origin;

    memcpy(text, "https://", 8);
    memset(text + 8, 'a', sizeof(text) - 8);
    memcpy(text + 8 + MINT_ORIGIN_HOST_MAX, ":65535", 6);

    ck_assert_int_eq(mint_origin_parse(text, 8 + MINT_ORIGIN_HOST_MAX + 6,
                                       &origin), 0);
    ck_assert_uint_eq(origin.host_len, MINT_ORIGIN_HOST_MAX);
    ck_assert_int_le(mint_origin_text(&origin, text), MINT_ORIGIN_TEXT_MAX);

    memset(text + 8, 'a', sizeof(text) - 8);
    ck_assert_int_eq(mint_origin_parse(text, 8 + MINT_ORIGIN_HOST_MAX + 1,
                                       &origin), -1);
    ck_assert_int_eq(mint_origin_parse(text, sizeof(text), &origin), -1);
}
END_TEST


static const struct {
    const char  *text;
    int          len;           /* of the origin; -1: none */
} urls[] = {
    { "http://mint/tiny/?a=http://b", 11 },
    { "http://mint:80", 14 },
    { "https://mint?x", 12 },
    { "https://mint#x", 12 },
    { "https://user@mint/", -1 },
    { "https:///mint", -1 },
    { "about:blank", -1 },
    { "/tiny/", -1 }
};


START_TEST(test_parse_url)
{
    struct mint_origin  origin;

    ck_assert_int_eq(mint_origin_parse_url(urls[_i].text,
                                           strlen(urls[_i].text), &origin),
                     urls[_i].len);
}
END_TEST


#define EXTERNAL  "https://mint.example.org"
#define FRIEND    "https://lims.example.org:8443"

/* sent to "mint.example.org", external URL and one friend configured unless
   the row says so */

static const struct {
    const char  *origin;
    const char  *site;
    const char  *host;
    int          is_https;
    int          has_external;
    const char  *reason;        /* a part of it; NULL: the page may */
} pages[] = {
    /* what browsers say under https */
    { EXTERNAL, "same-origin", "mint.example.org", 1, 1, NULL },
    { NULL, "same-origin", "mint.example.org", 1, 1, NULL },
    { NULL, "none", "mint.example.org", 1, 1, NULL },
    { "https://evil.example", "cross-site", "mint.example.org", 1, 1,
      "another site" },
    { "https://x.example.org", "same-site", "mint.example.org", 1, 1,
      "another site" },
    { NULL, "cross-site", "mint.example.org", 1, 1, "another site" },
    { NULL, "same-site", "mint.example.org", 1, 1, "another site" },
    { EXTERNAL, "cross-site", "mint.example.org", 1, 1, "another site" },

    /* words that no browser says */
    { NULL, "Same-Origin", "mint.example.org", 1, 1, "another site" },
    { NULL, "same-origin ", "mint.example.org", 1, 1, "another site" },
    { NULL, "", "mint.example.org", 1, 1, "another site" },
    { NULL, "same-origin, none", "mint.example.org", 1, 1, "another site" },

    /* Origin alone: plain http has no Sec-Fetch-Site */
    { EXTERNAL, NULL, "10.0.0.5:8001", 0, 1, NULL },
    { "https://mint.example.org:443", NULL, "10.0.0.5", 0, 1, NULL },
    { "https://MINT.example.org", NULL, "10.0.0.5", 0, 1, NULL },
    { "http://mint.example.org", NULL, "10.0.0.5", 0, 1, "another origin" },
    { "https://mint.example.org:8443", NULL, "x", 0, 1, "another origin" },
    { "https://mint.example.org.evil.example", NULL, "x", 0, 1,
      "another origin" },
    { "https://xmint.example.org", NULL, "x", 0, 1, "another origin" },
    { "http://10.0.0.5:8001", NULL, "10.0.0.5:8001", 0, 1, NULL },
    { "http://10.0.0.5:8001", NULL, "10.0.0.5:8001", 0, 0, NULL },
    { "http://10.0.0.5:8001", NULL, "10.0.0.5", 0, 0, "another origin" },
    { "http://10.0.0.5", NULL, "10.0.0.5:80", 0, 0, NULL },
    { "https://10.0.0.5", NULL, "10.0.0.5:443", 1, 0, NULL },
    { "https://10.0.0.5", NULL, "10.0.0.5", 0, 0, "another origin" },
    { "http://10.0.0.5", NULL, "10.0.0.5", 1, 0, "another origin" },
    { "http://[::1]:8001", NULL, "[::1]:8001", 0, 0, NULL },
    { "http://mint", NULL, NULL, 0, 0, "another origin" },
    { "http://mint", NULL, "mint/", 0, 0, "another origin" },
    { "http://mint", NULL, "", 0, 0, "another origin" },

    /* a proxy that ends TLS and is not known: the browser has said so */
    { "https://10.0.0.5", "same-origin", "10.0.0.5", 0, 0, NULL },
    { "https://10.0.0.6", "same-origin", "10.0.0.5", 0, 0,
      "another origin" },
    { "https://evil.example", "same-origin", "mint.example.org", 1, 1,
      "another origin" },
    { "https://evil.example", "none", "mint.example.org", 1, 1,
      "another origin" },

    /* no origin at all */
    { "null", NULL, "mint.example.org", 1, 1, "no origin" },
    { "null", "same-origin", "mint.example.org", 1, 1, "no origin" },
    { "null", "none", "mint.example.org", 1, 1, "no origin" },
    { "", "same-origin", "mint.example.org", 1, 1, "not an origin" },
    { "https://mint.example.org/", NULL, "x", 1, 1, "not an origin" },
    { "mint.example.org", NULL, "mint.example.org", 1, 1, "not an origin" },
    { "https://mint.example.org, https://evil.example", NULL, "x", 1, 1,
      "not an origin" },
    { NULL, NULL, "mint.example.org", 1, 1, "neither" },
    { NULL, NULL, NULL, 0, 0, "neither" },

    /* a foreign page that may */
    { FRIEND, "cross-site", "mint.example.org", 1, 1, NULL },
    { FRIEND, "same-site", "mint.example.org", 1, 1, NULL },
    { FRIEND, NULL, "x", 0, 0, NULL },
    { "https://lims.example.org", "same-site", "x", 1, 1, "another site" },
    { "http://lims.example.org:8443", NULL, "x", 1, 1, "another origin" },
};


START_TEST(test_judge)
{
    const char                  *reason;
    struct mint_origin           friend;
    struct mint_origin_policy    policy;
    struct mint_origin_request   request;

    memset(&policy, 0, sizeof(policy));
    memset(&request, 0, sizeof(request));

    ck_assert_int_eq(mint_origin_parse(FRIEND, strlen(FRIEND), &friend), 0);
    policy.allowed = &friend;
    policy.allowed_count = 1;

    if (pages[_i].has_external) {
        ck_assert_int_eq(mint_origin_parse(EXTERNAL, strlen(EXTERNAL),
                                           &policy.external), 0);
    }

    request.is_https = pages[_i].is_https;

    if (pages[_i].origin != NULL) {
        request.origin = pages[_i].origin;
        request.origin_len = strlen(request.origin);
        request.origin_count = 1;
    }

    if (pages[_i].site != NULL) {
        request.site = pages[_i].site;
        request.site_len = strlen(request.site);
        request.site_count = 1;
    }

    if (pages[_i].host != NULL) {
        request.host = pages[_i].host;
        request.host_len = strlen(request.host);
    }

    reason = mint_origin_judge(&request, &policy);

    ck_assert_msg(pages[_i].reason == NULL
                  ? reason == NULL
                  : reason != NULL
                    && strstr(reason, pages[_i].reason) != NULL,
                  "row %d: %s", _i, reason == NULL ? "may" : reason);

    /* never twice, whatever it says */

    if (request.origin_count == 1) {
        request.origin_count = 2;
        ck_assert_ptr_nonnull(mint_origin_judge(&request, &policy));
        request.origin_count = 1;
    }

    if (request.site_count == 1) {
        request.site_count = 2;
        ck_assert_ptr_nonnull(mint_origin_judge(&request, &policy));
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

    suite = suite_create("origin");
    tcase = tcase_create("origin");

    tcase_add_loop_test(tcase, test_parse, 0,
                        sizeof(origins) / sizeof(origins[0]));
    tcase_add_test(tcase, test_parse_longest);
    tcase_add_loop_test(tcase, test_parse_url, 0,
                        sizeof(urls) / sizeof(urls[0]));
    tcase_add_loop_test(tcase, test_judge, 0,
                        sizeof(pages) / sizeof(pages[0]));

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
