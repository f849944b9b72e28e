/* SPDX-License-Identifier: MIT */
/*
 * ISO 8601 times as users and clients write them.
 */

#ifndef PLATFORM_TIME_TEXT_H
#define PLATFORM_TIME_TEXT_H

#include <stdint.h>


/*
 * YYYY-MM-DD, or that with T or space and HH:MM[:SS[.fraction]] and optional
 * Z or +HH:MM (or -HH:MM); without a zone it is UTC.  0 with unix milliseconds
 * (1970 and later), or -1.
 */
int time_text_parse(const char *text, uint64_t *unix_ms_out);

#endif /* PLATFORM_TIME_TEXT_H */
