/* SPDX-License-Identifier: MIT */
/*
 * Password hashes: bcrypt ($2b$, cost 12) through crypt(3).  A hash costs a
 * quarter of a second of one core, so only a few are made at a time.
 */

#ifndef PLATFORM_PASSWORD_H
#define PLATFORM_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"


#define PASSWORD_MIN_CHARS  8
#define PASSWORD_MAX_BYTES  72          /* bcrypt ignores what follows */
#define PASSWORD_HASH_MAX   127


int password_hash(const char *password, char *hash, size_t size,
    struct error *err);

/*
 * 1 = matches, 0 = does not, negative = could not be checked (BUSY: too many
 * sign-ins at once).  hash NULL: no such user; takes as long, answers 0.
 */
int password_check(const char *password, const char *hash, struct error *err);

/* NULL if acceptable, else a sentence for the user */
const char *password_problem(const char *password);

/* 20 letters and digits, about 119 bits */
void password_generate(char password[21]);

#endif /* PLATFORM_PASSWORD_H */
