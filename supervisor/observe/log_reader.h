/* SPDX-License-Identifier: MIT */
/*
 * Reads the log files of a system, newest first or as they grow, in one order
 * of time.  For mintctl: it blocks on the disk, the supervisor never uses it.
 * Works without a supervisor, too.
 */

#ifndef SUPERVISOR_OBSERVE_LOG_READER_H
#define SUPERVISOR_OBSERVE_LOG_READER_H

#include "supervisor/process/log_line.h"


/* what is wanted; zero-initialised: everything but the edge's requests */

struct log_filter {
    const char      *plugin;        /* name of the file; NULL = all */
    enum log_level   level;         /* this and above */
    const char      *request_id;    /* NULL = any, else the edge's, too */
    bool             begins;        /* requests of the edge as two lines */
};


struct log_entry {
    struct log_line  line;
    char             name[72];      /* whose: a plugin, "platform", "edge" */
};

struct log_entries {
    struct log_entry  *item;
    size_t             count;
    size_t             size;
};


struct log_reader;

/* directory: of the log files; access_log: that of the edge, may be missing;
   filter is copied, its texts are borrowed */
struct log_reader *log_reader_new(const char *directory,
    const char *access_log, const struct log_filter *filter);
void log_reader_free(struct log_reader **reader);

/*
 * Adds the last count lines not later than until_us (0 = whatever there is)
 * that pass the filter; remembers where they end, so that
 * log_reader_more() goes on there.
 */
void log_reader_last(struct log_reader *reader, size_t count,
    uint64_t until_us, struct log_entries *out);
void log_reader_more(struct log_reader *reader, uint64_t until_us,
    struct log_entries *out);

/* whether a line passes; for lines from elsewhere */
bool log_filter_passes(const struct log_filter *filter,
    const struct log_line *line, const char *name);

/* takes line over */
void log_entries_add(struct log_entries *entries, struct log_line *line,
    const char *name);

/* by time; of lines that are there twice (same time and name) one stays */
void log_entries_sort(struct log_entries *entries);

/* by the time that the lines themselves name, where they do: what printed
   them is nearer to it than who read them */
void log_entries_by_own_time(struct log_entries *entries);

/* keeps the last count */
void log_entries_keep(struct log_entries *entries, size_t count);
void log_entries_clear(struct log_entries *entries);

#endif /* SUPERVISOR_OBSERVE_LOG_READER_H */
