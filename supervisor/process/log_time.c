/* SPDX-License-Identifier: MIT */
/*
 * Times of log lines: microseconds, so that every line has one of its own and
 * "what came after" is a question with one answer.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log_line.h"


static uint64_t  log_clock_last;


uint64_t
log_clock_us(void)
{
    uint64_t         now;
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    now = (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;

    log_clock_last = now > log_clock_last ? now : log_clock_last + 1;

    return log_clock_last;
}


void
log_clock_seen(uint64_t unix_us)
{
    if (unix_us > log_clock_last) {
        log_clock_last = unix_us;
    }
}


/* nearly always of the same second as the one before: gmtime_r is not free */

void
log_time_text(uint64_t unix_us, char text[LOG_LINE_TIME_SIZE])
{
    time_t                       second;
    struct tm                    tm;
    static _Thread_local time_t  last = -1;
    static _Thread_local char    prefix[LOG_LINE_TIME_SIZE];

    second = (time_t) (unix_us / 1000000);

    if (second != last) {
        if (gmtime_r(&second, &tm) == NULL || tm.tm_year > 9999 - 1900) {
            second = 0;
            unix_us = 0;
            gmtime_r(&second, &tm);
        }

        strftime(prefix, sizeof(prefix), "%Y-%m-%dT%H:%M:%S", &tm);
        last = second;
    }

    snprintf(text, LOG_LINE_TIME_SIZE, "%.19s.%06uZ", prefix,
             (unsigned) (unix_us % 1000000));
}


/* n digits; false if there are others */

static bool
log_digits(const char *text, size_t n, int *value)
{
    size_t  i;

    *value = 0;

    for (i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }

        *value = *value * 10 + (text[i] - '0');
    }

    return true;
}


uint64_t
log_time_parse(const char *text, size_t len)
{
    int        fraction, scale;
    size_t     i;
    time_t     second;
    struct tm  tm;

    memset(&tm, 0, sizeof(tm));

    if (len < 20 || !log_digits(text, 4, &tm.tm_year) || text[4] != '-'
        || !log_digits(text + 5, 2, &tm.tm_mon) || text[7] != '-'
        || !log_digits(text + 8, 2, &tm.tm_mday)
        || (text[10] != 'T' && text[10] != ' ')
        || !log_digits(text + 11, 2, &tm.tm_hour) || text[13] != ':'
        || !log_digits(text + 14, 2, &tm.tm_min) || text[16] != ':'
        || !log_digits(text + 17, 2, &tm.tm_sec)
        || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12
        || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23
        || tm.tm_min > 59 || tm.tm_sec > 60)
    {
        return 0;
    }

    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    fraction = 0;
    scale = 100000;
    i = 19;

    if (text[i] == '.' || text[i] == ',') {
        for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
            fraction += (text[i] - '0') * scale;
            scale /= 10;
        }
    }

    /* UTC only: another zone is not worth guessing */

    if (!(i + 1 == len && text[i] == 'Z')
        && !(i + 6 == len && memcmp(text + i, "+00:00", 6) == 0))
    {
        return 0;
    }

    second = timegm(&tm);

    return second > 0 ? (uint64_t) second * 1000000 + (uint64_t) fraction : 0;
}
