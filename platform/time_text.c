/* SPDX-License-Identifier: MIT */
/*
 * Parsing of ISO 8601 times.
 */

#include "platform/time_text.h"

#include <stddef.h>
#include <string.h>
#include <time.h>


struct time_fields {
    int  year;
    int  month;
    int  day;
    int  hour;
    int  minute;
    int  second;
    int  ms;
    int  offset_min;
};


static int time_digits(const char **text, int count, int min, int max,
    int *out);
static int time_clock(const char **text, struct time_fields *f);
static int time_zone(const char **text, struct time_fields *f);


int
time_text_parse(const char *text, uint64_t *unix_ms_out)
{
    int64_t              ms;
    struct tm            tm;
    struct time_fields   f;

    memset(&f, 0, sizeof(f));

    if (time_digits(&text, 4, 1970, 9999, &f.year) != 0 || *text++ != '-'
        || time_digits(&text, 2, 1, 12, &f.month) != 0 || *text++ != '-'
        || time_digits(&text, 2, 1, 31, &f.day) != 0)
    {
        return -1;
    }

    if (*text == 'T' || *text == 't' || *text == ' ') {
        text++;

        if (time_clock(&text, &f) != 0 || time_zone(&text, &f) != 0) {
            return -1;
        }
    }

    if (*text != '\0') {
        return -1;
    }

    memset(&tm, 0, sizeof(tm));
    tm.tm_year = f.year - 1900;
    tm.tm_mon = f.month - 1;
    tm.tm_mday = f.day;
    tm.tm_hour = f.hour;
    tm.tm_min = f.minute;
    tm.tm_sec = f.second;

    ms = ((int64_t) timegm(&tm) - (int64_t) f.offset_min * 60) * 1000 + f.ms;

    /* timegm() moves 31 February into March */
    if (tm.tm_mday != f.day || ms < 0) {
        return -1;
    }

    *unix_ms_out = (uint64_t) ms;

    return 0;
}


static int
time_clock(const char **text, struct time_fields *f)
{
    int  scale;

    if (time_digits(text, 2, 0, 23, &f->hour) != 0 || *(*text)++ != ':'
        || time_digits(text, 2, 0, 59, &f->minute) != 0)
    {
        return -1;
    }

    if (**text != ':') {
        return 0;
    }

    (*text)++;

    if (time_digits(text, 2, 0, 59, &f->second) != 0) {
        return -1;
    }

    if (**text != '.') {
        return 0;
    }

    (*text)++;

    if (**text < '0' || **text > '9') {
        return -1;
    }

    for (scale = 100; **text >= '0' && **text <= '9'; (*text)++) {
        f->ms += (**text - '0') * scale;
        scale /= 10;
    }

    return 0;
}


static int
time_zone(const char **text, struct time_fields *f)
{
    int  sign;
    int  hour;
    int  minute;

    if (**text == 'Z' || **text == 'z') {
        (*text)++;
        return 0;
    }

    if (**text != '+' && **text != '-') {
        return 0;
    }

    sign = **text == '-' ? -1 : 1;
    (*text)++;

    if (time_digits(text, 2, 0, 23, &hour) != 0 || *(*text)++ != ':'
        || time_digits(text, 2, 0, 59, &minute) != 0)
    {
        return -1;
    }

    f->offset_min = sign * (hour * 60 + minute);

    return 0;
}


static int
time_digits(const char **text, int count, int min, int max, int *out)
{
    int  i;

    *out = 0;

    for (i = 0; i < count; i++) {
        if ((*text)[i] < '0' || (*text)[i] > '9') {
            return -1;
        }

        *out = *out * 10 + ((*text)[i] - '0');
    }

    *text += count;

    return *out < min || *out > max ? -1 : 0;
}
