/* SPDX-License-Identifier: MIT */
/*
 * Between run_spec.c and run_spec_seats.c.
 */

#ifndef SUPERVISOR_ROUTES_RUN_SPEC_SEATS_H
#define SUPERVISOR_ROUTES_RUN_SPEC_SEATS_H

#include <jansson.h>
#include <sys/types.h>

#include "lib/error.h"
#include "publisher.h"


/* json_unpack() of list item i, with an error that says which one it is */
int run_spec_unpack(struct error *err, const char *what, size_t i,
    json_t *item, const char *format, ...);

int run_spec_write_seats(struct publisher *p, json_t *list,
    struct error *err);

/* afterwards there are exactly these pins */
int run_spec_write_pins(const char *directory, gid_t gid, json_t *list,
    struct error *err);

#endif /* SUPERVISOR_ROUTES_RUN_SPEC_SEATS_H */
