/* SPDX-License-Identifier: MIT */
/*
 * "mintctl top": what each process of each plugin uses, one a line.
 */

#include "print.h"

#include <stdio.h>
#include <string.h>


/* columns of watch.h's figures; -1 in the result: not known */
static const struct {
    const char  *head;
    const char  *member;
    int          width;
    int64_t      unit;
} top_columns[] = {
    { "CPU%", "cpu_percent", 5, 1 },
    { "MIB", "memory_bytes", 6, 1048576 },
    { "LIMIT", "memory_limit_bytes", 6, 1048576 },
    { "PROCS", "processes", 5, 1 },
    { "THREADS", "threads", 7, 1 },
    { "FDS", "fds", 5, 1 },
    { "REQUESTS", "requests", 8, 1 },
    { "JOBS", "jobs", 5, 1 },
    { "SERVED", "served", 8, 1 },
    { "LAG MS", "lag_ms", 6, 1 }
};

#define TOP_COLUMNS  (sizeof(top_columns) / sizeof(top_columns[0]))


static int top_name_width(json_t *plugins);
static void top_line(json_t *plugin, json_t *instance, int width);
static void top_stuck(json_t *plugin, json_t *instance);


void
print_top(json_t *result)
{
    int      width;
    size_t   i, k;
    json_t  *plugins, *plugin, *instance;

    plugins = json_object_get(result, "plugins");

    if (json_array_size(plugins) == 0) {
        printf("no plugins are installed\n");
        return;
    }

    width = top_name_width(plugins);
    printf("%-*s SEAT STATE    HEALTH      PID", width, "NAME");

    for (i = 0; i < TOP_COLUMNS; i++) {
        printf(" %*s", top_columns[i].width, top_columns[i].head);
    }

    putchar('\n');

    json_array_foreach(plugins, i, plugin) {
        json_array_foreach(json_object_get(plugin, "instances"), k, instance) {
            top_line(plugin, instance, width);
        }
    }

    json_array_foreach(plugins, i, plugin) {
        json_array_foreach(json_object_get(plugin, "instances"), k, instance) {
            top_stuck(plugin, instance);
        }
    }
}


static int
top_name_width(json_t *plugins)
{
    size_t   i, width;
    json_t  *plugin;

    width = strlen("NAME");

    json_array_foreach(plugins, i, plugin) {
        if (strlen(print_text(plugin, "name")) > width) {
            width = strlen(print_text(plugin, "name"));
        }
    }

    return (int) width;
}


static void
top_line(json_t *plugin, json_t *instance, int width)
{
    size_t       i;
    json_t      *watch, *value;
    json_int_t   number;

    watch = json_object_get(instance, "watch");

    printf("%-*s %lld%-3s %-8s %-7s %7lld", width,
           print_text(plugin, "name"),
           (long long) json_integer_value(json_object_get(instance, "slot")),
           print_text(instance, "seat"), print_text(instance, "state"),
           json_is_object(watch) ? print_text(watch, "health") : "-",
           (long long) json_integer_value(json_object_get(instance, "pid")));

    for (i = 0; i < TOP_COLUMNS; i++) {
        value = json_object_get(watch, top_columns[i].member);
        number = json_integer_value(value);

        if (!json_is_integer(value)
            || (number == 0 && top_columns[i].head[0] == 'L'
                && top_columns[i].unit > 1))
        {
            printf(" %*s", top_columns[i].width, "-");
            continue;
        }

        printf(" %*lld", top_columns[i].width,
               (long long) (number / top_columns[i].unit));
    }

    putchar('\n');
}


static void
top_stuck(json_t *plugin, json_t *instance)
{
    json_t     *watch;
    long long   ms;

    watch = json_object_get(instance, "watch");
    ms = json_integer_value(json_object_get(watch, "stuck_ms"));

    if (ms > 0) {
        printf("\n%s: event loop stuck for %lld ms or longer in:\n%s",
               print_text(plugin, "name"), ms, print_text(watch, "stack"));
    }
}
