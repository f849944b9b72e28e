/* SPDX-License-Identifier: MIT */
/*
 * Error values of the daemons: functions return 0 or a negative enum
 * mint_err and take a struct error * last (may be NULL).  Whoever handles an
 * error logs it; nobody logs and returns.
 */

#ifndef LIB_ERROR_H
#define LIB_ERROR_H

enum mint_err {
    MINT_OK = 0,
    MINT_ERR_SYSTEM = -1,           /* a system call; see system_errno */
    MINT_ERR_INVALID = -2,          /* bad input */
    MINT_ERR_NOT_FOUND = -3,
    MINT_ERR_CONFLICT = -4,
    MINT_ERR_FULL = -5,             /* disk, table or queue full */
    MINT_ERR_TIMEOUT = -6,
    MINT_ERR_UNAVAILABLE = -7,      /* a peer that is not there */
    MINT_ERR_PROTOCOL = -8,         /* a peer that does not speak as agreed */
    MINT_ERR_MEMORY = -9,
    MINT_ERR_FORBIDDEN = -10,
    MINT_ERR_BUSY = -11,
    MINT_ERR_NOT_BUILT = -12
};


struct error {
    int   code;                     /* enum mint_err */
    int   system_errno;             /* 0 if none */
    char  text[1024];               /* "what failed: why; what to do" */
};


/* fills *err (if not NULL) and returns code, so: return error_set(...) */
int error_set(struct error *err, enum mint_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* the same with ": <strerror(errno)>" added and errno kept; ENOSPC and EDQUOT
   become MINT_ERR_FULL, ENOENT MINT_ERR_NOT_FOUND, else MINT_ERR_SYSTEM */
int error_set_errno(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* puts "prefix: " before the text; returns err->code */
int error_prefix(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* the admin protocol's word: "INVALID", "NOT_FOUND", ... */
const char *error_code_name(int code);

#endif /* LIB_ERROR_H */
