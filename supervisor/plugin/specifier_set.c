/* SPDX-License-Identifier: MIT */
/*
 * Sets of specifiers.
 */

#include "supervisor/plugin/specifier.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>


/* a specifier in two spellings, for sorting */
struct specifier_spelling {
    char    *text;
    char    *canonical;
    size_t   place;
    bool     is_repeated;
};


static int
specifier_set_parse_items(struct specifier_set *out, const char *text,
    const char *end, bool is_one, struct error *err)
{
    int          rc;
    size_t       count;
    const char  *at, *comma, *item, *last;

    for (count = 1, at = text; !is_one && at < end; at++) {
        count += *at == ',';
    }

    /* the items must not move: their ranges point into them */

    memset(out, 0, sizeof(struct specifier_set));
    out->items = mem_alloc(count * sizeof(struct specifier));

    for (at = text; at <= end; at = comma + 1) {
        comma = is_one ? end : memchr(at, ',', (size_t) (end - at));
        comma = comma != NULL ? comma : end;
        item = at;
        last = comma;
        version_strip(&item, &last);

        if (item == last && !is_one) {
            continue;
        }

        rc = specifier_parse(&out->items[out->count], item, last, err);

        if (rc != 0) {
            specifier_set_clear(out);
            return rc;
        }

        out->count++;
    }

    return 0;
}


int
specifier_set_parse(struct specifier_set *out, const char *text, size_t len,
    struct error *err)
{
    return specifier_set_parse_items(out, text, text + len, false, err);
}


int
specifier_set_parse_one(struct specifier_set *out, const char *text,
    size_t len, struct error *err)
{
    return specifier_set_parse_items(out, text, text + len, true, err);
}


void
specifier_set_clear(struct specifier_set *set)
{
    size_t  i;

    for (i = 0; i < set->count; i++) {
        specifier_clear(&set->items[i]);
    }

    free(set->items);
    memset(set, 0, sizeof(struct specifier_set));
}


/* ---- as text ----------------------------------------------------------- */


static int
specifier_compare_texts(const void *a, const void *b)
{
    int                               order;
    const struct specifier_spelling  *x = a, *y = b;

    order = strcmp(x->text, y->text);

    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}


static int
specifier_compare_canonical(const void *a, const void *b)
{
    int                                      order;
    const struct specifier_spelling *const  *x = a, *const  *y = b;

    order = strcmp((*x)->canonical, (*y)->canonical);

    return order != 0 ? order : specifier_compare_texts(*x, *y);
}


/* by text; of those that mean the same the first counts */

static struct specifier_spelling *
specifier_set_spellings(const struct specifier_set *set)
{
    size_t                       i;
    struct strbuf                text;
    const struct specifier      *item;
    struct specifier_spelling   *spellings, **order;

    spellings = mem_alloc((set->count + 1) * sizeof(*spellings));
    order = mem_alloc((set->count + 1) * sizeof(*order));

    for (i = 0; i < set->count; i++) {
        item = &set->items[i];
        memset(&text, 0, sizeof(text));
        specifier_write_canonical(item, &text);

        spellings[i].text = mem_printf("%s%s",
                                       specifier_operator_name(item->operator),
                                       item->wanted);
        spellings[i].canonical = text.data;
        spellings[i].place = i;
    }

    qsort(spellings, set->count, sizeof(*spellings), specifier_compare_texts);

    for (i = 0; i < set->count; i++) {
        order[i] = &spellings[i];
    }

    qsort(order, set->count, sizeof(*order), specifier_compare_canonical);

    for (i = 1; i < set->count; i++) {
        order[i]->is_repeated = strcmp(order[i]->canonical,
                                       order[i - 1]->canonical) == 0;
    }

    free(order);

    return spellings;
}


static void
specifier_spellings_free(struct specifier_spelling *spellings, size_t count)
{
    size_t  i;

    for (i = 0; i < count; i++) {
        free(spellings[i].text);
        free(spellings[i].canonical);
    }

    free(spellings);
}


void
specifier_set_write(const struct specifier_set *set, struct strbuf *out)
{
    size_t                      i;
    const char                 *separator;
    struct specifier_spelling  *spellings;

    spellings = specifier_set_spellings(set);
    separator = "";

    for (i = 0; i < set->count; i++) {
        if (!spellings[i].is_repeated) {
            strbuf_puts(out, separator);
            strbuf_puts(out, spellings[i].text);
            separator = ",";
        }
    }

    specifier_spellings_free(spellings, set->count);
}


bool
specifier_set_equals(const struct specifier_set *a,
    const struct specifier_set *b)
{
    bool                        is_equal;
    size_t                      i, k;
    struct specifier_spelling  *x, *y;

    x = specifier_set_spellings(a);
    y = specifier_set_spellings(b);
    is_equal = true;

    for (i = 0, k = 0; is_equal; i++, k++) {
        while (i < a->count && x[i].is_repeated) {
            i++;
        }

        while (k < b->count && y[k].is_repeated) {
            k++;
        }

        if (i == a->count || k == b->count) {
            is_equal = i == a->count && k == b->count;
            break;
        }

        is_equal = strcmp(x[i].canonical, y[k].canonical) == 0;
    }

    specifier_spellings_free(x, a->count);
    specifier_spellings_free(y, b->count);

    return is_equal;
}


void
specifier_set_intersect(struct specifier_set *out,
    const struct specifier_set *a, const struct specifier_set *b)
{
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    specifier_set_write(a, &text);
    strbuf_puts(&text, ",");
    specifier_set_write(b, &text);
    specifier_set_parse(out, text.data, text.len, NULL);
    strbuf_free(&text);
}


/* ---- matching ---------------------------------------------------------- */


void
specifier_set_filter(const struct specifier_set *set,
    const char *const *texts, size_t count,
    enum specifier_prereleases prereleases, bool *keep)
{
    bool             any_final, is_version, *is_early;
    size_t           i, k;
    struct version   version;

    any_final = false;
    is_early = mem_alloc((count + 1) * sizeof(bool));

    for (i = 0; i < count; i++) {
        is_version = version_parse(&version, texts[i], strlen(texts[i]), NULL)
                     == 0;
        is_early[i] = is_version && version_is_prerelease(&version);
        keep[i] = true;

        for (k = 0; k < set->count && keep[i]; k++) {
            keep[i] = specifier_takes(&set->items[k], texts[i],
                                      is_version ? &version : NULL);
        }

        any_final = any_final || (keep[i] && is_version && !is_early[i]);
        version_clear(&version);
    }

    for (k = 0; prereleases == SPECIFIER_AUTO && k < set->count; k++) {
        if (specifier_asks_for_prereleases(&set->items[k])) {
            prereleases = SPECIFIER_ALLOW;
        }
    }

    for (i = 0; i < count; i++) {
        keep[i] = keep[i] && (!is_early[i] || prereleases == SPECIFIER_ALLOW
                              || (prereleases == SPECIFIER_AUTO && !any_final));
    }

    free(is_early);
}


bool
specifier_set_has(const struct specifier_set *set, const char *text,
    enum specifier_prereleases prereleases)
{
    bool  keep;

    specifier_set_filter(set, &text, 1, prereleases, &keep);

    return keep;
}


/* ---- can it be satisfied ----------------------------------------------- */


/* in halves: many specifiers cost n log n, not n * n */

static void
specifier_set_range(const struct specifier *items, size_t count,
    struct version_range *out)
{
    struct version_range  a, b;

    /* with itself: what holds no version ("<0.dev0") drops out */

    if (count == 1) {
        version_range_intersect(out, &items->range, &items->range);
        return;
    }

    specifier_set_range(items, count / 2, &a);
    specifier_set_range(items + count / 2, count - count / 2, &b);
    version_range_intersect(out, &a, &b);
    version_range_clear(&a);
    version_range_clear(&b);
}


/* "===1.0" can be nothing but the text "1.0": do all others take that? */

static bool
specifier_set_refuses_arbitrary(const struct specifier_set *set,
    enum specifier_prereleases prereleases)
{
    bool                     refused;
    size_t                   i;
    const struct specifier  *item, *only;

    only = NULL;

    for (i = 0; i < set->count; i++) {
        item = &set->items[i];

        if (item->operator != SPECIFIER_ARBITRARY) {
            continue;
        }

        if (only != NULL && strcasecmp(only->wanted, item->wanted) != 0) {
            return true;
        }

        only = only != NULL ? only : item;
    }

    if (only == NULL) {
        return false;
    }

    refused = prereleases == SPECIFIER_REFUSE && only->has_version
              && version_is_prerelease(&only->version);

    for (i = 0; i < set->count && !refused; i++) {
        refused = !specifier_takes(&set->items[i], only->wanted,
                                   only->has_version ? &only->version : NULL);
    }

    return refused;
}


bool
specifier_set_is_unsatisfiable(const struct specifier_set *set,
    enum specifier_prereleases prereleases)
{
    bool                  is_unsatisfiable;
    struct version_range  range;

    if (set->count == 0) {
        return false;
    }

    specifier_set_range(set->items, set->count, &range);

    is_unsatisfiable = range.count == 0
                       || specifier_set_refuses_arbitrary(set, prereleases)
                       || (prereleases == SPECIFIER_REFUSE
                           && version_range_is_prerelease(&range));
    version_range_clear(&range);

    return is_unsatisfiable;
}
