/* SPDX-License-Identifier: MIT */
/*
 * Idle plugins: found, asked, stopped, started by the next request.  Requests
 * are held by the edge from the moment in which the seat is "starting" because
 * it was "stopped", so none is lost between the last look and the end of the
 * process.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_private.h"
#include "plugin_rest.h"


#define REST_TICK_MS        1000        /* while nobody rests */
#define REST_ASK_MOST_MS    60000       /* between two questions to a host */
#define REST_ANSWER_MS      3000        /* then it counts as used */


typedef void (*plugin_rest_fn)(struct plugin_process *p);

static void plugin_rest_look_awake(struct plugin_process *p);
static void plugin_rest_look_dozing(struct plugin_process *p);
static void plugin_rest_look_falling(struct plugin_process *p);
static void plugin_rest_look_asleep(struct plugin_process *p);
static void plugin_rest_on_tick(evutil_socket_t fd, short what, void *arg);
static void plugin_rest_wake(struct plugin_process *p, const char *why);


static const char *const  plugin_rest_names[PLUGIN_REST_STATE_COUNT] = {
    "awake", "dozing", "falling asleep", "asleep", "waking",
    "stopped by hand"
};


/* what is done at each look, by state; waking ends with the service's state,
   by hand with an order */

static const plugin_rest_fn  plugin_rest_looks[PLUGIN_REST_STATE_COUNT] = {
    [PLUGIN_REST_AWAKE] = plugin_rest_look_awake,
    [PLUGIN_REST_DOZING] = plugin_rest_look_dozing,
    [PLUGIN_REST_FALLING] = plugin_rest_look_falling,
    [PLUGIN_REST_ASLEEP] = plugin_rest_look_asleep
};


enum plugin_rest_verdict
plugin_rest_judge(uint64_t limit_ms, uint64_t now_ms, uint64_t active_ms,
    uint64_t asked_ms, bool is_answered_idle)
{
    uint64_t  pause_ms;

    if (limit_ms == 0) {
        return PLUGIN_REST_WAIT;
    }

    if (is_answered_idle && now_ms - active_ms >= limit_ms) {
        return PLUGIN_REST_STOP;
    }

    /* work without requests is noticed when it lasts as long as a pause */

    pause_ms = limit_ms / 4 < REST_ASK_MOST_MS ? limit_ms / 4
                                               : REST_ASK_MOST_MS;

    return now_ms - active_ms >= pause_ms && now_ms - asked_ms >= pause_ms
           ? PLUGIN_REST_ASK : PLUGIN_REST_WAIT;
}


void
plugin_rest_init(struct plugin_process *p)
{
    p->rest.demand_fd = -1;
    p->rest.active_ms = time_boot_ms();
}


static void
plugin_rest_disarm(struct plugin_process *p)
{
    if (p->rest.demand != NULL) {
        event_free(p->rest.demand);
        p->rest.demand = NULL;
    }

    if (p->rest.demand_fd != -1) {
        close(p->rest.demand_fd);
        p->rest.demand_fd = -1;
    }
}


void
plugin_rest_clear(struct plugin_process *p)
{
    plugin_rest_disarm(p);
    plugin_activity_clear(&p->rest.activity);
}


/* the only place that changes the state */

static void
plugin_rest_set_state(struct plugin_process *p, enum plugin_rest_state state)
{
    struct log_fields  fields = { .plugin = p->plugin->name };

    if (p->rest.state == state) {
        return;
    }

    log_write(LOG_LEVEL_DEBUG, &fields, "rest \"%s\" -> \"%s\"",
              plugin_rest_names[p->rest.state], plugin_rest_names[state]);

    plugin_rest_disarm(p);
    p->rest.state = state;
    p->rest.serial = 0;
    p->rest.active_ms = p->rest.asked_ms = time_boot_ms();
}


/* ---- the timer ------------------------------------------------------- */

static void
plugin_rest_set_timer(struct plugin_processes *all)
{
    unsigned                      ms;
    struct timeval                tv;
    const struct plugin_process  *p;

    ms = REST_TICK_MS;

    for (p = all->first; p != NULL; p = p->next) {
        if (p->rest.state != PLUGIN_REST_AWAKE
            && p->rest.state != PLUGIN_REST_BY_HAND)
        {
            ms = PLUGIN_REST_LOOK_MS;
        }
    }

    tv.tv_sec = ms / 1000;
    tv.tv_usec = (suseconds_t) (ms % 1000) * 1000;
    evtimer_add(all->rest_timer, &tv);
}


void
plugin_rest_begin(struct plugin_processes *all)
{
    if (all->rest_timer == NULL) {
        all->rest_timer = evtimer_new(process_table_base(all->table),
                                      plugin_rest_on_tick, all);
        plugin_rest_set_timer(all);
    }
}


void
plugin_rest_end(struct plugin_processes *all)
{
    struct plugin_process  *p;

    if (all->rest_timer != NULL) {
        event_free(all->rest_timer);
        all->rest_timer = NULL;
    }

    for (p = all->first; p != NULL; p = p->next) {
        plugin_rest_disarm(p);
    }
}


static void
plugin_rest_on_tick(evutil_socket_t fd, short what, void *arg)
{
    plugin_rest_fn            look;
    struct plugin_process    *p;
    struct plugin_processes  *all;

    (void) fd;
    (void) what;
    all = arg;

    all->listener.look_parked(all->listener.ctx);

    for (p = all->first; p != NULL; p = p->next) {
        look = plugin_rest_looks[p->rest.state];

        if (look != NULL) {
            look(p);
        }
    }

    plugin_rest_set_timer(all);
}


static bool
plugin_rest_is_wanted(const struct plugin_process *p)
{
    struct plugin_processes  *all;

    all = p->all;

    return all->listener.parked(all->listener.ctx, p->plugin->id) > 0;
}


/* ---- awake ------------------------------------------------------------ */

static uint64_t
plugin_rest_limit_ms(const struct plugin_process *p)
{
    /* what several plugins share is worth no start on demand */

    return p->group != NULL
           ? 0 : (uint64_t) config_limits_of(p->all->config, p->plugin->name)
                 ->idle_stop_minutes * 60000;
}


static bool
plugin_rest_may(const struct plugin_process *p)
{
    return service_state(p->current->service) == SERVICE_READY
           && p->move.state == PLUGIN_MOVE_NONE;
}


/* requests are in flight, or have been since the last look */

static bool
plugin_rest_is_used(struct plugin_process *p)
{
    uint64_t                  requests;
    struct plugin_processes  *all;

    all = p->all;
    requests = all->listener.requests(all->listener.ctx, p->plugin->id);

    if (requests == p->rest.requests && plugin_seat_count(p->current) == 0
        && !plugin_rest_is_wanted(p))
    {
        return false;
    }

    p->rest.requests = requests;

    return true;
}


static void
plugin_rest_ask(struct plugin_process *p)
{
    char          line[96];
    struct error  err;

    p->rest.serial = plugin_process_next_serial(p->all);
    p->rest.asked_ms = time_boot_ms();

    snprintf(line, sizeof(line), "{\"command\":\"activity\",\"serial\":%llu}"
             "\n", (unsigned long long) p->rest.serial);

    if (service_command(p->current->service, line, &err) != 0) {
        log_debug("%s", err.text);
    }
}


static void
plugin_rest_doze(struct plugin_process *p)
{
    plugin_rest_set_state(p, PLUGIN_REST_DOZING);
    plugin_seat_set_role(p->current, PLUGIN_ROLE_ASLEEP);
    plugin_rest_ask(p);
    plugin_rest_set_timer(p->all);
}


static void
plugin_rest_judge_now(struct plugin_process *p, bool is_answered_idle)
{
    switch (plugin_rest_judge(plugin_rest_limit_ms(p), time_boot_ms(),
                              p->rest.active_ms, p->rest.asked_ms,
                              is_answered_idle))
    {

    case PLUGIN_REST_STOP:
        plugin_rest_doze(p);
        break;

    case PLUGIN_REST_ASK:
        plugin_rest_ask(p);
        break;

    default:
        break;
    }
}


static void
plugin_rest_look_awake(struct plugin_process *p)
{
    if (plugin_rest_limit_ms(p) == 0) {
        return;
    }

    if (!plugin_rest_may(p) || plugin_rest_is_used(p)) {
        p->rest.active_ms = time_boot_ms();
        p->rest.serial = 0;
        return;
    }

    plugin_rest_judge_now(p, false);
}


/* ---- falling asleep --------------------------------------------------- */

static void
plugin_rest_wake_again(struct plugin_process *p)
{
    plugin_rest_set_state(p, PLUGIN_REST_AWAKE);
    plugin_seat_set_role(p->current, PLUGIN_ROLE_CURRENT);
}


static void
plugin_rest_look_dozing(struct plugin_process *p)
{
    if (!plugin_rest_may(p) || plugin_rest_is_used(p)
        || time_boot_ms() - p->rest.asked_ms >= REST_ANSWER_MS)
    {
        plugin_rest_wake_again(p);
    }
}


static void
plugin_rest_fall(struct plugin_process *p)
{
    struct service     *service;
    struct log_fields   fields = { .plugin = p->plugin->name };

    service = p->current->service;

    log_write(LOG_LEVEL_INFO, &fields, "nobody has used it for %llu min; it "
              "is stopped until the next request",
              (unsigned long long) (plugin_rest_limit_ms(p) / 60000));
    output_note(service_output(service), "stopped: idle; the next request "
                "starts it");

    plugin_rest_set_state(p, PLUGIN_REST_FALLING);
    service_stop(service, false);
}


static bool
plugin_rest_is_idle(const struct plugin_activity *activity)
{
    return plugin_activity_is_idle(activity) && activity->requests == 0
           && activity->websockets == 0;
}


bool
plugin_rest_on_activity(struct plugin_process *p, struct plugin_seat *seat,
    const json_t *report)
{
    bool  is_idle;

    if (p->rest.serial == 0 || seat != p->current
        || (uint64_t) json_integer_value(json_object_get(report, "serial"))
           != p->rest.serial)
    {
        return false;
    }

    p->rest.serial = 0;
    plugin_activity_read(&p->rest.activity, report);
    is_idle = plugin_rest_is_idle(&p->rest.activity);

    if (!is_idle) {
        p->rest.active_ms = time_boot_ms();
    }

    if (p->rest.state == PLUGIN_REST_AWAKE && plugin_rest_may(p)
        && !plugin_rest_is_used(p))
    {
        plugin_rest_judge_now(p, is_idle);

    } else if (p->rest.state == PLUGIN_REST_DOZING && is_idle
               && plugin_rest_may(p) && !plugin_rest_is_used(p))
    {
        plugin_rest_fall(p);

    } else if (p->rest.state == PLUGIN_REST_DOZING) {
        plugin_rest_wake_again(p);
    }

    return true;
}


/* ---- asleep ------------------------------------------------------------ */

static void
plugin_rest_on_demand(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;

    plugin_rest_wake(arg, "a connection waits at its socket");
}


static void
plugin_rest_on_socket(void *ctx, int status,
    const struct keeper_listener_info *info)
{
    struct plugin_process  *p;

    p = ctx;
    p->rest.is_demand_asked = false;

    if (p->is_entering) {
        plugin_move_touch(p);       /* that was waited for */
    }

    if (status != 0) {
        log_warn("plugin \"%s\": its socket cannot be watched: %s",
                 p->plugin->name, strerror(status));
        return;
    }

    if (p->rest.state != PLUGIN_REST_ASLEEP || p->rest.demand != NULL
        || p->all->is_stopping)
    {
        close(info->fd);
        return;
    }

    p->rest.demand_fd = info->fd;
    p->rest.demand = event_new(process_table_base(p->all->table), info->fd,
                               EV_READ, plugin_rest_on_demand, p);
    event_add(p->rest.demand, NULL);
}


static void
plugin_rest_sleep(struct plugin_process *p)
{
    struct error  err;

    plugin_rest_set_state(p, PLUGIN_REST_ASLEEP);

    if (p->rest.is_demand_asked) {
        return;
    }

    p->rest.is_demand_asked = plugin_seat_ask_socket(p->current,
                                  plugin_rest_on_socket, p, &err) == 0;

    if (!p->rest.is_demand_asked) {
        log_warn("plugin \"%s\": its socket cannot be watched: %s",
                 p->plugin->name, err.text);
    }
}


static void
plugin_rest_look_falling(struct plugin_process *p)
{
    if (service_state(p->current->service) == SERVICE_DOWN) {
        plugin_rest_sleep(p);
        plugin_rest_look_asleep(p);
    }
}


static void
plugin_rest_look_asleep(struct plugin_process *p)
{
    if (plugin_rest_is_wanted(p)) {
        plugin_rest_wake(p, "a request waits");
    }
}


static void
plugin_rest_wake(struct plugin_process *p, const char *why)
{
    struct log_fields  fields = { .plugin = p->plugin->name };

    if (p->all->is_stopping) {
        return;
    }

    log_write(LOG_LEVEL_INFO, &fields, "started on demand: %s", why);
    output_note(service_output(p->current->service), "started on demand: %s",
                why);

    plugin_rest_set_state(p, PLUGIN_REST_WAKING);
    p->wish++;
    service_start(p->current->service, MINT_CAUSE_STOPPED);
}


/* its own words count again once its start has begun */

void
plugin_rest_on_state(struct plugin_process *p)
{
    enum service_state  state;

    state = service_state(p->current->service);

    if (p->rest.state == PLUGIN_REST_WAKING && state != SERVICE_DOWN
        && state != SERVICE_STOPPING)
    {
        plugin_rest_wake_again(p);
    }
}


/* ---- others' wishes --------------------------------------------------- */

bool
plugin_rest_keeps_down(struct plugin_process *p)
{
    uint64_t             word;
    struct plugin_seat  *seat;

    seat = p->current;

    if (p->plugin->is_stopped) {
        plugin_rest_by_hand(p);
        service_stop(seat->service, false);     /* says why it is down */
        plugin_seat_publish(seat);
        plugin_process_tell(p);
        return true;
    }

    word = p->all->listener.seat_word(p->all->listener.ctx, seat->record);

    if (mint_seat_state(word) != MINT_SEAT_STARTING
        || mint_seat_cause(word) != MINT_CAUSE_STOPPED
        || plugin_rest_limit_ms(p) == 0)
    {
        return false;
    }

    service_stop(seat->service, false);
    plugin_seat_set_role(seat, PLUGIN_ROLE_ASLEEP);
    plugin_rest_sleep(p);
    plugin_process_tell(p);

    return true;
}


void
plugin_rest_cancel(struct plugin_process *p)
{
    plugin_rest_set_state(p, PLUGIN_REST_AWAKE);

    if (p->current->role == PLUGIN_ROLE_ASLEEP) {
        plugin_seat_set_role(p->current, PLUGIN_ROLE_CURRENT);
    }
}


void
plugin_rest_by_hand(struct plugin_process *p)
{
    plugin_rest_cancel(p);
    plugin_rest_set_state(p, PLUGIN_REST_BY_HAND);
}


const char *
plugin_rest_text(const struct plugin_process *p)
{
    switch (p->rest.state) {

    case PLUGIN_REST_FALLING:
    case PLUGIN_REST_ASLEEP:
        return "nobody has used it for a while; the next request starts it";

    case PLUGIN_REST_BY_HAND:
        return "stopped by hand; \"mintctl start\" starts it";

    default:
        return NULL;
    }
}
