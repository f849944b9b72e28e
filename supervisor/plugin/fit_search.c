/* SPDX-License-Identifier: MIT */
/*
 * Searches with what is known; reads what the search wants to know, and
 * searches again, until it has an answer or nothing more can be read.
 */

#include "supervisor/plugin/fit_search.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/solve.h"


/* each is one step along a chain of packages that are not there yet */
#define FIT_ROUNDS_MAX  16


/* a package that the search may need */
struct fit_package {
    char                         *name;         /* normalised */
    const struct clash_package   *installed;    /* NULL: none */
    bool                          is_fixed;     /* no other release will do */
    const struct uv_releases     *kept;         /* NULL: not read */
    struct solve_release         *releases;     /* made of these */
    size_t                        count;
};


struct fit_search {
    const struct clash_input  *input;
    struct uv_cache           *cache;
    struct fit_package        *packages;        /* by name */
    size_t                     count;
    char                     **roots;
    size_t                     root_count;
};


static void fit_search_init(struct fit_search *search,
    const struct clash_input *input, struct uv_cache *cache);
static void fit_search_clear(struct fit_search *search);
static void fit_search_solve(struct fit_search *search,
    struct solve_result *out);
static bool fit_search_learn(struct fit_search *search,
    const struct solve_result *result);


enum clash_verdict
fit_search(const struct clash_input *input, struct uv_cache *cache)
{
    bool                 goes_on;
    size_t               i;
    enum clash_verdict   verdict;
    struct fit_search    search;
    struct solve_result  result;

    fit_search_init(&search, input, cache);
    verdict = CLASH_UNKNOWN;
    goes_on = true;

    for (i = 0; i < FIT_ROUNDS_MAX && goes_on; i++) {
        fit_search_solve(&search, &result);
        verdict = result.verdict;
        goes_on = verdict == CLASH_UNKNOWN
                  && fit_search_learn(&search, &result);
        solve_clear(&result);
    }

    fit_search_clear(&search);

    return verdict;
}


/* ---- packages ------------------------------------------------------------ */

static int
fit_package_compare(const void *a, const void *b)
{
    return strcmp(((const struct fit_package *) a)->name,
                  ((const struct fit_package *) b)->name);
}


static struct fit_package *
fit_search_find(const struct fit_search *search, const char *name)
{
    struct fit_package  key;

    key.name = (char *) name;

    return bsearch(&key, search->packages, search->count,
                   sizeof(struct fit_package), fit_package_compare);
}


static struct solve_release
fit_release_installed(const struct clash_package *package)
{
    struct solve_release  release;

    release.version = package->version;
    release.is_read = true;
    release.requires = package->requires;
    release.count = package->count;

    return release;
}


/* METADATA need not write a version as uv does: a release twice does no harm */

static void
fit_package_fill(struct fit_package *package)
{
    size_t                    i;
    const struct uv_release  *kept;
    struct solve_release     *release;

    package->count = 0;
    package->releases = mem_grow(package->releases,
                                 1 + (package->kept != NULL
                                      ? package->kept->count : 0),
                                 sizeof(struct solve_release));

    if (package->installed != NULL) {
        package->releases[package->count++] =
                                  fit_release_installed(package->installed);
    }

    for (i = 0; package->kept != NULL && i < package->kept->count; i++) {
        kept = &package->kept->items[i];
        release = &package->releases[package->count++];
        release->version = kept->version;
        release->is_read = true;
        release->requires = (const char *const *) kept->requires.item;
        release->count = kept->requires.count;
    }
}


static void
fit_search_add(struct fit_search *search, char *name,
    const struct clash_package *installed, bool is_fixed)
{
    struct fit_package  *package;

    search->packages = mem_grow(search->packages, search->count + 1,
                                sizeof(struct fit_package));
    package = &search->packages[search->count++];
    memset(package, 0, sizeof(struct fit_package));
    package->name = name;
    package->installed = installed;
    package->is_fixed = is_fixed;
    fit_package_fill(package);
}


static void
fit_search_add_root(struct fit_search *search, const char *requirement)
{
    search->roots = mem_grow(search->roots, search->root_count + 1,
                             sizeof(char *));
    search->roots[search->root_count++] = mem_strdup(requirement);
}


/* the newcomer stands in the place of an older version of itself */

static void
fit_search_init(struct fit_search *search, const struct clash_input *input,
    struct uv_cache *cache)
{
    char                        *name, *newcomer;
    size_t                       i;
    const struct clash_package  *package;

    memset(search, 0, sizeof(struct fit_search));
    search->input = input;
    search->cache = cache;

    newcomer = names_normalise(input->newcomer->name);
    fit_search_add_root(search, input->platform);
    fit_search_add_root(search, newcomer);

    for (i = 0; i < input->count; i++) {
        package = &input->packages[i];
        name = names_normalise(package->name);

        if (strcmp(name, newcomer) == 0) {
            free(name);
            continue;
        }

        if (package->role == CLASH_PLUGIN) {
            fit_search_add_root(search, name);
        }

        fit_search_add(search, name, package, package->role != CLASH_PACKAGE);
    }

    fit_search_add(search, newcomer, input->newcomer, true);
    qsort(search->packages, search->count, sizeof(struct fit_package),
          fit_package_compare);
}


static void
fit_search_clear(struct fit_search *search)
{
    size_t  i;

    for (i = 0; i < search->count; i++) {
        free(search->packages[i].name);
        free(search->packages[i].releases);
    }

    for (i = 0; i < search->root_count; i++) {
        free(search->roots[i]);
    }

    free(search->packages);
    free(search->roots);
}


/* ---- one round ----------------------------------------------------------- */

static void
fit_search_solve(struct fit_search *search, struct solve_result *out)
{
    size_t                 i;
    struct solve_input     input;
    struct solve_package  *packages;

    packages = mem_alloc((search->count + 1) * sizeof(struct solve_package));

    for (i = 0; i < search->count; i++) {
        packages[i].name = search->packages[i].name;
        packages[i].releases = search->packages[i].releases;
        packages[i].count = search->packages[i].count;
        packages[i].is_complete = search->packages[i].is_fixed;
    }

    input.environment = search->input->environment;
    input.packages = packages;
    input.count = search->count;
    input.roots = (const char *const *) search->roots;
    input.root_count = search->root_count;

    solve(&input, out);
    free(packages);
}


/* false: nothing of what is wanted can be read */

static bool
fit_search_learn(struct fit_search *search, const struct solve_result *result)
{
    bool                 has_learned;
    size_t               i;
    const char          *name;
    struct fit_package  *package;

    has_learned = false;

    for (i = 0; i < result->want_count; i++) {
        name = result->wants[i].name;
        package = fit_search_find(search, name);

        if (package == NULL) {
            fit_search_add(search, mem_strdup(name), NULL, false);
            qsort(search->packages, search->count, sizeof(struct fit_package),
                  fit_package_compare);
            package = fit_search_find(search, name);
        }

        if (package->kept == NULL && !package->is_fixed) {
            package->kept = uv_cache_releases(search->cache, name);
            fit_package_fill(package);
            has_learned = has_learned || package->kept->count > 0;
        }
    }

    return has_learned;
}
