/* SPDX-License-Identifier: MIT */
/*
 * A PLAN of the admin protocol for people.
 */

#include <stdio.h>
#include <string.h>

#include "print.h"


#define PLAN_LABEL   13
#define PLAN_LISTED  40             /* packages of one kind */


static void
plan_label(const char *label)
{
    printf("%-*s", PLAN_LABEL, label);
}


static void
plan_bytes(json_t *number)
{
    size_t  i;
    double  bytes;

    static const char *const  units[] = { "bytes", "KiB", "MiB", "GiB" };

    if (!json_is_integer(number)) {
        fputs("unknown", stdout);
        return;
    }

    bytes = (double) json_integer_value(number);

    for (i = 0; bytes >= 1024 && i < 3; i++) {
        bytes /= 1024;
    }

    printf(i == 0 ? "%.0f %s" : "%.1f %s", bytes, units[i]);
}


static void
plan_title(json_t *plan)
{
    const char  *now, *then;

    now = print_text(json_object_get(plan, "installed"), "version");
    then = print_text(plan, "version");
    printf("%s %s: ", print_text(plan, "name"), then);

    if (json_is_true(json_object_get(plan, "unchanged"))) {
        printf("is installed already, nothing would change\n");

    } else if (now[0] == '\0') {
        printf("a new plugin\n");

    } else if (strcmp(now, then) == 0) {
        printf("replaces the same version\n");

    } else {
        printf("an upgrade from %s to %s\n", now, then);
    }
}


/* "add", "change" or "remove" */

static void
plan_packages_of(json_t *packages, const char *kind)
{
    size_t       i, count;
    json_t      *list, *package;
    const char  *from;

    list = json_object_get(packages, kind);
    count = json_array_size(list);

    json_array_foreach(list, i, package) {
        if (i == PLAN_LISTED) {
            printf("  %-*sand %zu more (--json has all)\n", PLAN_LABEL - 2, "",
                   count - i);
            break;
        }

        from = print_text(package, "from");
        printf("  %-*s%s %s%s%s\n", PLAN_LABEL - 2, i == 0 ? kind : "",
               print_text(package, "name"), from[0] != '\0' ? from
                                            : print_text(package, "version"),
               from[0] != '\0' ? " -> " : "", print_text(package, "to"));
    }
}


static void
plan_packages(json_t *plan)
{
    json_int_t   same;
    json_t      *packages;
    const char  *environment;

    packages = json_object_get(plan, "packages");
    environment = print_text(plan, "environment");
    same = json_integer_value(json_object_get(packages, "same"));

    plan_label("packages");

    if (environment[0] == '\0') {
        printf("of a new environment of its own\n");

    } else {
        printf("of %s; %lld stay as they are\n",
               strcmp(print_text(plan, "mode"), "shared") == 0
               ? "the shared environment" : "its own environment",
               (long long) same);
    }

    plan_packages_of(packages, "add");
    plan_packages_of(packages, "change");
    plan_packages_of(packages, "remove");
}


static void
plan_download(json_t *plan)
{
    size_t       count;
    json_t      *download, *packages;
    const char  *doubt;

    download = json_object_get(plan, "download");
    packages = json_object_get(download, "packages");
    doubt = print_text(download, "doubt");
    count = json_array_size(packages);

    plan_label("download");

    if (!json_is_array(packages)) {
        printf("unknown");

    } else if (count == 0) {
        printf("nothing, all of it is here");

    } else {
        printf("%zu package%s, ", count, count == 1 ? "" : "s");
        plan_bytes(json_object_get(download, "bytes"));
    }

    printf("%s%s\n", doubt[0] != '\0' ? ": " : "", doubt);
}


static void
plan_disk(json_t *plan)
{
    json_t  *disk, *bytes, *left;

    disk = json_object_get(plan, "disk");
    bytes = json_object_get(disk, "bytes");
    left = json_object_get(disk, "free_bytes");

    plan_label("disk");

    if (json_is_integer(bytes)) {
        printf("about ");
    }

    plan_bytes(bytes);
    printf(", free: ");
    plan_bytes(left);

    if (json_is_integer(bytes) && json_is_integer(left)
        && json_integer_value(bytes) > json_integer_value(left))
    {
        printf(" - not enough");
    }

    putchar('\n');
}


static void
plan_needs(json_t *plan)
{
    size_t       i;
    json_t      *programs, *program;
    const char  *mint, *python, *path, *debian;

    mint = print_text(plan, "requires_mint");
    python = print_text(plan, "requires_python");
    programs = json_object_get(plan, "programs");

    if (mint[0] != '\0' || python[0] != '\0') {
        plan_label("needs");
        printf("%s%s%s%s%s\n", mint[0] != '\0' ? "MINT " : "", mint,
               mint[0] != '\0' && python[0] != '\0' ? ", " : "",
               python[0] != '\0' ? "Python " : "", python);
    }

    json_array_foreach(programs, i, program) {
        path = print_text(program, "path");
        debian = print_text(program, "debian");
        plan_label(i == 0 ? "programs" : "");
        printf("%s: %s%s%s\n", print_text(program, "name"),
               path[0] != '\0' ? path : "not found on this machine",
               debian[0] != '\0' ? "; Debian has it in package " : "",
               debian);
    }
}


static void
plan_unknown(json_t *plan)
{
    size_t   i;
    json_t  *installed, *list, *name;

    installed = json_object_get(plan, "installed");
    list = json_object_get(installed, "capabilities");

    plan_label("not known");
    printf("%s\n", print_text(plan, "not_known"));

    if (!json_is_object(installed)) {
        return;
    }

    plan_label("");
    printf("(version %s: %s", print_text(installed, "version"),
           print_text(installed, "routes_prefix"));

    json_array_foreach(list, i, name) {
        printf("%s %s", i == 0 ? ";" : ",",
               json_is_string(name) ? json_string_value(name) : "");
    }

    printf(")\n");
}


static void
plan_requirements(json_t *plan)
{
    int          len;
    const char  *text;

    text = print_text(plan, "runtime_requirements");

    if (text[0] == '\0') {
        return;
    }

    printf("runtime requirements, as its description has them:\n");

    for ( /* void */ ; *text != '\0'; text += len + (text[len] == '\n')) {
        len = (int) strcspn(text, "\n");
        printf("%s%.*s\n", len > 0 ? "  " : "", len, text);
    }
}


static void
plan_print(json_t *result)
{
    print_decision(result);
    plan_packages(result);
    plan_download(result);
    plan_disk(result);
    plan_needs(result);
    plan_unknown(result);
    plan_requirements(result);
}


void
print_plan(json_t *result)
{
    plan_title(result);
    plan_print(result);
}


void
print_plan_again(json_t *result)
{
    printf("%s %s: decided again\n", print_text(result, "name"),
           print_text(result, "version"));
    plan_print(result);
}
