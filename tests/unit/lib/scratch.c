/* SPDX-License-Identifier: MIT */
/*
 * Temporary directories for the tests of lib/.  Removal is by nftw(3), not by
 * the fs_remove_tree() that is under test.
 */

#include "scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>


static char  scratch_directory[PATH_MAX];
static char  scratch_before[PATH_MAX];
static int   scratch_stderr = -1;


void
scratch_enter(void)
{
    const char  *tmp;

    ck_assert_ptr_nonnull(getcwd(scratch_before, sizeof(scratch_before)));

    tmp = getenv("TMPDIR");
    snprintf(scratch_directory, sizeof(scratch_directory),
             "%s/mint-lib.XXXXXX", tmp == NULL ? "/tmp" : tmp);

    ck_assert_ptr_nonnull(mkdtemp(scratch_directory));
    ck_assert_int_eq(chdir(scratch_directory), 0);
}


static int
scratch_remove(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;

    return remove(path);
}


void
scratch_leave(void)
{
    ck_assert_int_eq(chdir(scratch_before), 0);
    ck_assert_int_eq(nftw(scratch_directory, scratch_remove, 64,
                          FTW_DEPTH | FTW_PHYS), 0);
}


const char *
scratch_path(void)
{
    return scratch_directory;
}


void
scratch_write(const char *name, const char *text)
{
    FILE  *file;

    file = fopen(name, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}


const char *
scratch_read(const char *name)
{
    FILE         *file;
    size_t        len;
    static char   text[256 * 1024];

    text[0] = '\0';
    file = fopen(name, "r");

    if (file != NULL) {
        len = fread(text, 1, sizeof(text) - 1, file);
        text[len] = '\0';
        fclose(file);
    }

    return text;
}


void
scratch_capture(void)
{
    int  fd;

    fd = open("stderr", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    ck_assert_int_ne(fd, -1);
    scratch_stderr = dup(STDERR_FILENO);
    ck_assert_int_ne(scratch_stderr, -1);
    ck_assert_int_ne(dup2(fd, STDERR_FILENO), -1);
    close(fd);
}


const char *
scratch_restore(void)
{
    ck_assert_int_ne(dup2(scratch_stderr, STDERR_FILENO), -1);
    close(scratch_stderr);

    return scratch_read("stderr");
}
