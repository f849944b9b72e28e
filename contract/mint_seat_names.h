/* SPDX-License-Identifier: MIT */
/*
 * The words for a seat's state and cause, as clients, screens and
 * docs/directives.md have them.
 */

#ifndef MINT_SEAT_NAMES_H
#define MINT_SEAT_NAMES_H


/* enum mint_seat_state and mint_seat_cause; any number is answered */
const char *mint_seat_state_name(unsigned state);
const char *mint_seat_cause_name(unsigned cause);

#endif /* MINT_SEAT_NAMES_H */
