/* SPDX-License-Identifier: MIT */
/*
 * Links to the environments in use, compared with what is wanted and changed
 * where they differ.
 */

#include "supervisor/plugin/venv_links.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/text_list.h"


#define VENV_LINKS_ASIDE  ".mint-new"


struct venv_links {
    char              *directory;
    char              *environments;    /* with a slash at the end */
    struct text_list   told;            /* names in whose place is something */
};


static bool venv_links_is_in(const char *directory, const char *other);
static bool venv_links_put(struct venv_links *links, int dir,
    const struct venv_link *link);
static bool venv_links_drop(struct venv_links *links, int dir,
    const struct venv_link *wanted, size_t count);
static bool venv_links_is_ours(const struct venv_links *links, int dir,
    const char *name);
static void venv_links_complain(struct venv_links *links, const char *name,
    const char *why);


int
venv_links_open(struct venv_links **out, const char *directory,
    const char *environments, struct error *err)
{
    struct venv_links  *links;

    if (venv_links_is_in(directory, environments)) {
        return error_set(err, MINT_ERR_INVALID, "plugins.venvDir: \"%s\" is "
                         "where the environments themselves are: name "
                         "another directory", directory);
    }

    links = mem_alloc(sizeof(struct venv_links));
    links->directory = mem_strdup(directory);
    links->environments = mem_printf("%s/", environments);
    *out = links;

    return 0;
}


/* is it the other one, or anywhere in it?  What is there is no link to an
   environment, and would be taken for one */

static bool
venv_links_is_in(const char *directory, const char *other)
{
    bool         is_in;
    char        *path, *slash;
    struct stat  a, b;

    if (stat(other, &b) == -1) {
        return false;
    }

    is_in = false;
    path = mem_strdup(directory);

    while (!is_in && (slash = strrchr(path, '/')) != NULL) {
        is_in = stat(path, &a) == 0 && a.st_dev == b.st_dev
                && a.st_ino == b.st_ino;
        *slash = '\0';
    }

    free(path);

    return is_in;
}


void
venv_links_free(struct venv_links **links)
{
    if (*links == NULL) {
        return;
    }

    text_list_clear(&(*links)->told);
    free((*links)->directory);
    free((*links)->environments);
    free(*links);

    *links = NULL;
}


void
venv_links_set(struct venv_links *links, const struct venv_link *wanted,
    size_t count)
{
    int           dir;
    bool          has_changed;
    size_t        i;
    struct error  err;

    if (fs_mkdir_all(links->directory, 0755, &err) != 0) {
        venv_links_complain(links, "", err.text);
        return;
    }

    dir = open(links->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir == -1) {
        venv_links_complain(links, "", strerror(errno));
        return;
    }

    has_changed = venv_links_drop(links, dir, wanted, count);

    for (i = 0; i < count; i++) {
        has_changed = venv_links_put(links, dir, &wanted[i]) || has_changed;
    }

    if (has_changed && fsync(dir) == -1) {
        venv_links_complain(links, "", strerror(errno));
    }

    close(dir);
}


/* has it been changed? */

static bool
venv_links_put(struct venv_links *links, int dir,
    const struct venv_link *link)
{
    char         target[PATH_MAX];
    ssize_t      len;
    struct stat  st;

    len = readlinkat(dir, link->name, target, sizeof(target) - 1);

    if (len >= 0) {
        target[len] = '\0';

        if (strcmp(target, link->environment) == 0) {
            return false;
        }

        /* one that leads nowhere may be of a data directory that was moved */

        if (!venv_links_is_ours(links, dir, link->name)
            && fstatat(dir, link->name, &st, 0) == 0)
        {
            venv_links_complain(links, link->name,
                                "there is a link to something else");
            return false;
        }

    } else if (fstatat(dir, link->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        venv_links_complain(links, link->name,
                            "there is something that is no link");
        return false;
    }

    (void) unlinkat(dir, VENV_LINKS_ASIDE, 0);

    if (symlinkat(link->environment, dir, VENV_LINKS_ASIDE) == -1
        || renameat(dir, VENV_LINKS_ASIDE, dir, link->name) == -1)
    {
        venv_links_complain(links, link->name, strerror(errno));
        return false;
    }

    return true;
}


/* links of plugins that are gone, and what a kill has left aside */

static bool
venv_links_drop(struct venv_links *links, int dir,
    const struct venv_link *wanted, size_t count)
{
    DIR            *list;
    bool            has_changed;
    size_t          i;
    struct dirent  *entry;

    has_changed = false;
    list = opendir(links->directory);

    while (list != NULL && (entry = readdir(list)) != NULL) {
        for (i = 0; i < count; i++) {
            if (strcmp(wanted[i].name, entry->d_name) == 0) {
                break;
            }
        }

        if (i == count && venv_links_is_ours(links, dir, entry->d_name)
            && unlinkat(dir, entry->d_name, 0) == 0)
        {
            has_changed = true;
        }
    }

    if (list != NULL) {
        closedir(list);
    }

    return has_changed;
}


static bool
venv_links_is_ours(const struct venv_links *links, int dir, const char *name)
{
    char     target[PATH_MAX];
    ssize_t  len;

    len = readlinkat(dir, name, target, sizeof(target) - 1);

    if (len < 0) {
        return false;
    }

    target[len] = '\0';

    return strncmp(target, links->environments, strlen(links->environments))
           == 0;
}


static void
venv_links_complain(struct venv_links *links, const char *name,
    const char *why)
{
    if (text_list_has(&links->told, name)) {
        return;
    }

    text_list_add(&links->told, name);
    log_warn("the link \"%s/%s\" to an environment cannot be made: %s",
             links->directory, name, why);
}
