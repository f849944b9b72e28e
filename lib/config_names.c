/* SPDX-License-Identifier: MIT */
/*
 * The spellings of a key: camelCase (as in the table) and snake_case in the
 * file; in the environment MINT_ and the levels between "__", in either case
 * and with or without underscores inside a level, because MINT's own
 * sections differ in that.
 */

#include "lib/config_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>


#define CONFIG_NAME_MAX      128
#define CONFIG_NEAR          3      /* edits, for "did you mean" */


static bool config_key_equals(const char *segment, size_t len,
    const char *key);
static const struct config_row *config_find_plain(const char *name,
    size_t len);
static size_t config_fold(char *to, size_t size, const char *name, size_t len,
    bool with_levels);
static bool config_is_section(const char *folded);
static unsigned config_distance(const char *a, const char *b);


bool
config_find_key(const char *prefix, const char *key,
    const struct config_row **row, char *section, size_t size)
{
    size_t       i, prefix_len, len;
    const char  *segment;

    *row = NULL;
    prefix_len = strlen(prefix);

    for (i = 0; i < config_row_count; i++) {
        segment = config_rows[i].path;

        if (prefix_len != 0) {
            if (strncmp(segment, prefix, prefix_len) != 0
                || segment[prefix_len] != '.')
            {
                continue;
            }

            segment += prefix_len + 1;
        }

        len = strcspn(segment, ".");

        if (!config_key_equals(segment, len, key)) {
            continue;
        }

        if (segment[len] == '\0') {
            *row = &config_rows[i];
            return true;
        }

        len += (size_t) (segment - config_rows[i].path);

        if (len < size) {
            memcpy(section, config_rows[i].path, len);
            section[len] = '\0';
            return true;
        }
    }

    return false;
}


/* true if key is the segment itself or its snake_case */

static bool
config_key_equals(const char *segment, size_t len, const char *key)
{
    size_t  i;

    if (strlen(key) == len && memcmp(segment, key, len) == 0) {
        return true;
    }

    for (i = 0; i < len; i++) {
        if (i > 0 && isupper((unsigned char) segment[i])
            && !isupper((unsigned char) segment[i - 1])
            && segment[i - 1] != '_')
        {
            if (*key++ != '_') {
                return false;
            }
        }

        if (*key++ != (char) tolower((unsigned char) segment[i])) {
            return false;
        }
    }

    return *key == '\0';
}


enum config_variable
config_find_variable(const char *name, size_t len,
    const struct config_row **row)
{
    char    folded[CONFIG_NAME_MAX], flat[CONFIG_NAME_MAX];
    char    path[CONFIG_NAME_MAX];
    size_t  i, n;

    *row = config_find_plain(name, len);

    if (*row != NULL) {
        return CONFIG_VARIABLE_ROW;
    }

    /* MINT_PLUGIN_<NAME>__<FIELD> are settings of plugins */

    if (len <= 5 || strncasecmp(name, "MINT_", 5) != 0
        || strncasecmp(name, "MINT_PLUGIN_", 12) == 0
        || config_fold(folded, sizeof(folded), name + 5, len - 5, true) == 0)
    {
        return CONFIG_VARIABLE_OTHER;
    }

    config_fold(flat, sizeof(flat), name + 5, len - 5, false);

    for (i = 0; i < config_row_count; i++) {
        n = strlen(config_rows[i].path);
        n = config_fold(path, sizeof(path), config_rows[i].path, n, true);

        if (strcmp(path, folded) == 0) {
            *row = &config_rows[i];
            return CONFIG_VARIABLE_ROW;
        }

        if (config_rows[i].type == CONFIG_OBJECT && folded[n] == '.'
            && strncmp(path, folded, n) == 0)
        {
            *row = &config_rows[i];
            return CONFIG_VARIABLE_INSIDE;
        }
    }

    if (config_is_section(folded)) {
        return CONFIG_VARIABLE_UNKNOWN;
    }

    for (i = 0; i < config_row_count; i++) {
        config_fold(path, sizeof(path), config_rows[i].path,
                    strlen(config_rows[i].path), false);

        if (strcmp(path, flat) == 0) {
            *row = &config_rows[i];
            return CONFIG_VARIABLE_MISSPELT;
        }
    }

    return CONFIG_VARIABLE_OTHER;
}


/* ADMIN_USERNAME and ADMIN_PASSWORD are documented without MINT_ */

static const struct config_row *
config_find_plain(const char *name, size_t len)
{
    size_t                    i;
    const struct config_row  *row;

    for (i = 0; i < config_row_count; i++) {
        row = &config_rows[i];

        if ((row->flags & CONFIG_PLAIN_ENV) && strlen(row->path) == len
            && memcmp(row->path, name, len) == 0)
        {
            return row;
        }
    }

    return NULL;
}


/*
 * Lower case without underscores; levels ("__" or ".") are kept as "." or
 * dropped.  Returns the length, 0 if it is too long to be a key.
 */

static size_t
config_fold(char *to, size_t size, const char *name, size_t len,
    bool with_levels)
{
    size_t  i, n;

    for (i = 0, n = 0; i < len; i++) {
        if (n + 1 >= size) {
            to[0] = '\0';
            return 0;
        }

        if (name[i] == '.'
            || (name[i] == '_' && i > 0 && i + 1 < len && name[i + 1] == '_'))
        {
            if (with_levels) {
                to[n++] = '.';
            }

            i += name[i] == '_';

        } else if (name[i] != '_') {
            to[n++] = (char) tolower((unsigned char) name[i]);
        }
    }

    to[n] = '\0';

    return n;
}


/* true if the first level is a section of the table and there are more */

static bool
config_is_section(const char *folded)
{
    char    path[CONFIG_NAME_MAX];
    size_t  i, len;

    len = strcspn(folded, ".");

    if (folded[len] == '\0') {
        return false;
    }

    for (i = 0; i < config_row_count; i++) {
        config_fold(path, sizeof(path), config_rows[i].path,
                    strlen(config_rows[i].path), true);

        if (strncmp(path, folded, len + 1) == 0) {
            return true;
        }
    }

    return false;
}


void
config_env_name(const struct config_row *row, struct strbuf *out)
{
    char         c;
    const char  *p;

    strbuf_puts(out, "MINT_");

    for (p = row->path; *p != '\0'; p++) {
        if (*p == '.') {
            strbuf_puts(out, "__");
            continue;
        }

        if (p > row->path && isupper((unsigned char) *p)
            && islower((unsigned char) p[-1]))
        {
            strbuf_puts(out, "_");
        }

        c = (char) toupper((unsigned char) *p);
        strbuf_append(out, &c, 1);
    }
}


const struct config_row *
config_suggest(const char *path)
{
    size_t                    i;
    unsigned                  distance, nearest;
    const struct config_row  *row;

    row = NULL;
    nearest = CONFIG_NEAR + 1;

    for (i = 0; i < config_row_count; i++) {
        distance = config_distance(path, config_rows[i].path);

        if (distance < nearest) {
            nearest = distance;
            row = &config_rows[i];
        }
    }

    return row;
}


/* edits from a to b, without regard to case; many if one is too long */

static unsigned
config_distance(const char *a, const char *b)
{
    size_t    i, k, a_len, b_len;
    unsigned  row[CONFIG_NAME_MAX], diagonal, above, best;

    a_len = strlen(a);
    b_len = strlen(b);

    if (a_len >= CONFIG_NAME_MAX || b_len >= CONFIG_NAME_MAX) {
        return CONFIG_NAME_MAX;
    }

    for (k = 0; k <= b_len; k++) {
        row[k] = (unsigned) k;
    }

    for (i = 1; i <= a_len; i++) {
        diagonal = row[0];
        row[0] = (unsigned) i;

        for (k = 1; k <= b_len; k++) {
            above = row[k];
            best = diagonal + (tolower((unsigned char) a[i - 1])
                               != tolower((unsigned char) b[k - 1]));
            best = above + 1 < best ? above + 1 : best;
            best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
            row[k] = best;
            diagonal = above;
        }
    }

    return row[b_len];
}
