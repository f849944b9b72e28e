/* SPDX-License-Identifier: MIT */
/*
 * Whether this nginx can load our module: it is asked to, with a
 * configuration that has nothing else and touches nothing of a running one.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child_program.h"
#include "doctor.h"
#include "lib/fs.h"


#define DOCTOR_NGINX_SEC  10


/* the first line that says why, without nginx's prefix */

static char *
doctor_nginx_reason(const char *output)
{
    size_t       len;
    const char  *p;

    p = strstr(output, "[emerg] ");
    p = p != NULL ? p + 8 : output;
    len = strcspn(p, "\n");

    return mem_printf("%.*s", (int) len, p);
}


static int
doctor_nginx_load(const char *binary, const char *module,
    struct strbuf *output, struct error *err)
{
    int            rc;
    char           directory[] = "/tmp/mint-doctor-XXXXXX";
    char          *path;
    const char    *argv[9];
    struct strbuf  conf = { 0 };

    if (mkdtemp(directory) == NULL) {
        return error_set_errno(err, "mkdtemp(\"%s\") failed", directory);
    }

    path = mem_printf("%s/nginx.conf", directory);
    strbuf_printf(&conf, "load_module \"%s\";\npid \"%s/nginx.pid\";\n"
                  "error_log stderr;\nevents { }\n", module, directory);

    rc = fs_write_atomic(path, conf.data, conf.len, 0644, err);

    if (rc == 0 && geteuid() == 0
        && chown(directory, CHILD_PROGRAM_UID, CHILD_PROGRAM_UID) == -1)
    {
        rc = error_set_errno(err, "chown of \"%s\" failed", directory);
    }

    if (rc == 0) {
        argv[0] = binary;
        argv[1] = "-t";
        argv[2] = "-p";
        argv[3] = directory;
        argv[4] = "-c";
        argv[5] = path;
        argv[6] = "-e";
        argv[7] = "stderr";
        argv[8] = NULL;
        rc = child_program_run(argv, DOCTOR_NGINX_SEC, output, err);
    }

    (void) fs_remove_tree(directory, NULL);
    strbuf_free(&conf);
    free(path);

    return rc;
}


static void
doctor_nginx_module(struct doctor *doctor, const char *binary,
    const char *version)
{
    int            rc;
    char          *module, *reason;
    struct error   err;
    struct strbuf  output = { 0 };

    module = mem_printf("%s/module/ngx_http_mint_module.so",
                        doctor_text(doctor, "program_directory"));
    rc = access(module, R_OK) == 0
         ? doctor_nginx_load(binary, module, &output, &err)
         : error_set_errno(&err, "\"%s\"", module);

    if (rc == 0) {
        doctor_say(doctor, DOCTOR_OK, NULL, "%s loads the module", version);

    } else if (rc > 0) {
        reason = doctor_nginx_reason(strbuf_text(&output));
        doctor_say(doctor, DOCTOR_ERROR, "build the module for this nginx "
                   "(make), or name the nginx it was built for in "
                   "nginx.binary", "%s does not load the module: %s", version,
                   reason);
        free(reason);

    } else {
        doctor_say(doctor, DOCTOR_ERROR, "make, then make run: it copies "
                   "programs and module to the program directory",
                   "the module cannot be tried: %s", err.text);
    }

    strbuf_free(&output);
    free(module);
}


void
doctor_check_nginx(struct doctor *doctor)
{
    int            rc;
    char          *version;
    const char    *argv[3], *binary;
    struct error   err;
    struct strbuf  output = { 0 };

    binary = doctor_text(doctor, "nginx.binary");

    if (binary[0] == '\0') {
        doctor_say(doctor, doctor_flag(doctor, "nginx.managed")
                   ? DOCTOR_ERROR : DOCTOR_WARN, "apt-get install nginx, or "
                   "name its path in nginx.binary",
                   "there is no program \"%s\"",
                   doctor_text(doctor, "nginx.wanted"));
        return;
    }

    argv[0] = binary;
    argv[1] = "-v";
    argv[2] = NULL;
    rc = child_program_run(argv, DOCTOR_NGINX_SEC, &output, &err);

    if (rc != 0) {
        doctor_say(doctor, DOCTOR_ERROR, "name another nginx in nginx.binary",
                   "\"%s -v\" failed: %s", binary,
                   rc < 0 ? err.text : strbuf_text(&output));

    } else {
        version = doctor_nginx_reason(strbuf_text(&output));
        doctor_nginx_module(doctor, binary,
                            strncmp(version, "nginx version: ", 15) == 0
                            ? version + 15 : version);
        free(version);
    }

    strbuf_free(&output);
}
