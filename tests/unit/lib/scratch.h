/* SPDX-License-Identifier: MIT */
/*
 * A temporary directory of one test, and what stderr got meanwhile.
 */

#ifndef TESTS_UNIT_LIB_SCRATCH_H
#define TESTS_UNIT_LIB_SCRATCH_H

#include <stddef.h>


/* makes the directory below $TMPDIR and changes into it */
void scratch_enter(void);
/* changes back and removes it */
void scratch_leave(void);

/* its absolute path */
const char *scratch_path(void);

void scratch_write(const char *name, const char *text);
/* "" if there is no such file; the buffer is static */
const char *scratch_read(const char *name);

/* stderr goes to the file "stderr" until scratch_restore() */
void scratch_capture(void);
const char *scratch_restore(void);

#endif /* TESTS_UNIT_LIB_SCRATCH_H */
