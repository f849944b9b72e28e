/* SPDX-License-Identifier: MIT */
/*
 * Reading a wheel's dist-info.  Everything in it is untrusted: names are
 * checked here once and may be used as file names and arguments afterwards.
 */

#include "supervisor/plugin/wheel.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "supervisor/plugin/description.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/zip.h"


#define WHEEL_ENTRIES_MAX        50000
#define WHEEL_BYTES_MAX          (2ULL << 30)
#define WHEEL_METADATA_MAX       (4 * 1024 * 1024)
#define WHEEL_ENTRY_POINTS_MAX   (256 * 1024)
#define WHEEL_FILE_NAME_MAX      255
#define WHEEL_FIELD_MAX          1024
#define WHEEL_REQUIRES_MAX       500
#define WHEEL_NAME_PARTS_MAX     6


struct wheel_parts {
    char           *info;           /* name of the dist-info directory */
    struct strbuf   metadata;
    struct strbuf   entry_points;
    bool            has_metadata;
};


static int wheel_collect(struct zip *zip, struct wheel_parts *parts,
    struct error *err);
static int wheel_collect_entry(struct zip *zip, struct wheel_parts *parts,
    const char *name, struct error *err);
static int wheel_check_identity(const struct wheel *wheel,
    const struct wheel_parts *parts, const char *distribution,
    const char *version, struct error *err);
static int wheel_field(struct wheel *wheel, const char *field, size_t len,
    struct error *err);
static int wheel_field_set(char **slot, const char *name, const char *value,
    struct error *err);


static bool
wheel_charset(const char *text, size_t len, const char *extra)
{
    size_t  i;
    char    c;

    for (i = 0; i < len; i++) {
        c = text[i];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
            && (c < '0' || c > '9') && strchr(extra, c) == NULL)
        {
            return false;
        }
    }

    return len > 0;
}


int
wheel_parse_name(const char *file_name, char **distribution, char **version,
    struct error *err)
{
    bool         valid;
    size_t       i, n, len, start[WHEEL_NAME_PARTS_MAX + 1];
    const char  *p;

    len = strlen(file_name);
    n = 0;
    memset(start, 0, sizeof(start));
    valid = len > 4 && len <= WHEEL_FILE_NAME_MAX
            && strcmp(file_name + len - 4, ".whl") == 0;

    for (i = 0; valid && i <= len - 4; i++) {
        if (i == len - 4 || file_name[i] == '-') {
            valid = n < WHEEL_NAME_PARTS_MAX
                    && wheel_charset(file_name + start[n], i - start[n],
                                     n == 1 ? "_.!+" : "_.");
            n += valid;
            start[n] = i + 1;
        }
    }

    p = file_name + start[2];

    if (!valid || n < 5 || (n == 6 && (*p < '0' || *p > '9'))) {
        return error_set(err, MINT_ERR_INVALID,
                         "\"%.255s\" is not the file name of a wheel (as "
                         "name-1.0-py3-none-any.whl)", file_name);
    }

    *distribution = mem_printf("%.*s", (int) (start[1] - 1), file_name);
    *version = mem_printf("%.*s", (int) (start[2] - start[1] - 1),
                          file_name + start[1]);

    return 0;
}


int
wheel_read(struct wheel *out, const char *path, struct error *err)
{
    int                       rc;
    char                     *distribution, *version;
    struct zip               *zip;
    const char               *file_name;
    struct wheel_parts        parts;
    static struct zip_limits  limits = {
        .entries = WHEEL_ENTRIES_MAX,
        .total_bytes = WHEEL_BYTES_MAX
    };

    memset(out, 0, sizeof(struct wheel));
    memset(&parts, 0, sizeof(parts));

    zip = NULL;
    distribution = NULL;
    version = NULL;

    file_name = strrchr(path, '/');
    file_name = file_name != NULL ? file_name + 1 : path;

    rc = wheel_parse_name(file_name, &distribution, &version, err);

    if (rc != 0) {
        return rc;
    }

    rc = zip_open(&zip, path, &limits, err);

    if (rc == 0) {
        rc = wheel_collect(zip, &parts, err);
    }

    if (rc == 0) {
        rc = wheel_parse_metadata(out, &parts.metadata, err);
    }

    if (rc == 0) {
        rc = wheel_check_identity(out, &parts, distribution, version, err);
    }

    if (rc == 0) {
        rc = wheel_parse_entry_points(out, &parts.entry_points, err);
    }

    if (rc != 0) {
        error_prefix(err, "wheel \"%.100s\"", file_name);
        wheel_clear(out);
    }

    zip_free(&zip);
    strbuf_free(&parts.metadata);
    strbuf_free(&parts.entry_points);
    free(parts.info);
    free(distribution);
    free(version);

    return rc;
}


void
wheel_clear(struct wheel *wheel)
{
    size_t  i;

    for (i = 0; i < wheel->requires_count; i++) {
        free(wheel->requires[i]);
    }

    free(wheel->requires);
    free(wheel->distribution);
    free(wheel->version);
    free(wheel->requires_python);
    free(wheel->entry_group);
    free(wheel->plugin_name);
    free(wheel->plugin_module);
    free(wheel->plugin_object);
    free(wheel->runtime_requirements);
    text_list_clear(&wheel->programs);

    memset(wheel, 0, sizeof(struct wheel));
}


static int
wheel_collect(struct zip *zip, struct wheel_parts *parts, struct error *err)
{
    int          rc;
    const char  *name;

    for ( ;; ) {
        rc = zip_next(zip, &name, err);

        if (rc == 1) {
            rc = wheel_collect_entry(zip, parts, name, err);

            if (rc == 0) {
                continue;
            }
        }

        if (rc != 0) {
            return rc;
        }

        break;
    }

    if (!parts->has_metadata) {
        return error_set(err, MINT_ERR_INVALID,
                         "it has no dist-info/METADATA");
    }

    return 0;
}


static int
wheel_collect_entry(struct zip *zip, struct wheel_parts *parts,
    const char *name, struct error *err)
{
    size_t       len;
    const char  *slash;

    slash = strchr(name, '/');
    len = slash != NULL ? (size_t) (slash - name) : 0;

    if (len < 10 || strncmp(slash - 10, ".dist-info", 10) != 0) {
        return 0;
    }

    if (parts->info == NULL) {
        parts->info = mem_printf("%.*s", (int) len, name);

    } else if (strlen(parts->info) != len
               || strncmp(parts->info, name, len) != 0)
    {
        return error_set(err, MINT_ERR_INVALID,
                         "it has more than one dist-info directory");
    }

    if (strcmp(slash, "/METADATA") == 0) {
        parts->has_metadata = true;
        return zip_read_text(zip, "METADATA", WHEEL_METADATA_MAX,
                             &parts->metadata, err);
    }

    if (strcmp(slash, "/entry_points.txt") == 0) {
        return zip_read_text(zip, "entry_points.txt", WHEEL_ENTRY_POINTS_MAX,
                             &parts->entry_points, err);
    }

    return 0;
}


/* "1.0+local-x" is "1.0+local_x" in a file name */

static bool
wheel_same_version(const char *a, const char *b)
{
    size_t  i;
    char    x, y;

    for (i = 0; ; i++) {
        x = a[i] == '-' ? '_' : a[i];
        y = b[i] == '-' ? '_' : b[i];

        if (x >= 'A' && x <= 'Z') {
            x = (char) (x | 0x20);
        }

        if (y >= 'A' && y <= 'Z') {
            y = (char) (y | 0x20);
        }

        if (x != y) {
            return false;
        }

        if (x == '\0') {
            return true;
        }
    }
}


static int
wheel_check_identity(const struct wheel *wheel,
    const struct wheel_parts *parts, const char *distribution,
    const char *version, struct error *err)
{
    bool   same;
    char  *info;

    if (!names_same_distribution(wheel->distribution, distribution)
        || !wheel_same_version(wheel->version, version))
    {
        return error_set(err, MINT_ERR_INVALID,
                         "its METADATA says \"%.100s\" %.100s, its file name "
                         "\"%.100s\" %.100s", wheel->distribution,
                         wheel->version, distribution, version);
    }

    info = mem_printf("%s-%s.dist-info", wheel->distribution, wheel->version);
    same = names_same_distribution(info, parts->info);
    free(info);

    if (!same) {
        return error_set(err, MINT_ERR_INVALID,
                         "its directory \"%.100s\" is not that of \"%.100s\" "
                         "%.100s", parts->info, wheel->distribution,
                         wheel->version);
    }

    return 0;
}


/* headers of an e-mail: "Name: value", continued by a leading blank; what
   follows is the long description */

int
wheel_parse_metadata(struct wheel *wheel, const struct strbuf *text,
    struct error *err)
{
    int             rc;
    const char     *p, *end, *line_end;
    struct strbuf   field;

    rc = 0;
    p = strbuf_text(text);
    end = p + text->len;
    memset(&field, 0, sizeof(field));

    while (rc == 0 && p < end && *p != '\n' && *p != '\r') {
        strbuf_clear(&field);

        do {
            line_end = memchr(p, '\n', (size_t) (end - p));
            line_end = line_end != NULL ? line_end : end;
            strbuf_append(&field, p, (size_t) (line_end - p));

            if (field.len > 0 && field.data[field.len - 1] == '\r') {
                field.data[--field.len] = '\0';
            }

            p = line_end < end ? line_end + 1 : end;

        } while (p < end && (*p == ' ' || *p == '\t'));

        rc = wheel_field(wheel, strbuf_text(&field), field.len, err);
    }

    strbuf_free(&field);

    if (rc != 0) {
        return rc;
    }

    wheel->runtime_requirements = description_section(p, (size_t) (end - p),
                                                      "Runtime requirements");

    if (wheel->distribution == NULL || wheel->version == NULL) {
        return error_set(err, MINT_ERR_INVALID,
                         "its METADATA has no Name or no Version");
    }

    if (!names_distribution_is_valid(wheel->distribution)
        || !wheel_charset(wheel->version, strlen(wheel->version), "-_.!+"))
    {
        return error_set(err, MINT_ERR_INVALID, "its METADATA has an invalid "
                         "Name or Version (\"%.100s\", \"%.100s\")",
                         wheel->distribution, wheel->version);
    }

    if (wheel->requires_python == NULL) {
        wheel->requires_python = mem_strdup("");
    }

    return 0;
}


static int
wheel_field(struct wheel *wheel, const char *field, size_t len,
    struct error *err)
{
    size_t       i, name_len;
    const char  *value;

    static const struct {
        const char  *name;
        size_t       offset;
    } fields[] = {
        { "Name",            offsetof(struct wheel, distribution) },
        { "Version",         offsetof(struct wheel, version) },
        { "Requires-Python", offsetof(struct wheel, requires_python) },
    };

    name_len = strcspn(field, ":");

    if (field[name_len] != ':') {
        return error_set(err, MINT_ERR_INVALID, "its METADATA is not made of "
                         "\"Name: value\" lines");
    }

    for (value = field + name_len + 1; *value == ' ' || *value == '\t'; value++)
    {
        /* void */
    }

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strlen(fields[i].name) == name_len
            && strncasecmp(fields[i].name, field, name_len) == 0)
        {
            return wheel_field_set((char **) (void *) ((char *) wheel
                                                       + fields[i].offset),
                                   fields[i].name, value, err);
        }
    }

    if (name_len != 13 || strncasecmp(field, "Requires-Dist", 13) != 0) {
        return 0;
    }

    if (wheel->requires_count == WHEEL_REQUIRES_MAX || strlen(field) != len) {
        return error_set(err, MINT_ERR_INVALID,
                         "its METADATA has a bad Requires-Dist, or more than "
                         "%d of them", WHEEL_REQUIRES_MAX);
    }

    wheel->requires = mem_grow(wheel->requires, wheel->requires_count + 1,
                               sizeof(char *));
    wheel->requires[wheel->requires_count] = NULL;

    /* uv would take "./x" and "-x" for a path and an option */

    if (!wheel_charset(value, 1, "")) {
        return error_set(err, MINT_ERR_INVALID,
                         "its METADATA has a Requires-Dist without a name");
    }

    return wheel_field_set(&wheel->requires[wheel->requires_count++],
                           "Requires-Dist", value, err);
}


static int
wheel_field_set(char **slot, const char *name, const char *value,
    struct error *err)
{
    size_t  i;

    if (*slot != NULL) {
        return error_set(err, MINT_ERR_INVALID, "its METADATA has two \"%s\"",
                         name);
    }

    for (i = 0; value[i] != '\0'; i++) {
        if ((unsigned char) value[i] < 0x20 || (unsigned char) value[i] >= 0x7f)
        {
            break;
        }
    }

    if (i == 0 || i > WHEEL_FIELD_MAX || value[i] != '\0') {
        return error_set(err, MINT_ERR_INVALID,
                         "its METADATA has an unusable value of \"%s\"",
                         name);
    }

    while (i > 0 && value[i - 1] == ' ') {
        i--;
    }

    *slot = mem_printf("%.*s", (int) i, value);

    return 0;
}
