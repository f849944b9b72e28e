/* SPDX-License-Identifier: MIT */
/*
 * Sharing out the machine's job slots among the plugins that declare jobs.
 */

#include "supervisor/process/job_slots.h"

#include <sched.h>
#include <stdlib.h>


#define JOB_SLOTS_MAX  4096


static bool
job_slots_is_sharer(const struct plugin *plugin)
{
    return json_array_size(json_object_get(plugin->probe, "jobs")) > 0;
}


unsigned
job_slots_of(struct registry *registry, const struct plugin *plugin,
    const struct config_limits *limits)
{
    size_t                i;
    unsigned              sharers, rank;
    cpu_set_t             cpus;
    const struct plugin  *other;

    if (limits->job_slots > 0) {
        return (unsigned) limits->job_slots;
    }

    sharers = 0;
    rank = 0;

    for (i = 0; i < registry_count(registry); i++) {
        other = registry_at(registry, i);

        if (job_slots_is_sharer(other)) {
            sharers++;
            rank += other->id < plugin->id;
        }
    }

    return job_slots_share(job_slots_budget(getenv(JOB_SLOTS_ENV),
                               sched_getaffinity(0, sizeof(cpus), &cpus) == 0
                               ? (unsigned) CPU_COUNT(&cpus) : 1),
                           sharers, rank);
}


unsigned
job_slots_share(unsigned budget, unsigned sharers, unsigned rank)
{
    unsigned  share;

    if (sharers == 0) {
        return budget;
    }

    share = budget / sharers + (rank < budget % sharers);

    return share > 0 ? share : 1;
}


unsigned
job_slots_budget(const char *text, unsigned cpus)
{
    char  *end;
    long   number;

    number = text != NULL ? strtol(text, &end, 10) : 0;

    if (number > 0 && number <= JOB_SLOTS_MAX && *end == '\0') {
        return (unsigned) number;
    }

    return cpus > 1 ? cpus - 1 : 1;
}
