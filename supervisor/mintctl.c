/* SPDX-License-Identifier: MIT */
/*
 * mintctl: asks the running supervisor.  This file knows the command line;
 * what the commands do is in admin/control.c.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/control.h"
#include "contract/mint_version.h"
#include "contract/mint_admin.h"
#include "lib/strbuf.h"


/* options that only some commands have */
enum {
    MAY_LINES = 1,
    MAY_FOLLOW = 2,
    MAY_ALL = 4,
    MAY_FORCE = 8
};


struct command {
    const char  *name;
    const char  *argument;              /* its name, NULL if there is none */
    unsigned     may;
    int          more;                  /* words that may follow it */
    long         timeout_sec;
    int        (*run)(const struct control *control);
    const char  *help;
};

struct command_line {
    struct control         control;
    const struct command  *command;
    char                  *socket;
    unsigned               given;       /* MAY_* */
    bool                   help;
    bool                   version;
};


static int mintctl_options(int argc, char **argv, struct command_line *line);
static void mintctl_flag(struct command_line *line, int opt);
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
    { "explain", "PLUGIN", 0, 0, 10, control_explain,
      "why a plugin is shared or isolated" },
    { "logs", "NAME", MAY_LINES | MAY_FOLLOW, 0, 10, control_logs,
      "last lines of a plugin, of platform or of nginx" },
    { "restart", "PLUGIN", MAY_ALL, 0, 300, control_restart,
      "restart a plugin, or with --all one after the other" },
    { "install", "BUNDLE", MAY_FORCE, 0, 3600, control_install,
      "install a .mint bundle or a wheel" },
    { "stop", NULL, 0, 0, 120, control_stop,
      "stop the whole system in order" },
    { "wait", NULL, 0, 0, 120, control_wait,
      "wait until the system runs and all plugins are ready" },
    { "table", "dump|diff", 0, 2, 10, control_table,
      "show the run files of nginx, or what differs from another directory" },
    { NULL, NULL, 0, 0, 0, NULL, NULL }
};


int
main(int argc, char **argv)
{
    int                   rc;
    struct command_line   line;

    memset(&line, 0, sizeof(line));
    line.control.lines = CONTROL_LINES;

    rc = mintctl_options(argc, argv, &line);
    if (rc == -1) {
        rc = mintctl_command(argc - optind, argv + optind, &line);
    }

    if (rc == -1) {
        if (line.socket == NULL) {
            line.socket = mintctl_socket();
        }

        line.control.socket = line.socket;
        control_catch_signals();
        rc = line.command->run(&line.control);
    }

    free(line.socket);

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
    int              opt;
    struct control  *control;

    static const struct option  names[] = {
        { "socket", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "timeout", required_argument, NULL, 't' },
        { "lines", required_argument, NULL, 'n' },
        { "follow", no_argument, NULL, 'f' },
        { "all", no_argument, NULL, 'a' },
        { "force", no_argument, NULL, 'F' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 }
    };

    control = &line->control;

    while ((opt = getopt_long(argc, argv, "n:fh", names, NULL)) != -1) {

        switch (opt) {

        case 's':
            free(line->socket);
            line->socket = mem_strdup(optarg);
            break;

        case 't':
            control->timeout_sec = mintctl_number(optarg, 86400);
            if (control->timeout_sec == 0) {
                return mintctl_usage("--timeout needs seconds, not ", optarg);
            }
            break;

        case 'n':
            control->lines = mintctl_number(optarg, CONTROL_LINES_MAX);
            line->given |= MAY_LINES;
            if (control->lines == 0) {
                return mintctl_usage("--lines needs a number from 1 to 200, "
                                     "not ", optarg);
            }
            break;

        case '?':
            return CONTROL_USAGE;

        default:
            mintctl_flag(line, opt);
        }
    }

    return -1;
}


static void
mintctl_flag(struct command_line *line, int opt)
{
    switch (opt) {

    case 'j':
        line->control.json = true;
        break;

    case 'f':
        line->control.follow = true;
        line->given |= MAY_FOLLOW;
        break;

    case 'a':
        line->control.all = true;
        line->given |= MAY_ALL;
        break;

    case 'F':
        line->control.force = true;
        line->given |= MAY_FORCE;
        break;

    case 'h':
        line->help = true;
        break;

    default:
        line->version = true;
    }
}


/* the words that are no options; -1: run line->command */

static int
mintctl_command(int argc, char **argv, struct command_line *line)
{
    int                    wanted;
    const struct command  *c;

    if (line->version) {
        printf("mintctl " MINT_VERSION "\n");
        return 0;
    }

    if (argc == 0) {
        mintctl_help(line->help ? stdout : stderr, NULL);
        return line->help ? 0 : CONTROL_USAGE;
    }

    for (c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, argv[0]) == 0) {
            break;
        }
    }

    if (c->name == NULL) {
        return mintctl_usage("there is no command ", argv[0]);
    }

    if (line->help) {
        mintctl_help(stdout, c);
        return 0;
    }

    if (line->given & ~c->may) {
        return mintctl_usage("an option does not belong to the command ",
                             c->name);
    }

    wanted = c->argument != NULL && !line->control.all ? 2 : 1;
    if (argc < wanted) {
        return mintctl_usage("missing: ", c->argument);
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


static void
mintctl_help(FILE *to, const struct command *only)
{
    size_t                 i;
    const struct command  *c;

    static const struct {
        unsigned     may;
        const char  *text;
    }  options[] = {
        { MAY_LINES, "-n, --lines N    so many lines: 20, at most 200" },
        { MAY_FOLLOW, "-f, --follow     go on until Ctrl-C" },
        { MAY_ALL, "--all            every plugin, one after the other" },
        { MAY_FORCE, "--force          the same version again, and without "
          "the check of what it\n                   requires of the platform" },
    };

    if (only != NULL) {
        fprintf(to, "usage: mintctl %s%s%s [options]\n\n  %s\n\n", only->name,
                only->argument != NULL ? " " : "",
                only->argument != NULL ? only->argument : "", only->help);

    } else {
        fprintf(to, "usage: mintctl COMMAND [options]\n\n");
        for (c = commands; c->name != NULL; c++) {
            fprintf(to, "  %-8s %-9s %s\n", c->name,
                    c->argument != NULL ? c->argument : "", c->help);
        }
        putc('\n', to);
    }

    for (i = 0; only != NULL && i < sizeof(options) / sizeof(options[0]); i++)
    {
        if (only->may & options[i].may) {
            fprintf(to, "  %s\n", options[i].text);
        }
    }

    fprintf(to,
            "  --socket PATH    the supervisor's socket; else MINT_VAR/run/"
            MINT_ADMIN_SOCKET ",\n"
            "                   ./var/run/" MINT_ADMIN_SOCKET " or "
            "/run/ngx-mint/" MINT_ADMIN_SOCKET "\n"
            "  --json           print the result as JSON\n"
            "  --timeout S      give up after so many seconds\n"
            "  --help, --version\n\n"
            "exit status: 0 done, 1 failed, 2 wrong usage, 3 the system is "
            "not running\n");
}
