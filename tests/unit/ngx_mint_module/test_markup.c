/* SPDX-License-Identifier: MIT */
/*
 * Which clients get a page instead of a problem, and escaping.
 */

#include "ngx_mint_module/ngx_http_mint_markup.c"

#include <stdlib.h>

#include <check.h>


static const struct {
    const char  *line;
    int          wants_page;
} lines[] = {
    /* browsers */
    { "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
      "image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
      1 },
    { "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 1 },
    { "text/html, */*", 1 },                    /* htmx */
    { "text/html", 1 },
    { "TEXT/Html", 1 },
    { "text/*", 1 },
    { "text/html;charset=utf-8", 1 },
    { "text/html;q=0.9, application/json;q=0.8", 1 },
    { "text/html;q=0.002, application/json;q=0.001", 1 },
    { "*/*;q=0.1, text/html;q=0.5", 1 },
    { "application/json;q=0, text/html;q=0.001", 1 },
    { " \ttext/html\t ; q=1.000 ", 1 },
    { ",,text/html,,", 1 },
    { "x/y;z=\",text/html;q=0\", text/html", 1 },
    { "x/y;z=\"\\\"\", text/html", 1 },

    /* the most specific one counts, also when it is the worse one */
    { "*/*, text/html;q=0.9", 0 },
    { "text/*;q=1, text/html;q=0, */*;q=0.1", 0 },

    /* programs */
    { "", 0 },
    { "*/*", 0 },
    { "application/json", 0 },
    { "application/problem+json", 0 },
    { "application/*", 0 },
    { "application/json, text/plain, */*", 0 },  /* axios */
    { "text/html, application/json", 0 },
    { "application/json, text/html;q=0.9", 0 },
    { "text/html;q=0", 0 },
    { "text/html;q=0.000, */*", 0 },
    { "image/avif,image/webp,*/*;q=0.8", 0 },
    { "text/plain", 0 },
    { "text/html2", 0 },
    { "text/htm", 0 },
    { "xtext/html", 0 },
    { "text / html", 0 },

    /* malformed */
    { "text/html;q=", 0 },
    { "text/html;q=2", 0 },
    { "text/html;q=1.001", 0 },
    { "text/html;q=0.0001", 0 },
    { "text/html;q=.5", 0 },
    { "text/html;q=0,5", 0 },
    { "text/html;q=-1", 0 },
    { "text/html;q=1e0", 0 },
    { "text/html;q=\"1\"", 0 },
    { "\"text/html", 0 },
    { "\"", 0 },
    { "x;\"\\", 0 },
    { ";", 0 }
};


START_TEST(test_accept)
{
    ngx_http_mint_accept_t  accept;

    memset(&accept, 0, sizeof(accept));
    ngx_http_mint_markup_accept(&accept, (const uint8_t *) lines[_i].line,
                                strlen(lines[_i].line));

    ck_assert_msg(ngx_http_mint_markup_wants_page(&accept)
                  == lines[_i].wants_page, "%s", lines[_i].line);
}
END_TEST


START_TEST(test_accept_in_two_lines)
{
    ngx_http_mint_accept_t  accept;

    memset(&accept, 0, sizeof(accept));
    ngx_http_mint_markup_accept(&accept, (const uint8_t *) "*/*;q=0.8", 9);
    ngx_http_mint_markup_accept(&accept, (const uint8_t *) "text/html", 9);
    ck_assert_int_eq(ngx_http_mint_markup_wants_page(&accept), 1);
}
END_TEST


static const struct {
    const char  *text;
    const char  *escaped;
} texts[] = {
    { "", "" },
    { "tiny", "tiny" },
    { "<script>", "&lt;script&gt;" },
    { "\"'&", "&quot;&#39;&amp;" },
    { "&amp;", "&amp;amp;" },
    { "a\nb\x7f\x01", "a?b??" },
    { "J\xc3\xb6rg", "J\xc3\xb6rg" }
};


START_TEST(test_escape)
{
    size_t   len;
    uint8_t  to[64];

    len = ngx_http_mint_markup_escape(NULL, (const uint8_t *) texts[_i].text,
                                      strlen(texts[_i].text));
    ck_assert_uint_eq(len, strlen(texts[_i].escaped));
    ck_assert_uint_le(len, strlen(texts[_i].text)
                           * NGX_HTTP_MINT_MARKUP_GROWTH);

    ck_assert_uint_eq(ngx_http_mint_markup_escape(to,
                          (const uint8_t *) texts[_i].text,
                          strlen(texts[_i].text)), len);
    ck_assert_mem_eq(to, texts[_i].escaped, len);
}
END_TEST


#define LOOP(tcase, test, table)                                              \
    tcase_add_loop_test(tcase, test, 0,                                       \
                        (int) (sizeof(table) / sizeof((table)[0])))


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("module markup");
    tcase = tcase_create("markup");

    LOOP(tcase, test_accept, lines);
    LOOP(tcase, test_escape, texts);
    tcase_add_test(tcase, test_accept_in_two_lines);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
