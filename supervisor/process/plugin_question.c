/* SPDX-License-Identifier: MIT */
/*
 * Somebody asks what a plugin's processes would lose if they ended now: all
 * ready ones are asked, and the answers collected for a moment.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_private.h"


#define QUESTION_WAIT_MS  2000


struct plugin_question {
    struct plugin_process   *owner;
    struct plugin_question  *next;
    struct event            *timer;
    plugin_answer_fn         fn;
    void                    *ctx;
    uint64_t                 serial[PLUGIN_SEATS];  /* 0: not asked */
    bool                     is_answered[PLUGIN_SEATS];
    struct plugin_activity   activity[PLUGIN_SEATS];
};


static void
plugin_question_free(struct plugin_question *question)
{
    size_t                    i;
    struct plugin_question  **p;

    for (p = &question->owner->questions; *p != NULL; p = &(*p)->next) {
        if (*p == question) {
            *p = question->next;
            break;
        }
    }

    for (i = 0; i < PLUGIN_SEATS; i++) {
        plugin_activity_clear(&question->activity[i]);
    }

    event_free(question->timer);
    free(question);
}


void
plugin_questions_clear(struct plugin_process *p)
{
    while (p->questions != NULL) {
        plugin_question_free(p->questions);
    }
}


static json_t *
plugin_question_seat(struct plugin_question *question, size_t i)
{
    char                      *text;
    json_t                    *json;
    const struct plugin_seat  *seat;

    seat = &question->owner->seats[i];
    text = plugin_activity_text(&question->activity[i]);

    json = json_pack("{s:s, s:s, s:i, s:b, s:s, s:o}",
        "seat", seat->place,
        "role", seat == question->owner->current ? "current" : "old",
        "pid", service_pid(seat->service),
        "answered", question->is_answered[i],
        "text", text,
        "activity", plugin_activity_json(&question->activity[i]));

    free(text);

    return json;
}


static void
plugin_question_end(struct plugin_question *question)
{
    void              *ctx;
    size_t             i;
    json_t            *list;
    plugin_answer_fn   fn;

    list = json_array();

    for (i = 0; i < PLUGIN_SEATS; i++) {
        if (question->serial[i] != 0) {
            json_array_append_new(list, plugin_question_seat(question, i));
        }
    }

    fn = question->fn;
    ctx = question->ctx;
    list = json_pack("{s:s, s:o}", "plugin", question->owner->plugin->name,
                     "processes", list);
    plugin_question_free(question);

    fn(ctx, list);
}


/* who asked waits, though there is nobody to answer any more */

void
plugin_questions_end(struct plugin_process *p)
{
    while (p->questions != NULL) {
        plugin_question_end(p->questions);
    }
}


static void
plugin_question_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;

    plugin_question_end(arg);
}


static bool
plugin_question_is_over(const struct plugin_question *question)
{
    size_t  i;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        if (question->serial[i] != 0 && !question->is_answered[i]) {
            return false;
        }
    }

    return true;
}


static void
plugin_question_ask(struct plugin_question *question, size_t i)
{
    char                  line[96];
    struct error          err;
    struct plugin_seat   *seat;

    seat = &question->owner->seats[i];

    if (service_state(seat->service) != SERVICE_READY
        || seat->role == PLUGIN_ROLE_TRIAL)
    {
        return;
    }

    question->serial[i] = plugin_process_next_serial(question->owner->all);
    snprintf(line, sizeof(line), "{\"command\":\"activity\",\"serial\":%llu}"
             "\n", (unsigned long long) question->serial[i]);

    if (service_command(seat->service, line, &err) != 0) {
        log_debug("%s", err.text);
    }
}


void
plugin_process_ask(const struct plugin *plugin, plugin_answer_fn fn,
    void *ctx)
{
    size_t                   i;
    struct timeval           tv;
    struct plugin_process   *p;
    struct plugin_question  *question;

    p = plugin->process;

    if (p == NULL) {
        fn(ctx, json_pack("{s:s, s:[]}", "plugin", plugin->name,
                          "processes"));
        return;
    }

    question = mem_alloc(sizeof(struct plugin_question));
    question->owner = p;
    question->fn = fn;
    question->ctx = ctx;
    question->timer = evtimer_new(process_table_base(p->all->table),
                                  plugin_question_on_timer, question);
    question->next = p->questions;
    p->questions = question;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        plugin_question_ask(question, i);
    }

    tv.tv_sec = plugin_question_is_over(question)
                ? 0 : QUESTION_WAIT_MS / 1000;
    tv.tv_usec = 0;
    evtimer_add(question->timer, &tv);
}


void
plugin_questions_on_activity(struct plugin_process *p,
    const json_t *report)
{
    size_t                   i;
    uint64_t                 serial;
    struct plugin_question  *question;

    serial = (uint64_t) json_integer_value(json_object_get(report,
                                                           "serial"));

    for (question = p->questions; question != NULL && serial != 0;
         question = question->next)
    {
        for (i = 0; i < PLUGIN_SEATS; i++) {
            if (question->serial[i] != serial || question->is_answered[i]) {
                continue;
            }

            question->is_answered[i] = true;
            plugin_activity_read(&question->activity[i], report);

            if (plugin_question_is_over(question)) {
                plugin_question_end(question);
            }

            return;
        }
    }
}
