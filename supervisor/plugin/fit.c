/* SPDX-License-Identifier: MIT */
/*
 * What the walk cannot see is a doubt made here: wheels for certain machines
 * only, wheels that came in the bundle, plugins that run from elsewhere.
 */

#include "supervisor/plugin/fit.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/fit_search.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/resolution.h"


static void fit_settle(struct fit *fit, enum fit_basis basis);
static void fit_doubt(struct fit *fit, const char *what, const char *name);
static void fit_wheel(struct fit *fit, const struct fit_input *in);
static void fit_lock(struct fit *fit, const struct fit_input *in);
static void fit_core(struct fit *fit, const struct fit_input *in);
static void fit_plugins(struct fit *fit, const struct fit_input *in);


void
fit_judge(struct fit *out, const struct fit_input *in)
{
    size_t                    i;
    const struct inventory   *inventory;

    inventory = in->inventory;
    out->platform = mem_printf("mint-sdk[server]==%s", in->sdk_version);
    out->packages = mem_alloc((inventory->count + 1)
                              * sizeof(struct clash_package));

    for (i = 0; i < inventory->count; i++) {
        out->packages[i] = inventory->packages[i];
    }

    out->newcomer.name = in->wheel->distribution;
    out->newcomer.title = in->wheel->plugin_name;
    out->newcomer.version = in->wheel->version;
    out->newcomer.requires = (const char *const *) in->wheel->requires;
    out->newcomer.count = in->wheel->requires_count;
    out->newcomer.role = CLASH_PLUGIN;

    if (inventory->doubt != NULL) {
        strbuf_puts(&out->doubt, inventory->doubt);
    }

    fit_wheel(out, in);
    fit_lock(out, in);
    fit_core(out, in);
    fit_plugins(out, in);

    out->input.environment = &inventory->interpreter;
    out->input.packages = out->packages;
    out->input.count = inventory->count;
    out->input.platform = out->platform;
    out->input.newcomer = &out->newcomer;
    out->input.requires_python = in->wheel->requires_python;
    out->input.doubt = out->doubt.len > 0 ? strbuf_text(&out->doubt) : NULL;

    clash_judge(&out->input, &out->result);
    out->uv_cache = in->uv_cache;
    fit_settle(out, FIT_CACHED);
}


static void
fit_settle(struct fit *fit, enum fit_basis basis)
{
    struct uv_cache     *cache;
    enum clash_verdict   verdict;

    if (!fit->result.is_open || fit->uv_cache == NULL) {
        return;
    }

    cache = uv_cache_open(fit->uv_cache, fit->input.environment);
    verdict = fit_search(&fit->input, cache);
    uv_cache_close(&cache);

    if (verdict != CLASH_UNKNOWN) {
        fit->basis = basis;
        clash_settle(&fit->result, verdict);
    }
}


void
fit_look_again(struct fit *fit)
{
    fit_settle(fit, FIT_RESOLVED);
}


const char *
fit_basis_name(enum fit_basis basis)
{
    static const char *const  names[] = {
        [FIT_INSTALLED] = "installed",
        [FIT_CACHED] = "cached",
        [FIT_RESOLVED] = "resolved"
    };

    return names[basis];
}


void
fit_clear(struct fit *fit)
{
    clash_clear(&fit->result);
    strbuf_free(&fit->doubt);
    free(fit->packages);
    free(fit->platform);
    memset(fit, 0, sizeof(struct fit));
}


static void
fit_doubt(struct fit *fit, const char *what, const char *name)
{
    if (fit->doubt.len == 0) {
        strbuf_printf(&fit->doubt, "%.100s%s", name, what);
    }
}


static void
fit_wheel(struct fit *fit, const struct fit_input *in)
{
    size_t             at;
    struct text_list   links;

    static const char  any[] = "py3-none-any.whl";

    /* "-py3-..." or "-py2.py3-..." */

    at = strlen(in->wheel_path);
    at -= at > sizeof(any) ? sizeof(any) - 1 : at;

    if (at == 0 || strchr("-.", in->wheel_path[at - 1]) == NULL
        || strcmp(in->wheel_path + at, any) != 0)
    {
        fit_doubt(fit, "the wheel is not for every machine", "");
    }

    memset(&links, 0, sizeof(links));
    resolution_find_links(&links, in->wheel_path, false);

    if (links.count > 0) {
        fit_doubt(fit, "it brings wheels of its own", "");
    }

    text_list_clear(&links);
}


/* METADATA need not write a version as locks do */

static bool
fit_same_version(const char *a, const char *b)
{
    bool            same;
    struct version  x, y;

    if (strcmp(a, b) == 0) {
        return true;
    }

    same = version_parse(&x, a, strlen(a), NULL) == 0;

    if (!same) {
        return false;
    }

    same = version_parse(&y, b, strlen(b), NULL) == 0;

    if (same) {
        same = version_compare(&x, &y) == 0;
        version_clear(&y);
    }

    version_clear(&x);

    return same;
}


/* a wheel may bring the dist-info of others, which nobody has resolved */

static void
fit_lock(struct fit *fit, const struct fit_input *in)
{
    size_t                      i;
    const struct lock_package  *locked;

    for (i = 0; i < in->inventory->count; i++) {
        locked = lock_find(in->scene->platform, in->inventory->names[i]);

        if (locked == NULL
            || !fit_same_version(fit->packages[i].version, locked->version))
        {
            fit_doubt(fit, " is not installed as the lock has it",
                      in->inventory->names[i]);
            return;
        }
    }
}


/* constraints hold the core where its lock has it */

static void
fit_core(struct fit *fit, const struct fit_input *in)
{
    size_t                      i, found;
    const struct lock_package  *package;

    for (i = 0; i < in->scene->core->count; i++) {
        package = &in->scene->core->packages[i];

        /* it would stand in the place of the core's own */

        if (names_same_distribution(package->name, in->wheel->distribution)) {
            fit_doubt(fit, " is a package of the core", package->name);
            continue;
        }

        found = inventory_find(in->inventory, package->name);

        if (found == INVENTORY_NONE
            || !fit_same_version(fit->packages[found].version,
                                 package->version))
        {
            fit_doubt(fit, " is not installed as the core has it",
                      package->name);
            continue;
        }

        fit->packages[found].role = CLASH_CORE;
    }
}


/* plugins that do not fit a new core stay in an older environment */

static void
fit_plugins(struct fit *fit, const struct fit_input *in)
{
    size_t                 i, found;
    const struct plugin   *other;
    struct clash_package  *package;

    for (i = 0; i < in->scene->other_count; i++) {
        other = in->scene->others[i];
        found = inventory_find(in->inventory, other->distribution);

        if (found == INVENTORY_NONE
            || !fit_same_version(fit->packages[found].version,
                                 other->version))
        {
            fit_doubt(fit, " is not in the shared environment", other->name);
            continue;
        }

        package = &fit->packages[found];
        package->role = CLASH_PLUGIN;
        package->title = other->name;
    }
}


struct requirement *
fit_read(char *const *texts, size_t count)
{
    size_t               i, size, left;
    struct requirement  *requirements;

    requirements = mem_alloc((count + 1) * sizeof(struct requirement));
    left = CLASH_READ_MAX;

    for (i = 0; i < count; i++) {
        size = strlen(texts[i]) + 1;

        if (size > CLASH_REQUIREMENT_MAX || size > left) {
            requirement_skim(&requirements[i], texts[i]);
            continue;
        }

        left -= size;
        requirement_parse(&requirements[i], texts[i], NULL);
    }

    return requirements;
}


/* 1: applies, 0: does not, -1: who knows */

static int
fit_applies(const struct requirement *requirement,
    const struct marker_environment *interpreter)
{
    bool  applies;

    if (!requirement->has_marker) {
        return 1;
    }

    if (!clash_marker_is_plain(&requirement->marker, requirement->whole)
        || marker_evaluate(&requirement->marker, interpreter, &applies, NULL)
           != 0)
    {
        return -1;
    }

    return applies;
}


/* neither pre-releases nor local versions, nor texts, are compared here */

static void
fit_compare(struct requirement *requirement, const char *installed)
{
    bool                     takes;
    size_t                   i;
    struct version           version;
    const struct specifier  *specifier;

    takes = true;

    if (version_parse(&version, installed, strlen(installed), NULL) != 0) {
        return;
    }

    if (version_is_prerelease(&version) || version.local.len > 0) {
        version_clear(&version);
        return;
    }

    for (i = 0; i < requirement->specifiers.count; i++) {
        specifier = &requirement->specifiers.items[i];

        if (specifier->operator == SPECIFIER_ARBITRARY) {
            version_clear(&version);
            return;
        }

        takes = takes && specifier_takes(specifier, installed, &version);
    }

    version_clear(&version);
    requirement->verdict = takes ? REQUIREMENT_SATISFIED : REQUIREMENT_CLASH;
}


void
fit_requirement(struct requirement *requirement,
    const struct marker_environment *interpreter, const char *installed)
{
    int  applies;

    if (requirement->verdict != REQUIREMENT_OPEN || !requirement->is_valid) {
        return;
    }

    applies = fit_applies(requirement, interpreter);

    if (applies == 0) {
        requirement->verdict = REQUIREMENT_ABSENT;

    } else if (applies == 1 && installed == NULL) {
        requirement->verdict = REQUIREMENT_MISSING;

    } else if (applies == 1 && requirement->extras.count == 0) {
        fit_compare(requirement, installed);
    }
}
