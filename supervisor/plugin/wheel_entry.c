/* SPDX-License-Identifier: MIT */
/*
 * entry_points.txt of a wheel: which one entry makes it a plugin.
 */

#include "supervisor/plugin/wheel.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/names.h"


static int wheel_find_entry(struct wheel *wheel, const struct strbuf *text,
    const char *group, struct error *err);
static int wheel_set_entry(struct wheel *wheel, const char *group,
    const char *line, struct error *err);
static int wheel_set_object(struct wheel *wheel, char *value,
    struct error *err);


static char *
wheel_trim(char *text)
{
    size_t  len;

    text += strspn(text, " \t\r");
    len = strlen(text);

    while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL) {
        text[--len] = '\0';
    }

    return text;
}


int
wheel_parse_entry_points(struct wheel *wheel, const struct strbuf *text,
    struct error *err)
{
    int  rc;

    if (strlen(strbuf_text(text)) != text->len) {
        return error_set(err, MINT_ERR_INVALID,
                         "its entry_points.txt is not text");
    }

    rc = wheel_find_entry(wheel, text, "mint.plugins", err);

    if (rc == MINT_ERR_NOT_FOUND) {
        rc = wheel_find_entry(wheel, text, "mld.plugins", err);
    }

    if (rc == MINT_ERR_NOT_FOUND) {
        return error_set(err, MINT_ERR_INVALID, "it has no entry point in "
                         "group mint.plugins, so it is not a plugin");
    }

    return rc;
}


static int
wheel_find_entry(struct wheel *wheel, const struct strbuf *text,
    const char *group, struct error *err)
{
    int             rc;
    bool            inside;
    char           *copy, *line, *rest, *entry;
    size_t          count, len;
    struct strbuf   names;

    memset(&names, 0, sizeof(names));
    copy = mem_strdup(strbuf_text(text));
    rest = copy;
    entry = NULL;
    inside = false;
    count = 0;

    while ((line = strsep(&rest, "\n")) != NULL) {
        line = wheel_trim(line);
        len = strlen(line);

        if (len == 0 || line[0] == '#' || line[0] == ';') {
            continue;
        }

        if (line[0] == '[') {
            inside = len == strlen(group) + 2 && line[len - 1] == ']'
                     && strncmp(line + 1, group, len - 2) == 0;

        } else if (inside) {
            entry = line;
            strbuf_printf(&names, "%s%.*s", count++ > 0 ? ", " : "",
                          (int) strcspn(line, " \t="), line);
        }
    }

    if (count == 0) {
        rc = MINT_ERR_NOT_FOUND;

    } else if (count > 1) {
        rc = error_set(err, MINT_ERR_INVALID,
                       "it has %zu entry points in group %s (%.200s); a "
                       "plugin has exactly one", count, group,
                       strbuf_text(&names));

    } else {
        rc = wheel_set_entry(wheel, group, entry, err);
    }

    strbuf_free(&names);
    free(copy);

    return rc;
}


static int
wheel_set_entry(struct wheel *wheel, const char *group, const char *line,
    struct error *err)
{
    int    rc;
    char  *copy, *name, *value;

    copy = mem_strdup(line);
    value = strchr(copy, '=');

    if (value != NULL) {
        *value++ = '\0';
    }

    name = wheel_trim(copy);

    if (value == NULL || !names_plugin_is_valid(name)) {
        rc = error_set(err, MINT_ERR_INVALID, "its entry point is named "
                       "\"%.80s\"; a plugin's name must match "
                       "[a-z0-9][a-z0-9._-]{0,63}", name);

    } else {
        rc = wheel_set_object(wheel, wheel_trim(value), err);
    }

    if (rc == 0) {
        wheel->entry_group = mem_strdup(group);
        wheel->plugin_name = mem_strdup(name);
    }

    free(copy);

    return rc;
}


/* "package.module:Class", old ones with " [extra]" behind it */

static int
wheel_set_object(struct wheel *wheel, char *value, struct error *err)
{
    char  *object, *extras;

    extras = strchr(value, '[');

    if (extras != NULL) {
        *extras = '\0';
    }

    object = strchr(value, ':');

    if (object != NULL) {
        *object++ = '\0';
    }

    if (object == NULL || !names_module_is_valid(wheel_trim(value))
        || !names_module_is_valid(wheel_trim(object)))
    {
        return error_set(err, MINT_ERR_INVALID,
                         "its entry point is not of the form "
                         "\"package.module:Class\"");
    }

    wheel->plugin_module = mem_strdup(wheel_trim(value));
    wheel->plugin_object = mem_strdup(wheel_trim(object));

    return 0;
}
