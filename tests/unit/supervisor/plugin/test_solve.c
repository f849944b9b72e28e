/* SPDX-License-Identifier: MIT */
/*
 * The search for releases that meet everything: small worlds in words, and
 * random ones, whose answer is found by trying all there is.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/solve.h"


/* ---- in words ---------------------------------------------------------- */

#define WORLD_MAX  32


struct world {
    char                       *text;
    struct marker_environment   environment;
    struct solve_release        releases[WORLD_MAX];
    const char                 *requires[WORLD_MAX][16];
    size_t                      release_count;
    struct solve_package        packages[WORLD_MAX];
    const char                 *roots[16];
    struct solve_input          input;
    struct solve_result         result;
};


static size_t
world_split(char *line, const char **out)
{
    char    *part;
    size_t   n;

    for (n = 0; (part = strsep(&line, "|")) != NULL; n++) {
        out[n] = part;
    }

    return n;
}


/* lines, sorted by name, the better release first: "a 2|b>=1", "a 1?" (nobody
   has read what it requires), "a ..." (there may be others), "> a|b" (roots) */

static void
world_read(struct world *w, const char *text)
{
    char                  *rest, *line, *name;
    struct solve_package  *package;
    struct solve_release  *release;

    memset(w, 0, sizeof(struct world));
    w->text = mem_strdup(text);
    rest = w->text;
    package = NULL;
    marker_environment_set(&w->environment, "sys_platform", "linux");
    marker_environment_set(&w->environment, "python_version", "3.12");

    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        name = strsep(&line, " ");

        if (strcmp(name, ">") == 0) {
            w->input.root_count = world_split(line, w->roots);
            continue;
        }

        if (package == NULL || strcmp(package->name, name) != 0) {
            package = &w->packages[w->input.count++];
            package->name = name;
            package->releases = &w->releases[w->release_count];
            package->is_complete = true;
        }

        if (strcmp(line, "...") == 0) {
            package->is_complete = false;
            continue;
        }

        release = &w->releases[w->release_count];
        release->version = strsep(&line, "|");
        release->is_read = strchr(release->version, '?') == NULL;
        *strchrnul(release->version, '?') = '\0';
        release->requires = w->requires[w->release_count];
        release->count = line == NULL ? 0
                         : world_split(line, w->requires[w->release_count]);
        w->release_count++;
        package->count++;
    }

    w->input.environment = &w->environment;
    w->input.packages = w->packages;
    w->input.roots = w->roots;
    solve(&w->input, &w->result);
}


static void
world_clear(struct world *w)
{
    solve_clear(&w->result);
    marker_environment_clear(&w->environment);
    free(w->text);
}


/* "a 2, b 1" or what is wanted ("a?", "b 1?"), or the doubt */

static void
world_write(const struct world *w, struct strbuf *out)
{
    size_t                       i, k;
    const struct solve_want     *want;
    const struct solve_package  *package;

    for (i = 0; w->result.chosen != NULL && i < w->input.count; i++) {
        package = &w->packages[i];
        k = w->result.chosen[i];

        if (k != SOLVE_NONE) {
            strbuf_printf(out, "%s%s %s", out->len > 0 ? ", " : "",
                          package->name, package->releases[k].version);
        }
    }

    for (i = 0; w->result.chosen == NULL && i < w->result.want_count; i++) {
        want = &w->result.wants[i];
        strbuf_printf(out, "%s%s%s%s?", out->len > 0 ? ", " : "", want->name,
                      want->version != NULL ? " " : "",
                      want->version != NULL ? want->version : "");
    }

    if (w->result.chosen == NULL && w->result.doubt != NULL) {
        strbuf_puts(out, w->result.doubt);
    }
}


static const struct {
    const char          *text;
    enum clash_verdict   verdict;
    const char          *said;
} cases[] = {

    { "a 1\n> a", CLASH_FITS, "a 1" },
    { "a 2\na 1\nb 1|a<2\n> a|b", CLASH_FITS, "a 1, b 1" },
    { "a 2|b>=2\na 1|b\nb 2|c<2\nb 1\nc 2\nc 1\n> a|c>=2", CLASH_FITS,
      "a 1, b 1, c 2" },
    { "a 1|A.B; sys_platform == 'linux'|no; sys_platform == 'win32'\na-b 1\n"
      "> a", CLASH_FITS, "a 1, a-b 1" },

    /* extras, whoever comes first */

    { "a 1|b; extra == 'x'\nb 1|c; extra == 'y'\nc 1\n> a[X]", CLASH_FITS,
      "a 1, b 1" },
    { "a 1|b[y]; extra == 'x'\nb 1|c; extra == 'y'\nc 1\n> b|a[x]",
      CLASH_FITS, "a 1, b 1, c 1" },
    { "a 1|a[y]; extra == 'x'|b; extra == 'y'\nb 1\n> a[x]", CLASH_FITS,
      "a 1, b 1" },
    { "a 2|b<1; extra == 'x'\na 1\nb 1\n> a[x]|b", CLASH_FITS, "a 1, b 1" },
    { "a 1|b<1; extra == 'x'\nb 1\nc 1|a[x]\n> a|b|c", CLASH_CLASHES, "" },

    /* no way */

    { "a 2\na 1\nb 1|a<2\n> a>=2|b", CLASH_CLASHES, "" },
    { "a 2|b>=2\na 1|b>=3\nb 2|c<2\nc 2\n> a|c", CLASH_CLASHES, "" },
    { "a 1\n> a>1", CLASH_CLASHES, "" },

    /* what would have to be known */

    { "a 1|b|c\n> a", CLASH_UNKNOWN, "b?, c?" },
    { "a 2?\na 1?\n> a", CLASH_UNKNOWN, "a 2?" },
    { "a 1\na ...\n> a>1", CLASH_UNKNOWN, "a?" },
    { "a 2?\na 1\n> a", CLASH_FITS, "a 1" },
    { "a 1|no\nb 1|a\nb ...\n> b", CLASH_UNKNOWN, "no?, b?" },

    /* it makes no difference */

    { "a 1|no|b>1\nb 1\n> a", CLASH_CLASHES, "" },
    { "a 1|b>1|no\nb 1\n> a", CLASH_CLASHES, "" },
    { "a 2|no\na 1\n> a", CLASH_FITS, "a 1" },

    /* doubts */

    { "a 1|b @ https://b.example/b.whl\nb 1\n> a", CLASH_UNKNOWN,
      "b comes from an address of its own" },
    { "a 1|b===1\nb 1\n> a", CLASH_UNKNOWN, "\"b===1\" compares texts" },
    { "a 1|b>>1\nb 1\n> a", CLASH_UNKNOWN, "\"b>>1\" is not understood" },
    { "a 1|b; platform_release > '5'\nb 1\n> a", CLASH_UNKNOWN,
      "the marker of \"b; platform_release > '5'\" is not understood" },
    { "a 1\n> ((", CLASH_UNKNOWN, "\"((\" is not understood" },
    { "a x1\n> a", CLASH_UNKNOWN, "\"x1\" is no version" },

    /* pre-releases may be there, and are not among these */

    { "a 2\na 1\n> a>=3rc1", CLASH_UNKNOWN, "\"a>=3rc1\" asks for "
      "pre-releases" },
    { "a 2\na 1\n> a>=2rc1", CLASH_FITS, "a 2" },
    { "a 2\n> a>=3rc1", CLASH_CLASHES, "" },
};


START_TEST(in_words)
{
    struct strbuf  said;
    struct world   w;

    memset(&said, 0, sizeof(said));
    world_read(&w, cases[_i].text);
    world_write(&w, &said);
    ck_assert_msg(w.result.verdict == cases[_i].verdict
                  && strcmp(strbuf_text(&said), cases[_i].said) == 0,
                  "%s\n%s: %s", cases[_i].text,
                  clash_verdict_name(w.result.verdict), strbuf_text(&said));
    strbuf_free(&said);
    world_clear(&w);
}
END_TEST


/* ---- random ones -------------------------------------------------------- */

#define PACKAGES  6
#define VERSIONS  3
#define ASKED     4
#define WORLDS    20000


/* what a release, or (under_extra) its extra "x", asks for */
struct wish {
    unsigned  package;
    unsigned  operator;
    unsigned  version;
    bool      with_extra;
    bool      under_extra;
};


struct chance {
    unsigned     counts[PACKAGES];                  /* versions 1..count */
    struct wish  wishes[PACKAGES][VERSIONS][ASKED];
    unsigned     wish_counts[PACKAGES][VERSIONS];
    struct wish  roots[ASKED];
    unsigned     root_count;
};


static const char *const  operators[] = { "", ">=", "<", "==", "!=" };


static unsigned
draw(unsigned *seed, unsigned below)
{
    *seed = *seed * 1664525 + 1013904223;

    return (*seed >> 16) % below;
}


static void
chance_wish(unsigned *seed, bool is_root, struct wish *out)
{
    out->package = draw(seed, PACKAGES);
    out->operator = draw(seed, 5);
    out->version = 1 + draw(seed, VERSIONS);
    out->with_extra = draw(seed, 4) == 0;
    out->under_extra = !is_root && draw(seed, 4) == 0;
}


static void
chance_draw(unsigned seed, struct chance *out)
{
    unsigned  p, v, i;

    memset(out, 0, sizeof(struct chance));
    out->root_count = 1 + draw(&seed, 3);

    for (i = 0; i < out->root_count; i++) {
        chance_wish(&seed, true, &out->roots[i]);
    }

    for (p = 0; p < PACKAGES; p++) {
        out->counts[p] = 1 + draw(&seed, VERSIONS);

        for (v = 0; v < out->counts[p]; v++) {
            out->wish_counts[p][v] = draw(&seed, ASKED);

            for (i = 0; i < out->wish_counts[p][v]; i++) {
                chance_wish(&seed, false, &out->wishes[p][v][i]);
            }
        }
    }
}


static bool
wish_takes(const struct wish *wish, unsigned version)
{
    switch (wish->operator) {
    case 0:
        return true;
    case 1:
        return version >= wish->version;
    case 2:
        return version < wish->version;
    case 3:
        return version == wish->version;
    default:
        return version != wish->version;
    }
}


/* taken[p]: version, 0: none.  Marks the extra that it asks for; false: it is
   not met */

static bool
wish_is_met(const struct wish *wish, const unsigned *taken, bool *extras,
    bool *changed)
{
    if (wish->with_extra && !extras[wish->package]) {
        extras[wish->package] = true;
        *changed = true;
    }

    return taken[wish->package] != 0
           && wish_takes(wish, taken[wish->package]);
}


static bool
chance_holds(const struct chance *c, const unsigned *taken)
{
    bool                extras[PACKAGES] = { false };
    bool                good, changed;
    unsigned            p, i;
    const struct wish  *wish;

    do {
        good = true;
        changed = false;

        for (i = 0; i < c->root_count; i++) {
            good = wish_is_met(&c->roots[i], taken, extras, &changed) && good;
        }

        for (p = 0; p < PACKAGES; p++) {
            for (i = 0; taken[p] != 0
                        && i < c->wish_counts[p][taken[p] - 1]; i++)
            {
                wish = &c->wishes[p][taken[p] - 1][i];

                if (!wish->under_extra || extras[p]) {
                    good = wish_is_met(wish, taken, extras, &changed) && good;
                }
            }
        }
    } while (changed);

    return good;
}


static bool
chance_try_all(const struct chance *c)
{
    unsigned  taken[PACKAGES] = { 0 };
    unsigned  p;

    for ( ;; ) {
        if (chance_holds(c, taken)) {
            return true;
        }

        for (p = 0; p < PACKAGES && taken[p] == c->counts[p]; p++) {
            taken[p] = 0;
        }

        if (p == PACKAGES) {
            return false;
        }

        taken[p]++;
    }
}


static void
wish_write(const struct wish *wish, struct strbuf *out)
{
    strbuf_printf(out, "%c%s", 'a' + (int) wish->package,
                  wish->with_extra ? "[x]" : "");

    if (wish->operator > 0) {
        strbuf_printf(out, "%s%u", operators[wish->operator], wish->version);
    }

    strbuf_puts(out, wish->under_extra ? "; extra == 'x'" : "");
}


static void
chance_write(const struct chance *c, struct strbuf *out)
{
    unsigned  p, v, i;

    for (p = 0; p < PACKAGES; p++) {
        for (v = c->counts[p]; v > 0; v--) {
            strbuf_printf(out, "%c %u", 'a' + (int) p, v);

            for (i = 0; i < c->wish_counts[p][v - 1]; i++) {
                strbuf_puts(out, "|");
                wish_write(&c->wishes[p][v - 1][i], out);
            }

            strbuf_puts(out, "\n");
        }
    }

    for (i = 0; i < c->root_count; i++) {
        strbuf_puts(out, i == 0 ? "> " : "|");
        wish_write(&c->roots[i], out);
    }
}


START_TEST(as_trying_all)
{
    bool           can;
    size_t         i;
    unsigned       seed, found[2], taken[PACKAGES];
    struct world   w;
    struct chance  c;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    memset(found, 0, sizeof(found));

    for (seed = 0; seed < WORLDS; seed++) {
        chance_draw(seed, &c);
        strbuf_clear(&text);
        chance_write(&c, &text);
        world_read(&w, strbuf_text(&text));
        can = chance_try_all(&c);
        found[can]++;

        ck_assert_msg(w.result.verdict == (can ? CLASH_FITS : CLASH_CLASHES),
                      "seed %u, %s:\n%s", seed, can ? "fits" : "clashes",
                      strbuf_text(&text));

        for (i = 0; can && i < PACKAGES; i++) {
            taken[i] = w.result.chosen[i] == SOLVE_NONE ? 0
                       : c.counts[i] - (unsigned) w.result.chosen[i];
        }

        ck_assert_msg(!can || chance_holds(&c, taken), "seed %u:\n%s", seed,
                      strbuf_text(&text));
        world_clear(&w);
    }

    /* both are there, and often */

    ck_assert_uint_gt(found[false], WORLDS / 10);
    ck_assert_uint_gt(found[true], WORLDS / 10);
    strbuf_free(&text);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("solve");
    tcase = tcase_create("solve");
    tcase_add_loop_test(tcase, in_words, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tcase, as_trying_all);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
