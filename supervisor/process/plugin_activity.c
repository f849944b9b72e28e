/* SPDX-License-Identifier: MIT */
/*
 * Reads a host's report of its activity, and says it in words.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "plugin_activity.h"


#define ACTIVITY_OWNERS_NAMED  5    /* in a text; of more, how many */


/* all that is counted: name in the report, word, and whether losing it is the
   loss of somebody's work */

static const struct {
    const char  *key;
    const char  *word;
    size_t       offset;
    bool         is_work;
} activity_counts[] = {
    { "jobs", "job", offsetof(struct plugin_activity, jobs), true },
    { "results", "unfetched result", offsetof(struct plugin_activity, results),
      true },
    { "sessions", "session", offsetof(struct plugin_activity, sessions),
      true },
    { "uploads", "upload", offsetof(struct plugin_activity, uploads), true },
    { "websockets", "WebSocket",
      offsetof(struct plugin_activity, websockets), false },
    { "requests", "request", offsetof(struct plugin_activity, requests),
      false }
};

#define ACTIVITY_COUNTS  (sizeof(activity_counts) / sizeof(activity_counts[0]))


static uint32_t *
plugin_activity_at(const struct plugin_activity *activity, size_t i)
{
    return (uint32_t *) (void *)
           ((char *) activity + activity_counts[i].offset);
}


void
plugin_activity_clear(struct plugin_activity *activity)
{
    free(activity->owners);
    memset(activity, 0, sizeof(struct plugin_activity));
}


/* 0: is none */

static uint64_t
plugin_activity_owner(const json_t *value)
{
    char        *end;
    uint64_t     id;
    const char  *text;

    text = json_string_value(value);

    if (text == NULL || text[0] < '1' || text[0] > '9' || strlen(text) > 18) {
        return 0;
    }

    id = strtoull(text, &end, 10);

    return *end == '\0' ? id : 0;
}


void
plugin_activity_read(struct plugin_activity *activity, const json_t *report)
{
    size_t        i, count;
    const json_t *owners, *value;

    plugin_activity_clear(activity);
    activity->is_known = json_is_true(json_object_get(report, "known"));

    for (i = 0; i < ACTIVITY_COUNTS; i++) {
        value = json_object_get(report, activity_counts[i].key);

        if (!json_is_integer(value) || json_integer_value(value) < 0
            || json_integer_value(value) > UINT32_MAX)
        {
            activity->is_known = false;
            continue;
        }

        *plugin_activity_at(activity, i) = (uint32_t)
                                           json_integer_value(value);
    }

    owners = json_object_get(report, "owners");
    count = json_array_size(owners);
    activity->owners = mem_alloc((count + 1) * sizeof(uint64_t));

    if (!json_is_array(owners)) {
        activity->is_known = false;
    }

    for (i = 0; i < count; i++) {
        activity->owners[i] = plugin_activity_owner(
                                                json_array_get(owners, i));

        if (activity->owners[i] == 0) {
            activity->is_known = false;
            return;
        }

        activity->owner_count++;
    }
}


bool
plugin_activity_is_idle(const struct plugin_activity *activity)
{
    size_t  i;

    for (i = 0; i < ACTIVITY_COUNTS; i++) {
        if (activity_counts[i].is_work
            && *plugin_activity_at(activity, i) > 0)
        {
            return false;
        }
    }

    return activity->is_known && activity->owner_count == 0;
}


static void
plugin_activity_put_owners(struct strbuf *text,
    const struct plugin_activity *activity)
{
    size_t  i;

    if (activity->owner_count == 0) {
        return;
    }

    if (activity->owner_count > ACTIVITY_OWNERS_NAMED) {
        strbuf_printf(text, " of %zu users", activity->owner_count);
        return;
    }

    strbuf_printf(text, activity->owner_count == 1 ? " of the user"
                                                   : " of the users");

    for (i = 0; i < activity->owner_count; i++) {
        strbuf_printf(text, "%s%llu", i > 0 ? ", " : " ",
                      (unsigned long long) activity->owners[i]);
    }
}


char *
plugin_activity_text(const struct plugin_activity *activity)
{
    size_t         i, said, kinds;
    uint32_t       count;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    said = 0;
    kinds = 0;

    for (i = 0; i < ACTIVITY_COUNTS; i++) {
        kinds += *plugin_activity_at(activity, i) > 0;
    }

    for (i = 0; i < ACTIVITY_COUNTS; i++) {
        count = *plugin_activity_at(activity, i);

        if (count > 0) {
            said++;
            strbuf_printf(&text, "%s%u %s%s",
                          said == 1 ? "" : said == kinds ? " and " : ", ",
                          count, activity_counts[i].word,
                          count == 1 ? "" : "s");
        }
    }

    plugin_activity_put_owners(&text, activity);

    if (!activity->is_known) {
        strbuf_puts(&text, text.len > 0 ? ", and what is not known"
                                        : "what is not known");
    }

    if (text.len == 0) {
        strbuf_puts(&text, "nothing");
    }

    return text.data;
}


json_t *
plugin_activity_json(const struct plugin_activity *activity)
{
    size_t   i;
    json_t  *json, *owners;

    json = json_object();
    json_object_set_new(json, "known", json_boolean(activity->is_known));

    for (i = 0; i < ACTIVITY_COUNTS; i++) {
        json_object_set_new(json, activity_counts[i].key,
            json_integer((json_int_t) *plugin_activity_at(activity, i)));
    }

    owners = json_array();

    for (i = 0; i < activity->owner_count; i++) {
        json_array_append_new(owners,
            json_integer((json_int_t) activity->owners[i]));
    }

    json_object_set_new(json, "owners", owners);

    return json;
}
