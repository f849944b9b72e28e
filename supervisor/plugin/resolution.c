/* SPDX-License-Identifier: MIT */
/*
 * Requirements files for uv.
 */

#include "supervisor/plugin/resolution.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/uv.h"


#define RESOLUTION_LOCK_MAX  (16 * 1024 * 1024)


static int resolution_write_input(const struct resolution *resolution,
    const char *path, struct error *err);
static int resolution_write_overrides(const struct resolution *resolution,
    const char *path, struct error *err);
static void resolution_pins(const struct resolution *resolution,
    struct strbuf *out);
static int resolution_copy(const char *from, const char *to,
    struct error *err);


struct command *
resolution_command(const struct toolset *tools,
    const struct resolution *resolution, char **lock_out,
    struct text_list *find_links, struct error *err)
{
    int                 rc;
    char               *input, *lock, *overrides;
    size_t              i;
    struct command     *command;
    struct uv_compile   compile;

    input = mem_printf("%s/%s.in", resolution->work, resolution->name);
    lock = mem_printf("%s/%s.lock", resolution->work, resolution->name);
    overrides = mem_printf("%s/%s.pins", resolution->work, resolution->name);
    command = NULL;

    text_list_clear(find_links);

    for (i = 0; i < resolution->count; i++) {
        resolution_find_links(find_links, resolution->wheels[i].path,
                              resolution->core_wheels);
    }

    rc = resolution_write_input(resolution, input, err);

    if (rc == 0 && resolution->prefer != NULL) {
        rc = resolution_copy(resolution->prefer, lock, err);
    }

    if (rc == 0 && resolution->pins != NULL) {
        rc = resolution_write_overrides(resolution, overrides, err);
    }

    if (rc == 0) {
        compile.input = input;
        compile.output = lock;
        compile.constraints = resolution->constraints;
        compile.overrides = resolution->pins != NULL ? overrides : NULL;
        compile.find_links = find_links;
        compile.is_offline = resolution->is_offline;

        command = uv_compile_command(tools->uv, &compile);
        free(*lock_out);
        *lock_out = lock;
        lock = NULL;
    }

    free(overrides);
    free(lock);
    free(input);

    return command;
}


void
resolution_find_links(struct text_list *links, const char *wheel_path,
    bool core_wheels)
{
    char    *path;
    size_t   i, len;

    static const char *const  names[] = { "wheels", "core-wheels" };

    len = (size_t) (strrchr(wheel_path, '/') - wheel_path);

    for (i = 0; i < (core_wheels ? 2 : 1); i++) {
        path = mem_printf("%.*s/%s", (int) len, wheel_path, names[i]);

        if (fs_exists(path)) {
            text_list_add(links, path);
        }

        free(path);
    }
}


/* uvicorn comes with "server"; a plugin asks for the bare SDK only */

static int
resolution_write_input(const struct resolution *resolution, const char *path,
    struct error *err)
{
    int             rc;
    char           *url;
    size_t          i;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, "mint-sdk[server]");

    if (resolution->sdk_version != NULL) {
        strbuf_printf(&text, "==%s", resolution->sdk_version);
    }

    strbuf_puts(&text, "\n");

    for (i = 0; i < resolution->count; i++) {
        url = uv_file_url(resolution->wheels[i].path);
        strbuf_printf(&text, "%s @ %s\n", resolution->wheels[i].distribution,
                      url);
        free(url);
    }

    /* an override drops extras, and with them what the platform needs
       ("uvicorn" of "mint-sdk[server]"): so pins are requirements too */

    resolution_pins(resolution, &text);

    rc = fs_write_atomic(path, strbuf_text(&text), text.len, 0600, err);
    strbuf_free(&text);

    return rc;
}


static int
resolution_write_overrides(const struct resolution *resolution,
    const char *path, struct error *err)
{
    int             rc;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    resolution_pins(resolution, &text);
    rc = fs_write_atomic(path, strbuf_text(&text), text.len, 0600, err);
    strbuf_free(&text);

    return rc;
}


/* all but the wheels themselves */

static void
resolution_pins(const struct resolution *resolution, struct strbuf *out)
{
    size_t                      i, k;
    const struct lock_package  *package;

    for (i = 0; resolution->pins != NULL && i < resolution->pins->count; i++) {
        package = &resolution->pins->packages[i];

        for (k = 0; k < resolution->count; k++) {
            if (names_same_distribution(package->name,
                                        resolution->wheels[k].distribution))
            {
                break;
            }
        }

        if (k == resolution->count && package->version[0] != '\0') {
            strbuf_printf(out, "%s==%s\n", package->name, package->version);
        }
    }
}


static int
resolution_copy(const char *from, const char *to, struct error *err)
{
    int            rc;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    rc = fs_read(from, RESOLUTION_LOCK_MAX, &text, err);

    if (rc == 0) {
        rc = fs_write_atomic(to, strbuf_text(&text), text.len, 0600, err);
    }

    strbuf_free(&text);

    return rc;
}
