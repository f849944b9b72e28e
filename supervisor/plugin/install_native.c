/* SPDX-License-Identifier: MIT */
/*
 * Shared libraries that a new environment needs and this host lacks, as
 * plugin_host/native.py has found them: said, kept with the verdict, and named
 * where the plugin cannot be loaded without them.
 */

#include "supervisor/plugin/install_job.h"

#include <string.h>

#include "lib/log.h"


static bool
install_native_is_old(const struct inventory *then, const json_t *need)
{
    size_t       found;
    const char  *version, *package;

    package = json_string_value(json_object_get(need, "package"));
    version = json_string_value(json_object_get(need, "version"));
    found = package != NULL ? inventory_find(then, package) : INVENTORY_NONE;

    return found != INVENTORY_NONE && version != NULL
           && strcmp(then->packages[found].version, version) == 0;
}


/* what others have brought into the shared environment is not its affair,
   unless it comes anew: then some of it may be its own */

void
install_native(struct install_job *job, const struct inventory *inventory)
{
    size_t       i;
    json_t      *need, *list;
    const char  *sentence;

    list = json_array();

    json_array_foreach(json_object_get(inventory->data, "libraries"), i, need) {
        sentence = json_string_value(json_object_get(need, "sentence"));

        if (sentence == NULL
            || (job->decision.mode == PLUGIN_SHARED && job->replaced == NULL
                && install_native_is_old(&job->installer->inventory, need)))
        {
            continue;
        }

        json_array_append(list, need);
        log_warn("plugin \"%s\" %s: %.800s", job->wheel.plugin_name,
                 job->wheel.version, sentence);
        install_progress(job->installer, "warning: %.800s", sentence);
    }

    /* it may have been asked before, of an environment that was damaged */
    if (json_array_size(list) > 0) {
        json_object_set(job->decision.verdict, "libraries", list);
    } else {
        json_object_del(job->decision.verdict, "libraries");
    }

    json_decref(list);
}


void
install_native_blame(const struct install_job *job, struct error *err)
{
    size_t        i;
    json_t       *need;
    const char   *library, *sentence;
    struct error  why;

    json_array_foreach(json_object_get(job->decision.verdict, "libraries"), i,
                       need)
    {
        library = json_string_value(json_object_get(need, "library"));
        sentence = json_string_value(json_object_get(need, "sentence"));

        if (library != NULL && library[0] != '\0' && sentence != NULL
            && strstr(err->text, library) != NULL)
        {
            why = *err;
            error_set(err, (enum mint_err) why.code, "%.400s: %s", sentence,
                      why.text);
            err->system_errno = why.system_errno;
            return;
        }
    }
}
