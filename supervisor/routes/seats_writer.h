/* SPDX-License-Identifier: MIT */
/*
 * The run file "seats": where each seat is, and its one word.
 */

#ifndef SUPERVISOR_ROUTES_SEATS_WRITER_H
#define SUPERVISOR_ROUTES_SEATS_WRITER_H

#include "contract/mint_seats.h"
#include "run_file.h"


#define SEATS_PINS  65536


struct seats_writer {
    struct run_line    line;
    struct mint_seat  *seats;           /* the model: what is published */
    uint32_t           capacity;
};


/* adopts a whole file of at least this capacity (0 = any), else makes one and
   carries over what could be read */
int seats_writer_open(struct seats_writer *writer, const char *directory,
    uint32_t capacity, gid_t gid, struct error *err);
void seats_writer_close(struct seats_writer *writer);

/* a larger file with the same records and pins */
int seats_writer_grow(struct seats_writer *writer, uint32_t capacity,
    struct error *err);

/* see publisher_place_seat(); index must be below the capacity */
int seats_writer_place(struct seats_writer *writer, uint32_t index,
    uint32_t plugin_id, uint16_t slot, uint8_t seat, const char *address,
    struct error *err);

/* stores the word here and in each retired file that a worker may still
   read; MINT_ERR_NOT_FOUND if the record has no address */
int seats_writer_set(struct seats_writer *writer, uint32_t index,
    uint64_t word, struct error *err);

/* checks a mapped file and copies its records into a fresh array */
int seats_file_read(const struct run_file *file, struct mint_seat **seats,
    uint32_t *capacity, struct error *err);

const char *mint_seat_state_name(unsigned state);
const char *mint_seat_cause_name(unsigned cause);

#endif /* SUPERVISOR_ROUTES_SEATS_WRITER_H */
