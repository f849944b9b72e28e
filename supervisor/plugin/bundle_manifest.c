/* SPDX-License-Identifier: MIT */
/*
 * Strict reading of a bundle's manifest.  File names in it are checked as
 * wheel names (PEP 427), which leaves no room for paths.
 */

#include "supervisor/plugin/bundle_manifest.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/names.h"
#include "supervisor/plugin/wheel.h"


static int bundle_manifest_plugin(struct bundle_manifest *out,
    const json_t *root, struct error *err);
static int bundle_manifest_wheels(struct bundle_manifest *out,
    const json_t *root, struct error *err);
static int bundle_manifest_file(const char *name, struct error *err);


int
bundle_manifest_parse(struct bundle_manifest *out, const struct strbuf *text,
    struct error *err)
{
    int             rc;
    json_t         *root, *format;
    json_error_t    where;

    root = json_loadb(strbuf_text(text), text->len, JSON_REJECT_DUPLICATES,
                      &where);

    if (root == NULL) {
        return error_set(err, MINT_ERR_INVALID,
                         "manifest.json is not JSON (line %d, column %d: %s)",
                         where.line, where.column, where.text);
    }

    format = json_object_get(root, "format_version");

    if (!json_is_integer(format)) {
        rc = error_set(err, MINT_ERR_INVALID,
                       "manifest.json: format_version: expected a number");

    } else if (json_integer_value(format) != 1) {
        rc = error_set(err, MINT_ERR_INVALID,
                       "manifest.json: format_version %lld is not known here "
                       "(1 is)", (long long) json_integer_value(format));

    } else {
        rc = bundle_manifest_plugin(out, root, err);
    }

    if (rc == 0) {
        rc = bundle_manifest_wheels(out, root, err);
    }

    json_decref(root);

    return rc;
}


static int
bundle_manifest_plugin(struct bundle_manifest *out, const json_t *root,
    struct error *err)
{
    const char    *name, *version, *requires_mint;
    const json_t  *plugin, *requires_value;

    plugin = json_object_get(root, "plugin");
    name = json_string_value(json_object_get(plugin, "name"));
    version = json_string_value(json_object_get(plugin, "version"));
    requires_value = json_object_get(plugin, "requires_mint");
    requires_mint = json_string_value(requires_value);

    if (name == NULL || !names_distribution_is_valid(name)) {
        return error_set(err, MINT_ERR_INVALID, "manifest.json: plugin.name: "
                         "expected a distribution name");
    }

    if (version == NULL || version[0] == '\0') {
        return error_set(err, MINT_ERR_INVALID,
                         "manifest.json: plugin.version: expected a version");
    }

    if (requires_value != NULL && !json_is_null(requires_value)
        && (requires_mint == NULL || strlen(requires_mint) > 200
            || strspn(requires_mint, "abcdefghijklmnopqrstuvwxyz"
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789.,<>=!~*+_- ")
               != strlen(requires_mint)))
    {
        return error_set(err, MINT_ERR_INVALID, "manifest.json: plugin."
                         "requires_mint: expected a version specifier");
    }

    out->name = mem_strdup(name);
    out->requires_mint = mem_strdup(requires_mint != NULL ? requires_mint
                                                             : "");
    return 0;
}


static int
bundle_manifest_wheels(struct bundle_manifest *out, const json_t *root,
    struct error *err)
{
    int            rc;
    size_t         i;
    const char    *name;
    const json_t  *wheels, *extra;

    wheels = json_object_get(root, "wheels");
    extra = json_object_get(wheels, "dependencies");
    name = json_string_value(json_object_get(wheels, "main"));

    if (name == NULL) {
        return error_set(err, MINT_ERR_INVALID, "manifest.json: wheels.main: "
                         "expected a file name");
    }

    if (extra != NULL && !json_is_array(extra)) {
        return error_set(err, MINT_ERR_INVALID, "manifest.json: wheels."
                         "dependencies: expected a list of file names");
    }

    rc = bundle_manifest_file(name, err);
    out->wheel = mem_strdup(name);
    out->extra = mem_grow(NULL, json_array_size(extra) + 1,
                             sizeof(char *));

    for (i = 0; rc == 0 && i < json_array_size(extra); i++) {
        name = json_string_value(json_array_get(extra, i));

        if (name == NULL || strcmp(name, out->wheel) == 0) {
            return error_set(err, MINT_ERR_INVALID, "manifest.json: wheels."
                             "dependencies[%zu]: expected the file name of "
                             "another wheel", i);
        }

        rc = bundle_manifest_file(name, err);
        out->extra[out->extra_count++] = mem_strdup(name);
    }

    return rc;
}


static int
bundle_manifest_file(const char *name, struct error *err)
{
    int    rc;
    char  *distribution, *version;

    rc = wheel_parse_name(name, &distribution, &version, err);

    if (rc != 0) {
        error_prefix(err, "manifest.json: wheels");
        return rc;
    }

    free(distribution);
    free(version);

    return 0;
}


void
bundle_manifest_clear(struct bundle_manifest *manifest)
{
    size_t  i;

    for (i = 0; i < manifest->extra_count; i++) {
        free(manifest->extra[i]);
    }

    free(manifest->extra);
    free(manifest->wheel);
    free(manifest->requires_mint);
    free(manifest->name);

    memset(manifest, 0, sizeof(struct bundle_manifest));
}
