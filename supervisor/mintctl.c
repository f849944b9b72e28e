/* SPDX-License-Identifier: MIT */
/*
 * mintctl: asks the running supervisor.  This file knows the command line;
 * what the commands do is in admin/control.c.
 */

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/control.h"
#include "contract/mint_version.h"
#include "contract/mint_admin.h"
#include "lib/strbuf.h"


/* options that only some commands have; a bit each */
enum {
    MAY_LINES = 0x1,
    MAY_FOLLOW = 0x2,
    MAY_ALL = 0x4,
    MAY_FORCE = 0x8,
    MAY_FILTER = 0x10,
    MAY_NOW = 0x20,
    MAY_MODE = 0x40
};


enum option_kind {
    OPTION_FLAG = 0,                    /* bool */
    OPTION_NUMBER = 1,                  /* long, from 1 to most */
    OPTION_TEXT = 2                     /* const char * */
};


struct option_row {
    const char        *name;
    char               letter;          /* 0 = has none */
    enum option_kind   kind;
    unsigned           may;             /* 0 = every command has it */
    size_t             offset;          /* in struct control */
    long               most;            /* of a number */
    const char        *value;           /* what help calls it, or NULL */
    const char        *help;            /* lines are separated by \n */
};


struct command {
    const char  *name;
    const char  *argument;              /* its name, in brackets if it may be
                                           left out, NULL if there is none */
    unsigned     may;
    int          more;                  /* words that may follow it */
    long         timeout_sec;
    int        (*run)(const struct control *control);
    const char  *help;
};

struct command_line {
    struct control         control;
    const struct command  *command;
    unsigned               given;       /* MAY_* */
};


static int mintctl_options(int argc, char **argv, struct command_line *line);
static int mintctl_option(struct command_line *line,
    const struct option_row *row, char *value);
static int mintctl_command(int argc, char **argv, struct command_line *line);
static char *mintctl_socket(void);
static long mintctl_number(const char *text, long most);
static int mintctl_usage(const char *why, const char *what);
static void mintctl_help(FILE *to, const struct command *only);


static const struct command  commands[] = {
    { "status", NULL, 0, 0, 10, control_status,
      "what is running, and which protection is missing" },
    { "plugins", NULL, 0, 0, 10, control_plugins,
      "the installed plugins" },
    { "top", NULL, 0, 0, 10, control_top,
      "what each plugin's processes use, and whether they answer" },
    { "explain", "PLUGIN", 0, 0, 10, control_explain,
      "why a plugin is shared or isolated" },
    { "logs", "[NAME]", MAY_LINES | MAY_FOLLOW | MAY_FILTER, 0, 10,
      control_logs, "last lines of a plugin, of platform, nginx, edge, "
      "supervisor, or of all" },
    { "trace", "REQUEST", 0, 0, 10, control_trace,
      "everything the edge, plugins and the platform have said of a request" },
    { "crashes", "[PLUGIN]", 0, 1, 10, control_crashes,
      "what has died, or all of one report by its number" },
    { "history", "PLUGIN", MAY_LINES, 0, 10, control_history,
      "what has happened to a plugin and its processes, and why" },
    { "restart", "PLUGIN", MAY_ALL | MAY_NOW, 0, 300, control_restart,
      "restart a plugin, or with --all one after the other" },
    { "drain", "PLUGIN", MAY_NOW, 0, 30, control_drain,
      "let a plugin finish what it has begun, then stop it" },
    { "install", "BUNDLE", MAY_FORCE, 0, 3600, control_install,
      "install a .mint bundle or a wheel" },
    { "plan", "BUNDLE|PLUGIN", MAY_FORCE, 0, 3600, control_plan,
      "what installing a .mint bundle or a wheel would do, or deciding again "
      "on a plugin that is installed; nothing is done" },
    { "verify-env", "[PLUGIN]", 0, 0, 3600, control_verify_env,
      "compare the files of environments with their locks" },
    { "disk", NULL, 0, 0, 10, control_disk,
      "what the environments of plugins take on disk" },
    { "uninstall", "PLUGIN", MAY_NOW | MAY_FORCE | MAY_MODE, 0, 300,
      control_uninstall, "stop a plugin and remove it; its data stay unless "
      "--mode purge" },
    { "doctor", NULL, 0, 0, 10, control_doctor,
      "what is wrong with this system and machine, and how to mend it" },
    { "support", "[FILE]", 0, 0, 10, control_support,
      "make a .tar.gz of what helps to find a fault, without secrets" },
    { "start", "PLUGIN", 0, 0, 300, control_start,
      "start a plugin that does not run" },
    { "stop", "[PLUGIN]", MAY_NOW, 0, 120, control_stop,
      "stop a plugin until it is started again, or the whole system" },
    { "reload", NULL, 0, 0, 3600, control_reload,
      "read the configuration again: plugins.forceIsolated and .forceShared" },
    { "upgrade-supervisor", NULL, 0, 0, 120, control_upgrade,
      "start the supervisor program that is in place now; all else goes on" },
    { "wait", NULL, 0, 0, 120, control_wait,
      "wait until the system runs and all plugins are ready" },
    { "table", "dump|diff", 0, 2, 10, control_table,
      "show the run files of nginx, or what differs from another directory" },
    { NULL, NULL, 0, 0, 0, NULL, NULL }
};


#define AT(member)  offsetof(struct control, member)

static const struct option_row  options[] = {
    { "lines", 'n', OPTION_NUMBER, MAY_LINES, AT(lines), CONTROL_LINES_MAX,
      "N", "so many lines: 20, at most 100000" },
    { "follow", 'f', OPTION_FLAG, MAY_FOLLOW, AT(follow), 0, NULL,
      "go on until Ctrl-C" },
    { "plugin", 0, OPTION_TEXT, MAY_FILTER, AT(plugin), 0, "NAME",
      "as NAME" },
    { "level", 0, OPTION_TEXT, MAY_FILTER, AT(level), 0, "LEVEL",
      "lines of this level (debug, info, warn, error) and above" },
    { "request-id", 0, OPTION_TEXT, MAY_FILTER, AT(request_id), 0, "ID",
      "lines of this request" },
    { "all", 0, OPTION_FLAG, MAY_ALL, AT(all), 0, NULL,
      "every plugin, one after the other" },
    { "now", 0, OPTION_FLAG, MAY_NOW, AT(now), 0, NULL,
      "do not wait for jobs, sessions and WebSockets of users; what\n"
      "would end is said first, and asked about" },
    { "yes", 0, OPTION_FLAG, MAY_NOW, AT(yes), 0, NULL,
      "they may end: do not ask" },
    { "mode", 0, OPTION_TEXT, MAY_MODE, AT(mode), 0, "MODE",
      "keep (as without it), or purge: its data, history, logs and\n"
      "crash reports go too, which is asked about" },
    { "force", 0, OPTION_FLAG, MAY_FORCE, AT(force), 0, NULL,
      "install: the same version again, and without the check of what\n"
      "it requires of the platform; uninstall: although other plugins\n"
      "need it" },
    { "socket", 0, OPTION_TEXT, 0, AT(socket), 0, "PATH",
      "the supervisor's socket; else MINT_VAR/run/" MINT_ADMIN_SOCKET ",\n"
      "./var/run/" MINT_ADMIN_SOCKET " or /run/ngx-mint/" MINT_ADMIN_SOCKET },
    { "json", 0, OPTION_FLAG, 0, AT(json), 0, NULL,
      "print the result as JSON" },
    { "timeout", 0, OPTION_NUMBER, 0, AT(timeout_sec), 86400, "S",
      "give up after so many seconds" },
    { "help", 'h', OPTION_FLAG, 0, AT(help), 0, NULL, NULL },
    { "version", 0, OPTION_FLAG, 0, AT(version), 0, NULL, NULL }
};

#define OPTION_COUNT  (sizeof(options) / sizeof(options[0]))


int
main(int argc, char **argv)
{
    int                   rc;
    char                 *socket;
    struct command_line   line;

    memset(&line, 0, sizeof(line));
    line.control.lines = CONTROL_LINES;
    socket = NULL;

    rc = mintctl_options(argc, argv, &line);
    if (rc == -1) {
        rc = mintctl_command(argc - optind, argv + optind, &line);
    }

    if (rc == -1) {
        if (line.control.socket == NULL) {
            socket = mintctl_socket();
            line.control.socket = socket;
        }

        control_catch_signals();
        rc = line.command->run(&line.control);
    }

    free(socket);

    /* a full disk under a redirected stdout is a failure */
    if (fflush(stdout) != 0 && rc == 0) {
        rc = CONTROL_FAILED;
    }

    return rc;
}


/* -1: go on; else the exit status */

static int
mintctl_options(int argc, char **argv, struct command_line *line)
{
    int            opt, rc;
    char           letters[2 * OPTION_COUNT + 1], *letter;
    size_t         i;
    struct option  names[OPTION_COUNT + 1];

    memset(names, 0, sizeof(names));
    letter = letters;

    for (i = 0; i < OPTION_COUNT; i++) {
        names[i].name = options[i].name;
        names[i].has_arg = options[i].kind == OPTION_FLAG ? no_argument
                                                          : required_argument;
        names[i].val = options[i].letter != 0 ? options[i].letter
                                              : 256 + (int) i;

        if (options[i].letter != 0) {
            *letter++ = options[i].letter;
            if (options[i].kind != OPTION_FLAG) {
                *letter++ = ':';
            }
        }
    }

    *letter = '\0';

    while ((opt = getopt_long(argc, argv, letters, names, NULL)) != -1) {

        for (i = 0; i < OPTION_COUNT && names[i].val != opt; i++) {
            /* void */
        }

        if (i == OPTION_COUNT) {
            return CONTROL_USAGE;           /* getopt has said why */
        }

        rc = mintctl_option(line, &options[i], optarg);
        if (rc != -1) {
            return rc;
        }
    }

    return -1;
}


static int
mintctl_option(struct command_line *line, const struct option_row *row,
    char *value)
{
    char   why[64];
    char  *field;
    long   number;

    field = (char *) &line->control + row->offset;
    line->given |= row->may;

    switch (row->kind) {

    case OPTION_FLAG:
        *(bool *) (void *) field = true;
        return -1;

    case OPTION_TEXT:
        *(const char **) (void *) field = value;
        return -1;

    case OPTION_NUMBER:
        break;
    }

    number = mintctl_number(value, row->most);
    if (number == 0) {
        snprintf(why, sizeof(why), "--%s needs a number from 1 to %ld, not ",
                 row->name, row->most);
        return mintctl_usage(why, value);
    }

    *(long *) (void *) field = number;

    return -1;
}


/* the words that are no options; -1: run line->command */

static int
mintctl_command(int argc, char **argv, struct command_line *line)
{
    int                    wanted;
    bool                   is_optional;
    const struct command  *c;

    if (line->control.version) {
        printf("mintctl " MINT_VERSION "\n");
        return 0;
    }

    if (argc == 0) {
        mintctl_help(line->control.help ? stdout : stderr, NULL);
        return line->control.help ? 0 : CONTROL_USAGE;
    }

    for (c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, argv[0]) == 0) {
            break;
        }
    }

    if (c->name == NULL) {
        return mintctl_usage("there is no command ", argv[0]);
    }

    if (line->control.help) {
        mintctl_help(stdout, c);
        return 0;
    }

    if (line->given & ~c->may) {
        return mintctl_usage("an option does not belong to the command ",
                             c->name);
    }

    wanted = c->argument != NULL && !line->control.all ? 2 : 1;
    is_optional = c->argument != NULL && c->argument[0] == '[';
    if (argc < wanted) {
        if (!is_optional) {
            return mintctl_usage("missing: ", c->argument);
        }
        wanted = 1;
    }

    if (argc > wanted + c->more) {
        return mintctl_usage("one argument too many: ", argv[wanted + c->more]);
    }

    line->command = c;
    line->control.more = argv + wanted;
    line->control.more_count = argc - wanted;
    line->control.argument = wanted == 2 ? argv[1] : NULL;
    if (line->control.timeout_sec == 0) {
        line->control.timeout_sec = c->timeout_sec;
    }

    return -1;
}


static char *
mintctl_socket(void)
{
    const char  *var;

    var = getenv("MINT_VAR");
    if (var != NULL && var[0] != '\0') {
        return mem_printf("%s/run/" MINT_ADMIN_SOCKET, var);
    }

    if (access("var/run", F_OK) == 0) {
        return mem_strdup("var/run/" MINT_ADMIN_SOCKET);
    }

    return mem_strdup("/run/ngx-mint/" MINT_ADMIN_SOCKET);
}


/* 0 if text is no number from 1 to most */

static long
mintctl_number(const char *text, long most)
{
    char  *end;
    long   n;

    n = strtol(text, &end, 10);

    return *text >= '0' && *text <= '9' && *end == '\0' && n <= most ? n : 0;
}


static int
mintctl_usage(const char *why, const char *what)
{
    fprintf(stderr, "mintctl: %s%s (mintctl --help says what there is)\n",
            why, what);

    return CONTROL_USAGE;
}


/* help lines of one option, the second and later ones under the first */

static void
mintctl_help_option(FILE *to, const struct option_row *row)
{
    char         text[64];
    const char  *p;

    snprintf(text, sizeof(text), "%s%c%s--%s%s%s",
             row->letter != 0 ? "-" : "", row->letter != 0 ? row->letter : ' ',
             row->letter != 0 ? ", " : "", row->name,
             row->value != NULL ? " " : "",
             row->value != NULL ? row->value : "");

    fprintf(to, "  %-16s ", text[0] == ' ' ? text + 1 : text);

    for (p = row->help; *p != '\0'; p++) {
        putc(*p, to);
        if (*p == '\n') {
            fprintf(to, "%19s", "");
        }
    }

    putc('\n', to);
}


static void
mintctl_help(FILE *to, const struct command *only)
{
    size_t                 i;
    const struct command  *c;

    if (only != NULL) {
        fprintf(to, "usage: mintctl %s%s%s [options]\n\n  %s\n\n", only->name,
                only->argument != NULL ? " " : "",
                only->argument != NULL ? only->argument : "", only->help);

    } else {
        fprintf(to, "usage: mintctl COMMAND [options]\n\n");
        for (c = commands; c->name != NULL; c++) {
            fprintf(to, "  %-18s %-9s %s\n", c->name,
                    c->argument != NULL ? c->argument : "", c->help);
        }
        putc('\n', to);
    }

    for (i = 0; i < OPTION_COUNT; i++) {
        if (options[i].help != NULL
            && (options[i].may == 0
                || (only != NULL && (only->may & options[i].may))))
        {
            mintctl_help_option(to, &options[i]);
        }
    }

    fprintf(to,
            "  --help, --version\n\n"
            "exit status: 0 done, 1 failed, 2 wrong usage, 3 the system is "
            "not running\n");
}
