/* SPDX-License-Identifier: MIT */
/*
 * entry_points.txt of a wheel: which one entry makes it a plugin, and which
 * programs it runs.
 */

#include "supervisor/plugin/wheel.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/names.h"


#define WHEEL_PROGRAMS_MAX   64
#define WHEEL_PROGRAM_MAX    64


/* one line at a time; zero-initialise, set the texts */
struct wheel_group {
    const char  *name;
    char        *rest;
    bool         is_inside;
};


static char *wheel_group_next(struct wheel_group *group);
static int wheel_find_entry(struct wheel *wheel, const struct strbuf *text,
    const char *name, struct error *err);
static int wheel_find_programs(struct wheel *wheel, const struct strbuf *text,
    struct error *err);
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

    return rc == 0 ? wheel_find_programs(wheel, text, err) : rc;
}


/* the next line within the group that says something, or NULL */

static char *
wheel_group_next(struct wheel_group *group)
{
    char    *line;
    size_t   len;

    while ((line = strsep(&group->rest, "\n")) != NULL) {
        line = wheel_trim(line);
        len = strlen(line);

        if (len == 0 || line[0] == '#' || line[0] == ';') {
            continue;
        }

        if (line[0] == '[') {
            group->is_inside = len == strlen(group->name) + 2
                               && line[len - 1] == ']'
                               && strncmp(line + 1, group->name, len - 2) == 0;

        } else if (group->is_inside) {
            return line;
        }
    }

    return NULL;
}


static int
wheel_find_entry(struct wheel *wheel, const struct strbuf *text,
    const char *name, struct error *err)
{
    int                  rc;
    char                *copy, *line, *entry;
    size_t               count;
    struct strbuf        names;
    struct wheel_group   group = { 0 };

    memset(&names, 0, sizeof(names));
    copy = mem_strdup(strbuf_text(text));
    group.name = name;
    group.rest = copy;
    entry = NULL;
    count = 0;

    while ((line = wheel_group_next(&group)) != NULL) {
        entry = line;
        strbuf_printf(&names, "%s%.*s", count++ > 0 ? ", " : "",
                      (int) strcspn(line, " \t="), line);
    }

    if (count == 0) {
        rc = MINT_ERR_NOT_FOUND;

    } else if (count > 1) {
        rc = error_set(err, MINT_ERR_INVALID,
                       "it has %zu entry points in group %s (%.200s); a "
                       "plugin has exactly one", count, name,
                       strbuf_text(&names));

    } else {
        rc = wheel_set_entry(wheel, name, entry, err);
    }

    strbuf_free(&names);
    free(copy);

    return rc;
}


/* "Rscript = ...": the name alone counts; it is looked for in PATH, so it is
   no path itself */

static bool
wheel_is_program(const char *name)
{
    return strlen(name) <= WHEEL_PROGRAM_MAX && name[0] != '.'
           && name[0] != '-' && name[0] != '\0'
           && strspn(name, "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                           "0123456789._+-") == strlen(name);
}


static int
wheel_find_programs(struct wheel *wheel, const struct strbuf *text,
    struct error *err)
{
    int                  rc;
    char                *copy, *line, *name;
    struct wheel_group   group = { 0 };

    rc = 0;
    copy = mem_strdup(strbuf_text(text));
    group.name = "mint.requires";
    group.rest = copy;

    while (rc == 0 && (line = wheel_group_next(&group)) != NULL) {
        name = strsep(&line, "=");
        name = wheel_trim(name);

        if (line == NULL || !wheel_is_program(name)) {
            rc = error_set(err, MINT_ERR_INVALID, "its entry point \"%.80s\" "
                           "in group mint.requires is not the name of a "
                           "program", name);

        } else if (wheel->programs.count == WHEEL_PROGRAMS_MAX) {
            rc = error_set(err, MINT_ERR_INVALID, "it has more than %d entry "
                           "points in group mint.requires",
                           WHEEL_PROGRAMS_MAX);

        } else if (!text_list_has(&wheel->programs, name)) {
            text_list_add(&wheel->programs, name);
        }
    }

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
