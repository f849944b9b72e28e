/* SPDX-License-Identifier: MIT */
/*
 * The rows of the configuration table and what can be said about one: its
 * spellings, its type in words, whether a value fits.  Private to
 * lib/config*.c and their tests.
 */

#ifndef LIB_CONFIG_TABLE_H
#define LIB_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/config.h"
#include "lib/strbuf.h"


enum config_type {
    CONFIG_TEXT = 0,            /* min..max: its length in bytes */
    CONFIG_WORD = 1,            /* letters, digits and . _ + ! - */
    CONFIG_CHOICE = 2,          /* one of choices, "a|b|c" */
    CONFIG_URL = 3,             /* http:// or https://, or empty */
    CONFIG_ADDRESS = 4,         /* IPv4 or IPv6 */
    CONFIG_TIME = 5,            /* 03:00 */
    CONFIG_PATH = 6,            /* made absolute; max: its length */
    CONFIG_PROGRAM = 7,         /* a path, or a name looked up on PATH */
    CONFIG_INTEGER = 8,         /* min..max, or one of choices */
    CONFIG_NUMBER = 9,          /* min..max */
    CONFIG_BOOLEAN = 10,
    CONFIG_LIST = 11,           /* of texts */
    CONFIG_URL_LIST = 12,
    CONFIG_TEXT_OR_LIST = 13,
    CONFIG_OBJECT = 14,         /* anything inside */
    CONFIG_OBJECT_LIST = 15,
    CONFIG_ORIGIN_LIST = 16,    /* https://host, nothing behind it */
    CONFIG_NETWORK_LIST = 17,   /* 10.0.0.0/8, 2001:db8::1 */
    CONFIG_PATH_LIST = 18,      /* each absolute */
    CONFIG_TYPE_COUNT = 19
};


#define CONFIG_SECRET     0x1   /* never shown, wiped */
#define CONFIG_COMPUTED   0x2   /* fallback is a description */
#define CONFIG_LINES      0x4   /* a text of several lines */
#define CONFIG_PLAIN_ENV  0x8   /* the name without MINT_ is read too */
#define CONFIG_REMOVED    0x10  /* no longer part of MINT itself */
#define CONFIG_PER_PLUGIN 0x20  /* may stand in plugins.perPlugin; its field is
                                   in struct config_limits */

#define CONFIG_RELOAD     0x40  /* a list that config_take() takes over */

#define CONFIG_NOT_USED   SIZE_MAX


struct config_row {
    const char        *path;        /* "server.dataPath" */
    enum config_type   type;
    const char        *fallback;    /* as the environment would say it */
    int64_t            min;
    int64_t            max;
    const char        *choices;
    size_t             offset;      /* in struct config, or CONFIG_NOT_USED */
    unsigned           flags;
    const char        *help;
};


extern const struct config_row  config_rows[];
extern const size_t             config_row_count;


/* ---- config_names.c -------------------------------------------------- */

/*
 * What a key of a JSON object names, below the section "prefix" ("" at the
 * top): a row, or a section whose path is written to section.  Both false:
 * nothing.
 */
bool config_find_key(const char *prefix, const char *key,
    const struct config_row **row, char *section, size_t size);

enum config_variable {
    CONFIG_VARIABLE_OTHER = 0,      /* none of our business */
    CONFIG_VARIABLE_ROW = 1,        /* *row */
    CONFIG_VARIABLE_INSIDE = 2,     /* a part of the object *row */
    CONFIG_VARIABLE_UNKNOWN = 3,    /* of a known section, but no key */
    CONFIG_VARIABLE_MISSPELT = 4    /* *row, but for an underscore */
};

/* name: up to the "=" of an entry of the environment */
enum config_variable config_find_variable(const char *name, size_t len,
    const struct config_row **row);

void config_env_name(const struct config_row *row, struct strbuf *out);

/* the nearest key by spelling, NULL if none is near */
const struct config_row *config_suggest(const char *path);


/* ---- config_value.c -------------------------------------------------- */

/* text of the environment as the JSON value that the row's type wants; a text
   that is no such value becomes a string for config_check() to refuse */
json_t *config_parse(const struct config_row *row, const char *text);

/* 0, or MINT_ERR_INVALID with "expected ..., got ..." */
int config_check(const struct config_row *row, const json_t *value,
    struct error *err);

/* "local, s3 or swift" */
void config_choices_text(const char *choices, struct strbuf *out);


/* ---- config_store.c -------------------------------------------------- */

/* puts a checked value in its place; relative paths begin at folder */
void config_store(struct config *config, const struct config_row *row,
    const json_t *value, const char *folder);

void config_release(struct config *config, const struct config_row *row);

/* wipes a secret that jansson would leave in freed memory */
void config_wipe(const struct config_row *row, json_t *value);

/* absolute, without "." and doubled slashes; to be freed */
char *config_absolute(const char *folder, const char *path);

/* "integer 1-65535" */
void config_type_text(const struct config_row *row, struct strbuf *out);


/* ---- config_plugin.c ------------------------------------------------- */

/* reads plugins.perPlugin; where: for errors */
int config_read_plugins(struct config *config, const char *where,
    struct error *err);
void config_free_plugins(struct config *config);

/* PEP 503: case does not count, "-", "_" and "." are one */
bool config_same_plugin(const char *a, const char *b);


/* ---- config_finish.c ------------------------------------------------- */

/* computed values and checks between keys; where: for errors */
int config_finish(struct config *config, char **environment,
    const char *where, struct error *err);

/* NULL if it is not set or empty */
const char *config_environment(char **environment, const char *name);

#endif /* LIB_CONFIG_TABLE_H */
