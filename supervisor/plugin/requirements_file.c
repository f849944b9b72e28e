/* SPDX-License-Identifier: MIT */
/*
 * Requirements files for uv, and where wheels that came in bundles lie.
 */

#include "supervisor/plugin/requirements_file.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "supervisor/plugin/uv.h"


#define REQUIREMENTS_LOCK_MAX  (16 * 1024 * 1024)


void
requirements_add_wheel(struct strbuf *out, const char *distribution,
    const char *wheel_path)
{
    char  *url;

    url = uv_file_url(wheel_path);
    strbuf_printf(out, "%s @ %s\n", distribution, url);
    free(url);
}


void
requirements_find_links(struct text_list *links, const char *wheel_path,
    bool with_core)
{
    char    *path;
    size_t   i, len;

    static const char *const  names[] = { "wheels", "core-wheels" };

    len = (size_t) (strrchr(wheel_path, '/') - wheel_path);

    for (i = 0; i < (with_core ? 2 : 1); i++) {
        path = mem_printf("%.*s/%s", (int) len, wheel_path, names[i]);

        if (fs_exists(path)) {
            text_list_add(links, path);
        }

        free(path);
    }
}


int
requirements_copy_lock(const char *from, const char *to, struct error *err)
{
    int            rc;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    rc = fs_read(from, REQUIREMENTS_LOCK_MAX, &text, err);

    if (rc == 0) {
        rc = fs_write_atomic(to, strbuf_text(&text), text.len, 0600, err);
    }

    strbuf_free(&text);

    return rc;
}
