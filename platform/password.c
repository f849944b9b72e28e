/* SPDX-License-Identifier: MIT */
/*
 * Password hashing with crypt_r(3).
 */

#include "platform/password.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/strbuf.h"


#define PASSWORD_PREFIX   "$2b$"
#define PASSWORD_COST     12
#define PASSWORD_AT_ONCE  2
#define PASSWORD_WAIT_SEC 8

/* any hash of that cost: only the time it takes matters */
#define PASSWORD_NOBODY   "$2b$12$CCCCCCCCCCCCCCCCCCCCC."                      \
                          "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"


static pthread_mutex_t  password_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t   password_freed = PTHREAD_COND_INITIALIZER;
static unsigned         password_running;


static int password_crypt(const char *password, const char *setting,
    char *hash, size_t size, struct error *err);
static bool password_enter(void);
static void password_leave(void);


int
password_hash(const char *password, char *hash, size_t size,
    struct error *err)
{
    char  salt[16];
    char  setting[CRYPT_GENSALT_OUTPUT_SIZE];

    if (getrandom(salt, sizeof(salt), 0) != sizeof(salt)) {
        return error_set_errno(err, "getrandom() failed");
    }

    if (crypt_gensalt_rn(PASSWORD_PREFIX, PASSWORD_COST, salt, sizeof(salt),
                         setting, sizeof(setting))
        == NULL)
    {
        return error_set_errno(err, "crypt_gensalt(\"%s\") failed",
                               PASSWORD_PREFIX);
    }

    return password_crypt(password, setting, hash, size, err);
}


int
password_check(const char *password, const char *hash, struct error *err)
{
    int     rc;
    bool    is_equal;
    char    made[PASSWORD_HASH_MAX + 1];
    size_t  len;

    rc = password_crypt(password, hash == NULL ? PASSWORD_NOBODY : hash, made,
                        sizeof(made), err);

    if (rc != MINT_OK || hash == NULL) {
        return rc;
    }

    len = strlen(hash);
    is_equal = strlen(made) == len && CRYPTO_memcmp(made, hash, len) == 0;
    explicit_bzero(made, sizeof(made));

    return is_equal;
}


const char *
password_problem(const char *password)
{
    size_t  i;
    size_t  chars;

    chars = 0;

    for (i = 0; password[i] != '\0'; i++) {
        chars += ((unsigned char) password[i] & 0xc0) != 0x80;
    }

    if (chars < PASSWORD_MIN_CHARS) {
        return "The password must have at least 8 characters";
    }

    if (i > PASSWORD_MAX_BYTES) {
        return "The password must not be longer than 72 bytes";
    }

    return NULL;
}


void
password_generate(char password[21])
{
    size_t                n;
    size_t                i;
    unsigned char         random[64];
    static const char     alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "abcdefghijklmnopqrstuvwxyz0123456789";

    n = 0;

    while (n < 20) {
        if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
            abort();
        }

        for (i = 0; i < sizeof(random) && n < 20; i++) {
            /* 248 = 4 * 62: every character equally likely */
            if (random[i] < 248) {
                password[n++] = alphabet[random[i] % 62];
            }
        }
    }

    password[20] = '\0';
    explicit_bzero(random, sizeof(random));
}


static int
password_crypt(const char *password, const char *setting, char *hash,
    size_t size, struct error *err)
{
    int                 rc;
    const char         *made;
    struct crypt_data  *data;

    if (!password_enter()) {
        return error_set(err, MINT_ERR_BUSY, "too many sign-ins at a time");
    }

    data = mem_alloc(sizeof(struct crypt_data));
    made = crypt_r(password, setting, data);
    rc = MINT_OK;

    if (made == NULL || made[0] == '*' || strlen(made) >= size) {
        rc = error_set(err, MINT_ERR_SYSTEM, "crypt() failed: the hash of the "
                       "store is not one this system knows");
    } else {
        (void) snprintf(hash, size, "%s", made);
    }

    explicit_bzero(data, sizeof(struct crypt_data));
    free(data);
    password_leave();

    return rc;
}


static bool
password_enter(void)
{
    int              rc;
    bool             is_in;
    struct timespec  until;

    (void) clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PASSWORD_WAIT_SEC;
    rc = 0;

    (void) pthread_mutex_lock(&password_lock);

    while (password_running >= PASSWORD_AT_ONCE && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&password_freed, &password_lock, &until);
    }

    is_in = password_running < PASSWORD_AT_ONCE;
    password_running += is_in;
    (void) pthread_mutex_unlock(&password_lock);

    return is_in;
}


static void
password_leave(void)
{
    (void) pthread_mutex_lock(&password_lock);
    password_running--;
    (void) pthread_cond_signal(&password_freed);
    (void) pthread_mutex_unlock(&password_lock);
}
