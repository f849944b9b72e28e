/* SPDX-License-Identifier: MIT */
/*
 * What the public and the internal resource of experiments share.
 */

#ifndef PLATFORM_EXPERIMENT_H
#define PLATFORM_EXPERIMENT_H

#include "platform/api.h"


#define EXPERIMENT_TEXT_MAX   255
#define EXPERIMENT_NOTES_MAX  100000
#define EXPERIMENT_PAGE_MAX   1000
#define EXPERIMENT_SKIP_MAX   1000000000


/* with exact numbers */
json_t *experiment_json(const struct store_experiment *experiment);

/* answers with the rows of the filter */
void experiment_reply_list(struct call *call,
    const struct store_experiment_filter *filter);
/* answers with one row */
void experiment_reply_one(struct call *call, int status, int64_t id);

/*
 * Members of a body into *out (owned; clear it in any case); absent ones stay
 * NULL or 0.  0, or -1 and the call has been answered.
 */
int experiment_read(struct call *call, json_t *body, bool is_new,
    struct store_experiment *out);

bool experiment_status_known(const char *status);

#endif /* PLATFORM_EXPERIMENT_H */
