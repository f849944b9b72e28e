/* SPDX-License-Identifier: MIT */
/*
 * mint-table: writes run files from a JSON description, shows them, compares
 * two directories, changes one seat's word.  For tests and for looking at a
 * running system; it uses the supervisor's own writers.
 */

#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/routes/run_show.h"
#include "supervisor/routes/run_spec.h"
#include "supervisor/routes/seats_writer.h"


struct command {
    const char  *name;
    int        (*run)(int argc, char **argv);
    const char  *usage;
};


static int command_write(int argc, char **argv);
static int command_dump(int argc, char **argv);
static int command_diff(int argc, char **argv);
static int command_seat(int argc, char **argv);
static int command_pin(int argc, char **argv);


static const struct command  commands[] = {
    { "write", command_write, "write DIR SPEC.json [--gid N]" },
    { "dump", command_dump, "dump DIR [--json] [--secrets]" },
    { "diff", command_diff, "diff DIR1 DIR2" },
    { "seat", command_seat, "seat DIR INDEX STATE [--cause C] "
      "[--generation N] [--retry-after S]" },
    { "pin", command_pin, "pin DIR PLUGIN USER SEAT|none" },
    { NULL, NULL, NULL }
};


static int
fail(const struct error *err)
{
    fprintf(stderr, "mint-table: %s\n", err->text);

    return 2;
}


static int
usage(void)
{
    const struct command  *c;

    for (c = commands; c->name != NULL; c++) {
        fprintf(stderr, "usage: mint-table %s\n", c->usage);
    }

    return 2;
}


/* takes "--name value" out of argv; NULL if it is not there */

static const char *
option(int *argc, char **argv, const char *name, bool has_value)
{
    int          i, words;
    const char  *value;

    words = has_value ? 2 : 1;

    for (i = 0; i + words <= *argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            value = argv[i + words - 1];
            memmove(&argv[i], &argv[i + words],
                    (size_t) (*argc - i - words) * sizeof(*argv));
            *argc -= words;
            return value;
        }
    }

    return NULL;
}


/* personal tokens are given as such or by their hash; files know the hash */

static void
hash_tokens(json_t *pats)
{
    char           hex[2 * EVP_MAX_MD_SIZE + 1];
    size_t         i;
    json_t        *pat;
    unsigned       k, len;
    const char    *token;
    unsigned char  hash[EVP_MAX_MD_SIZE];

    json_array_foreach(pats, i, pat) {
        token = json_string_value(json_object_get(pat, "token"));
        if (token == NULL) {
            continue;
        }

        EVP_Digest(token, strlen(token), hash, &len, EVP_sha256(), NULL);
        for (k = 0; k < len; k++) {
            snprintf(&hex[2 * k], 3, "%02x", hash[k]);
        }

        json_object_set_new(pat, "hash", json_string(hex));
    }
}


static int
command_write(int argc, char **argv)
{
    int            rc;
    gid_t          gid;
    json_t        *spec;
    const char    *text;
    json_error_t   why;
    struct error   err;

    text = option(&argc, argv, "--gid", true);
    gid = text != NULL ? (gid_t) strtoul(text, NULL, 10) : (gid_t) -1;

    if (argc != 2) {
        return usage();
    }

    spec = strcmp(argv[1], "-") == 0
           ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &why)
           : json_load_file(argv[1], JSON_REJECT_DUPLICATES, &why);
    if (spec == NULL) {
        fprintf(stderr, "mint-table: %s:%d: %s\n", argv[1], why.line,
                why.text);
        return 2;
    }

    hash_tokens(json_object_get(spec, "pats"));
    rc = run_spec_write(argv[0], spec, gid, &err);
    json_decref(spec);

    return rc == 0 ? 0 : fail(&err);
}


/* ---- dump and diff ------------------------------------------------- */

static int
command_dump(int argc, char **argv)
{
    bool  json, secrets;

    json = option(&argc, argv, "--json", false) != NULL;
    secrets = option(&argc, argv, "--secrets", false) != NULL;

    if (argc != 1) {
        return usage();
    }

    return run_show_dump(argv[0], json, secrets) == 0 ? 0 : 1;
}


static int
command_diff(int argc, char **argv)
{
    int  changes;

    if (argc != 2) {
        return usage();
    }

    changes = run_show_diff(argv[0], argv[1], false);

    return changes == -1 ? 2 : changes == 0 ? 0 : 1;
}


/* ---- seat and pin -------------------------------------------------- */

/* never makes a file */

static int
open_seats(struct seats_writer *w, const char *directory, struct error *err)
{
    int               rc;
    struct run_file  *file;

    rc = run_file_open(&file, directory, MINT_RUN_SEATS, false, err);
    if (rc != 0) {
        return rc;
    }

    run_file_free(&file);

    return seats_writer_open(w, directory, 0, (gid_t) -1, err);
}


static int
command_seat(int argc, char **argv)
{
    int                   rc, state, cause;
    uint32_t              index, generation;
    uint64_t              word;
    const char           *cause_text, *generation_text, *retry_text;
    struct error          err;
    struct seats_writer   w;

    cause_text = option(&argc, argv, "--cause", true);
    generation_text = option(&argc, argv, "--generation", true);
    retry_text = option(&argc, argv, "--retry-after", true);

    if (argc != 3) {
        return usage();
    }

    index = (uint32_t) strtoul(argv[1], NULL, 10);
    state = run_spec_index(argv[2], mint_seat_state_name,
                           MINT_SEAT_STATE_COUNT);
    cause = cause_text == NULL ? MINT_CAUSE_NONE
            : run_spec_index(cause_text, mint_seat_cause_name,
                             MINT_CAUSE_COUNT);
    if (state == -1 || cause == -1) {
        return usage();
    }

    rc = open_seats(&w, argv[0], &err);
    if (rc != 0) {
        return fail(&err);
    }

    word = index < w.capacity ? w.seats[index].word : 0;
    generation = generation_text != NULL
                 ? (uint32_t) strtoul(generation_text, NULL, 10)
                 : mint_seat_generation(word);
    word = mint_seat_word(generation,
                          retry_text != NULL
                          ? (unsigned) strtoul(retry_text, NULL, 10) : 0,
                          (enum mint_seat_cause) cause,
                          (enum mint_seat_state) state);

    rc = seats_writer_set(&w, index, word, &err);
    seats_writer_close(&w);

    return rc == 0 ? 0 : fail(&err);
}


static int
command_pin(int argc, char **argv)
{
    int                  rc;
    uint32_t             plugin_id, seat;
    uint64_t             user_id;
    struct error         err;
    struct seats_writer  w;

    if (argc != 4) {
        return usage();
    }

    rc = open_seats(&w, argv[0], &err);
    if (rc != 0) {
        return fail(&err);
    }

    plugin_id = (uint32_t) strtoul(argv[1], NULL, 10);
    user_id = strtoull(argv[2], NULL, 10);
    seat = (uint32_t) strtoul(argv[3], NULL, 10);

    if (strcmp(argv[3], "none") == 0) {
        rc = seats_writer_unpin(&w, plugin_id, user_id)
             ? 0 : error_set(&err, MINT_ERR_NOT_FOUND, "there is no such pin");

    } else if (seat < w.capacity && w.seats[seat].plugin_id != plugin_id) {
        rc = error_set(&err, MINT_ERR_INVALID, "seat %u is plugin %u's", seat,
                       w.seats[seat].plugin_id);

    } else {
        rc = seats_writer_pin(&w, seat, user_id, &err);
    }

    seats_writer_close(&w);

    return rc == 0 ? 0 : fail(&err);
}


int
main(int argc, char **argv)
{
    const struct command  *c;

    setenv("MINT_LOG_LEVEL", "warn", 0);
    log_open("mint-table");

    for (c = commands; argc > 1 && c->name != NULL; c++) {
        if (strcmp(c->name, argv[1]) == 0) {
            return c->run(argc - 2, argv + 2);
        }
    }

    return usage();
}
