/* SPDX-License-Identifier: MIT */
/*
 * Loading: which file, defaults, the file's keys, the environment, then what
 * follows from them.  The table is config_table.c, spellings config_names.c,
 * types config_value.c.  A new object is built whole and handed out only when
 * everything is in order.
 */

#include "lib/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/config_table.h"
#include "lib/fs.h"
#include "lib/text.h"


#define CONFIG_FILE_MAX      (1024 * 1024)
#define CONFIG_SECTION_MAX   128
#define CONFIG_DATA_PATH     "MINT_SERVER__DATA_PATH"


/* what callers hold is &loaded->config */

struct config_loaded {
    struct config   config;
    char          **notices;        /* NULL-terminated */
    size_t          notice_count;
};


struct config_loader {
    struct config_loaded   *loaded;
    char                  **environment;
    char                   *cwd;
    char                   *file;       /* as named; NULL if there is none */
    char                   *folder;     /* of the file, absolute */
    const char            **variable;   /* per row: "NAME=value" or NULL */
    bool                   *is_given;   /* per row, by the file */
};


static int config_load_all(struct config_loader *loader, const char *path,
    struct error *err);
static int config_collect(struct config_loader *loader, struct error *err);
static int config_collect_row(struct config_loader *loader,
    const struct config_row *row, const char *entry, struct error *err);
static int config_choose_file(struct config_loader *loader, const char *path,
    struct error *err);
static void config_set_defaults(struct config_loader *loader);
static int config_read_file(struct config_loader *loader, struct error *err);
static int config_parse_file(struct config_loader *loader,
    const struct strbuf *text, struct error *err);
static int config_apply_object(struct config_loader *loader,
    const char *prefix, json_t *object, struct error *err);
static int config_apply_key(struct config_loader *loader, const char *prefix,
    const char *key, json_t *value, struct error *err);
static int config_unknown(struct config_loader *loader, const char *prefix,
    const char *key, struct error *err);
static int config_apply_row(struct config_loader *loader,
    const struct config_row *row, json_t *value, const char *folder,
    const char *where, struct error *err);
static int config_apply_variables(struct config_loader *loader,
    struct error *err);
static void config_notice(struct config_loader *loader, const char *format,
    ...) __attribute__((format(printf, 2, 3)));
static void config_free_loaded(struct config_loaded *loaded);


int
config_load(struct config **out, const char *path, char **environment,
    struct error *err)
{
    int                    rc;
    struct config_loader   loader = { 0 };

    loader.loaded = mem_alloc(sizeof(struct config_loaded));
    loader.loaded->notices = mem_alloc(sizeof(char *));
    loader.environment = environment;
    loader.variable = mem_alloc(config_row_count * sizeof(char *));
    loader.is_given = mem_alloc(config_row_count * sizeof(bool));
    loader.cwd = getcwd(NULL, 0);

    if (loader.cwd == NULL) {
        rc = error_set_errno(err, "getcwd() failed");

    } else {
        rc = config_load_all(&loader, path, err);
    }

    if (rc == 0) {
        *out = &loader.loaded->config;

    } else {
        config_free_loaded(loader.loaded);
    }

    free(loader.variable);
    free(loader.is_given);
    free(loader.cwd);
    free(loader.file);
    free(loader.folder);

    return rc;
}


static int
config_load_all(struct config_loader *loader, const char *path,
    struct error *err)
{
    int  rc;

    rc = config_collect(loader, err);
    if (rc != 0) {
        return rc;
    }

    rc = config_choose_file(loader, path, err);
    if (rc != 0) {
        return rc;
    }

    config_set_defaults(loader);

    if (loader->file != NULL) {
        rc = config_read_file(loader, err);
        if (rc != 0) {
            return rc;
        }
    }

    rc = config_apply_variables(loader, err);
    if (rc != 0) {
        return rc;
    }

    return config_finish(&loader->loaded->config, loader->environment,
                         loader->file != NULL ? loader->file
                                              : "configuration", err);
}


/* finds the environment's entries; an empty value counts as not set */

static int
config_collect(struct config_loader *loader, struct error *err)
{
    int                        rc;
    char                     **entry;
    const char                *value;
    struct strbuf              name = { 0 };
    const struct config_row   *row;

    rc = 0;

    for (entry = loader->environment;
         rc == 0 && entry != NULL && *entry != NULL;
         entry++)
    {
        value = strchr(*entry, '=');

        if (value == NULL || value[1] == '\0') {
            continue;
        }

        strbuf_clear(&name);
        strbuf_append(&name, *entry, (size_t) (value - *entry));

        switch (config_find_variable(strbuf_text(&name), name.len, &row)) {

        case CONFIG_VARIABLE_ROW:
            rc = config_collect_row(loader, row, *entry, err);
            break;

        case CONFIG_VARIABLE_UNKNOWN:
            rc = error_set(err, MINT_ERR_INVALID,
                           "%s: unknown key of the environment; see "
                           "docs/configuration.md", strbuf_text(&name));
            break;

        case CONFIG_VARIABLE_INSIDE:
            config_notice(loader, "%s is accepted, but this version does not "
                          "act on %s", strbuf_text(&name), row->path);
            break;

        case CONFIG_VARIABLE_MISSPELT:
            config_notice(loader, "%s is not read: the name for %s has two "
                          "underscores between levels", strbuf_text(&name),
                          row->path);
            break;

        case CONFIG_VARIABLE_OTHER:
            break;
        }
    }

    strbuf_free(&name);

    return rc;
}


/* of two spellings with different values neither is taken silently */

static int
config_collect_row(struct config_loader *loader, const struct config_row *row,
    const char *entry, struct error *err)
{
    size_t        len, old_len;
    const char  **known;

    known = &loader->variable[row - config_rows];
    len = strcspn(entry, "=");

    if (*known == NULL || strcmp(*known + strcspn(*known, "="),
                                 entry + len) == 0)
    {
        *known = entry;
        return 0;
    }

    old_len = strcspn(*known, "=");

    if (row->flags & CONFIG_PLAIN_ENV) {
        if (len > old_len) {
            *known = entry;
        }

        return 0;
    }

    return error_set(err, MINT_ERR_INVALID,
                     "%.*s and %.*s both set %s, to different values",
                     (int) old_len, *known, (int) len, entry, row->path);
}


static int
config_choose_file(struct config_loader *loader, const char *path,
    struct error *err)
{
    char                      *beside, *absolute;
    const char                *data;
    const struct config_row   *row;

    if (path == NULL) {
        path = config_environment(loader->environment, "MINT_CONFIG_PATH");
    }

    if (path != NULL) {
        loader->file = mem_strdup(path);

    } else {
        config_find_variable(CONFIG_DATA_PATH, strlen(CONFIG_DATA_PATH),
                             &row);
        data = loader->variable[row - config_rows];
        beside = data == NULL ? NULL
                 : mem_printf("%s/config.json", strchr(data, '=') + 1);

        if (beside != NULL && fs_exists(beside)) {
            loader->file = beside;

        } else {
            free(beside);
            loader->file = fs_exists("config.json")
                           ? mem_strdup("config.json") : NULL;
        }
    }

    if (loader->file == NULL) {
        loader->loaded->config.path = mem_strdup("");
        loader->folder = mem_strdup(loader->cwd);
        return 0;
    }

    absolute = config_absolute(loader->cwd, loader->file);
    loader->loaded->config.path = absolute;
    loader->folder = mem_strdup(absolute);
    *strrchr(loader->folder, '/') = '\0';

    if (*loader->file == '\0') {
        return error_set(err, MINT_ERR_INVALID,
                         "the name of the configuration file is empty");
    }

    return 0;
}


static void
config_set_defaults(struct config_loader *loader)
{
    size_t                     i;
    json_t                    *value;
    const struct config_row   *row;

    for (i = 0; i < config_row_count; i++) {
        row = &config_rows[i];

        if (row->offset != CONFIG_NOT_USED
            && !(row->flags & CONFIG_COMPUTED))
        {
            value = config_parse(row, row->fallback);
            config_store(&loader->loaded->config, row, value,
                         loader->folder);
            json_decref(value);
        }
    }
}


static int
config_read_file(struct config_loader *loader, struct error *err)
{
    int            rc;
    struct strbuf  text = { 0 };

    rc = fs_read(loader->file, CONFIG_FILE_MAX, &text, err);

    if (rc == 0) {
        rc = config_parse_file(loader, &text, err);

    } else {
        error_prefix(err, "the configuration file cannot be read");
    }

    /* it may hold passwords */

    if (text.data != NULL) {
        explicit_bzero(text.data, text.size);
    }

    strbuf_free(&text);

    return rc;
}


/* the parser quotes what stands near an error, which may be a password */

static int
config_parse_file(struct config_loader *loader, const struct strbuf *text,
    struct error *err)
{
    int            rc;
    char          *near;
    json_t        *root;
    json_error_t   why;

    root = json_loadb(strbuf_text(text), text->len, JSON_REJECT_DUPLICATES,
                      &why);

    if (root == NULL) {
        near = strstr(why.text, " near '");

        if (near != NULL && json_error_code(&why) != json_error_duplicate_key)
        {
            *near = '\0';
        }

        return error_set(err, MINT_ERR_INVALID,
                         "%s: line %d, column %d: %s", loader->file, why.line,
                         why.column, why.text);
    }

    if (!json_is_object(root)) {
        json_decref(root);
        return error_set(err, MINT_ERR_INVALID,
                         "%s: expected an object, got a list", loader->file);
    }

    rc = config_apply_object(loader, "", root, err);
    json_decref(root);

    return rc;
}


static int
config_apply_object(struct config_loader *loader, const char *prefix,
    json_t *object, struct error *err)
{
    int          rc;
    json_t      *value;
    const char  *key;

    json_object_foreach(object, key, value) {
        rc = config_apply_key(loader, prefix, key, value, err);
        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static int
config_apply_key(struct config_loader *loader, const char *prefix,
    const char *key, json_t *value, struct error *err)
{
    char                       section[CONFIG_SECTION_MAX];
    const struct config_row   *row;

    if (!config_find_key(prefix, key, &row, section, sizeof(section))) {
        return config_unknown(loader, prefix, key, err);
    }

    if (row == NULL) {
        if (!json_is_object(value)) {
            return error_set(err, MINT_ERR_INVALID,
                             "%s: %s: expected an object with keys",
                             loader->file, section);
        }

        return config_apply_object(loader, section, value, err);
    }

    if (loader->is_given[row - config_rows]) {
        return error_set(err, MINT_ERR_INVALID,
                         "%s: %s: given twice, in two spellings",
                         loader->file, row->path);
    }

    loader->is_given[row - config_rows] = true;

    return config_apply_row(loader, row, value, loader->folder, loader->file,
                            err);
}


static int
config_unknown(struct config_loader *loader, const char *prefix,
    const char *key, struct error *err)
{
    int                        rc;
    char                      *path;
    const struct config_row   *near;

    path = mem_printf("%s%s%.100s", prefix, *prefix == '\0' ? "" : ".", key);
    near = config_suggest(path);

    if (near == NULL) {
        rc = error_set(err, MINT_ERR_INVALID,
                       "%s: %s: unknown key; see docs/configuration.md",
                       loader->file, path);

    } else {
        rc = error_set(err, MINT_ERR_INVALID,
                       "%s: %s: unknown key; did you mean \"%s\"?",
                       loader->file, path, near->path);
    }

    free(path);

    return rc;
}


static int
config_apply_row(struct config_loader *loader, const struct config_row *row,
    json_t *value, const char *folder, const char *where, struct error *err)
{
    int  rc;

    rc = config_check(row, value, err);

    if (rc != 0) {
        error_prefix(err, "%s: %s", where, row->path);
        config_wipe(row, value);
        return rc;
    }

    config_store(&loader->loaded->config, row, value, folder);
    config_wipe(row, value);

    if (row->flags & CONFIG_REMOVED) {
        config_notice(loader, "%s: %s has no effect: %s", where, row->path,
                      row->help);

    } else if (row->offset == CONFIG_NOT_USED) {
        config_notice(loader, "%s: %s is accepted, but this version does not "
                      "act on it", where, row->path);
    }

    return 0;
}


static int
config_apply_variables(struct config_loader *loader, struct error *err)
{
    int                        rc;
    char                      *name;
    size_t                     i;
    json_t                    *value;
    const char                *entry, *text;
    const struct config_row   *row;

    for (i = 0; i < config_row_count; i++) {
        row = &config_rows[i];
        entry = loader->variable[i];

        if (entry == NULL) {
            continue;
        }

        text = strchr(entry, '=') + 1;
        name = mem_printf("%.*s", (int) (text - entry - 1), entry);

        if (!text_is_utf8(text)) {
            rc = error_set(err, MINT_ERR_INVALID,
                           "%s: the value is not UTF-8", name);
            free(name);
            return rc;
        }

        value = config_parse(row, text);
        rc = config_apply_row(loader, row, value, loader->cwd, name, err);
        json_decref(value);
        free(name);

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static void
config_notice(struct config_loader *loader, const char *format, ...)
{
    char                   text[1024];
    va_list                args;
    struct config_loaded  *loaded;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    text_clean(text);

    loaded = loader->loaded;
    loaded->notices = mem_grow(loaded->notices, loaded->notice_count + 2,
                               sizeof(char *));
    loaded->notices[loaded->notice_count++] = mem_strdup(text);
    loaded->notices[loaded->notice_count] = NULL;
}


void
config_free(struct config **config)
{
    if (*config != NULL) {
        config_free_loaded((struct config_loaded *) *config);
        *config = NULL;
    }
}


static void
config_free_loaded(struct config_loaded *loaded)
{
    size_t  i;

    for (i = 0; i < config_row_count; i++) {
        config_release(&loaded->config, &config_rows[i]);
    }

    config_free_plugins(&loaded->config);

    for (i = 0; i < loaded->notice_count; i++) {
        free(loaded->notices[i]);
    }

    free(loaded->notices);
    free(loaded->config.path);
    free(loaded);
}


const char *const *
config_notices(const struct config *config)
{
    return (const char *const *)
           ((const struct config_loaded *) config)->notices;
}
