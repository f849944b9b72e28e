/* SPDX-License-Identifier: MIT */
/*
 * A store in a temporary directory of its own.
 */

#ifndef TEST_PLATFORM_FIXTURE_H
#define TEST_PLATFORM_FIXTURE_H

#include "platform/store/store_data.h"


extern char           fixture_directory[];
extern struct store  *fixture_store;


/* for tcase_add_checked_fixture() */
void fixture_open(void);
void fixture_close(void);

/* closes and opens the store again */
void fixture_reopen(void);

/* an active user of role member; its id */
int64_t fixture_user(const char *username);

/* runs SQL on the file of the closed store */
void fixture_sql(const char *sql);

#endif /* TEST_PLATFORM_FIXTURE_H */
