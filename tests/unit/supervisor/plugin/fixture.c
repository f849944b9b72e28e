/* SPDX-License-Identifier: MIT */
/*
 * See fixture.h.
 */

#include "fixture.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"


char *
fixture_directory(void)
{
    char        *path;
    const char  *base;

    base = getenv("TMPDIR");
    path = mem_printf("%s/mint-plugin-XXXXXX",
                      base != NULL && base[0] == '/' ? base : "/tmp");

    if (mkdtemp(path) == NULL) {
        perror("mkdtemp");
        abort();
    }

    return path;
}


void
fixture_remove(char *directory)
{
    fs_remove_tree(directory, NULL);
    free(directory);
}


void
fixture_write(const char *path, const char *text)
{
    if (fs_write_atomic(path, text, strlen(text), 0644, NULL) != 0) {
        perror(path);
        abort();
    }
}


static uint32_t
fixture_crc32(const char *data, size_t len)
{
    size_t    i;
    unsigned  bit;
    uint32_t  crc;

    crc = 0xffffffff;

    for (i = 0; i < len; i++) {
        crc ^= (unsigned char) data[i];

        for (bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) ? 0xedb88320 : 0);
        }
    }

    return ~crc;
}


static void
fixture_u16(struct strbuf *b, unsigned value)
{
    unsigned char  bytes[2] = { value & 0xff, value >> 8 & 0xff };

    strbuf_append(b, bytes, 2);
}


static void
fixture_u32(struct strbuf *b, uint32_t value)
{
    fixture_u16(b, value & 0xffff);
    fixture_u16(b, value >> 16);
}


static size_t
fixture_len(const struct fixture_file *file)
{
    return file->len != 0 ? file->len : strlen(file->data);
}


static void
fixture_common(struct strbuf *b, const struct fixture_file *file)
{
    fixture_u16(b, 20);                         /* version needed */
    fixture_u16(b, 0);
    fixture_u16(b, 0);                          /* stored */
    fixture_u32(b, 0x5a210000);                 /* time and date */
    fixture_u32(b, fixture_crc32(file->data, fixture_len(file)));
    fixture_u32(b, (uint32_t) fixture_len(file));
    fixture_u32(b, (uint32_t) fixture_len(file));
    fixture_u16(b, (unsigned) strlen(file->name));
    fixture_u16(b, 0);
}


void
fixture_zip(const char *path, const struct fixture_file *files)
{
    size_t         i, count;
    uint32_t       offset, start;
    struct strbuf  body, directory;

    memset(&body, 0, sizeof(body));
    memset(&directory, 0, sizeof(directory));

    for (count = 0; files[count].name != NULL; count++) {
        offset = (uint32_t) body.len;

        strbuf_append(&body, "PK\3\4", 4);
        fixture_common(&body, &files[count]);
        strbuf_puts(&body, files[count].name);
        strbuf_append(&body, files[count].data, fixture_len(&files[count]));

        strbuf_append(&directory, "PK\1\2", 4);
        fixture_u16(&directory, 3 << 8 | 20);   /* made by unix */
        fixture_common(&directory, &files[count]);
        fixture_u16(&directory, 0);
        fixture_u16(&directory, 0);
        fixture_u16(&directory, 0);
        fixture_u32(&directory, 0100644U << 16);
        fixture_u32(&directory, offset);
        strbuf_puts(&directory, files[count].name);
    }

    start = (uint32_t) body.len;
    strbuf_append(&body, directory.data, directory.len);
    strbuf_append(&body, "PK\5\6\0\0\0\0", 8);

    for (i = 0; i < 2; i++) {
        fixture_u16(&body, (unsigned) count);
    }

    fixture_u32(&body, (uint32_t) directory.len);
    fixture_u32(&body, start);
    fixture_u16(&body, 0);

    if (fs_write_atomic(path, body.data, body.len, 0644, NULL) != 0) {
        perror(path);
        abort();
    }

    strbuf_free(&body);
    strbuf_free(&directory);
}


static char *
fixture_underscores(const char *name)
{
    char  *out, *p;

    out = mem_strdup(name);

    for (p = out; *p != '\0'; p++) {
        if (*p == '-' || *p == '.') {
            *p = '_';
        }
    }

    return out;
}


/* one line of RECORD: "name,sha256=<base64url>,size" */

static void
fixture_record(struct strbuf *record, const char *name, const char *data)
{
    size_t         n;
    unsigned char  digest[32], text[64];

    EVP_Digest(data, strlen(data), digest, NULL, EVP_sha256(), NULL);
    EVP_EncodeBlock(text, digest, 32);

    for (n = 0; text[n] != '\0'; n++) {
        text[n] = text[n] == '+' ? '-' : text[n] == '/' ? '_' : text[n];
    }

    strbuf_printf(record, "%s,sha256=%.*s,%zu\n", name,
                  (int) strcspn((char *) text, "="), (char *) text,
                  strlen(data));
}


char *
fixture_wheel(const char *directory, const char *distribution,
    const char *version, const char *plugin, const char *const *requires,
    const char *source)
{
    char                 *module, *info, *path, *names[5];
    size_t                i;
    struct strbuf         metadata, entry, record;
    struct fixture_file   files[6];

    memset(files, 0, sizeof(files));
    memset(&metadata, 0, sizeof(metadata));
    memset(&entry, 0, sizeof(entry));
    memset(&record, 0, sizeof(record));

    module = fixture_underscores(distribution);
    info = mem_printf("%s-%s.dist-info", module, version);

    strbuf_printf(&metadata, "Metadata-Version: 2.1\nName: %s\nVersion: %s\n"
                  "Requires-Python: >=3.12\n", distribution, version);

    for (i = 0; requires[i] != NULL; i++) {
        strbuf_printf(&metadata, "Requires-Dist: %s\n", requires[i]);
    }

    strbuf_puts(&metadata, "\nSome words: about it.\n");

    if (plugin != NULL) {
        strbuf_printf(&entry, "[mint.plugins]\n%s = %s:Plugin\n", plugin,
                      module);
    }

    names[0] = mem_printf("%s/__init__.py", module);
    names[1] = mem_printf("%s/METADATA", info);
    names[2] = mem_printf("%s/WHEEL", info);
    names[3] = mem_printf("%s/entry_points.txt", info);
    names[4] = mem_printf("%s/RECORD", info);

    files[0].data = source;
    files[1].data = strbuf_text(&metadata);
    files[2].data = "Wheel-Version: 1.0\nGenerator: fixture\n"
                    "Root-Is-Purelib: true\nTag: py3-none-any\n";
    files[3].data = strbuf_text(&entry);

    for (i = 0; i < 4; i++) {
        fixture_record(&record, names[i], files[i].data);
    }

    strbuf_printf(&record, "%s,,\n", names[4]);
    files[4].data = strbuf_text(&record);
    files[5].name = NULL;

    for (i = 0; i < 5; i++) {
        files[i].name = names[i];
    }

    path = mem_printf("%s/%s-%s-py3-none-any.whl", directory, module, version);
    fixture_zip(path, files);

    for (i = 0; i < 5; i++) {
        free(names[i]);
    }

    free(info);
    free(module);
    strbuf_free(&metadata);
    strbuf_free(&entry);
    strbuf_free(&record);

    return path;
}


char *
fixture_bundle(const char *directory, const char *distribution,
    const char *version, const char *wheel, const char *requires_mint)
{
    char                 *manifest, *path;
    struct strbuf         data;
    struct fixture_file   files[3];

    memset(&data, 0, sizeof(data));
    memset(files, 0, sizeof(files));

    if (fs_read(wheel, 64 * 1024 * 1024, &data, NULL) != 0) {
        perror(wheel);
        abort();
    }

    manifest = mem_printf("{\"format_version\": 1, \"plugin\": {\"name\": "
                          "\"%s\", \"version\": \"%s\", \"requires_mint\": "
                          "\"%s\"}, \"wheels\": {\"main\": \"%s\", "
                          "\"dependencies\": []}}", distribution, version,
                          requires_mint, strrchr(wheel, '/') + 1);

    files[0].name = "manifest.json";
    files[0].data = manifest;
    files[1].name = strrchr(wheel, '/') + 1;
    files[1].data = data.data;
    files[1].len = data.len;

    path = mem_printf("%s/%s-%s.mint", directory, distribution, version);
    fixture_zip(path, files);

    free(manifest);
    strbuf_free(&data);

    return path;
}


static void
fixture_pack(const char *text, struct strbuf *out)
{
    unsigned char  head[2];

    head[0] = 0xd9;
    head[1] = (unsigned char) strlen(text);
    strbuf_append(out, head, 2);
    strbuf_puts(out, text);
}


void
fixture_release_entry(const char *name, const char *version,
    const char *python, const char *const *requires, struct strbuf *out)
{
    size_t         i, count;
    unsigned char  head[3];

    for (count = 0; requires[count] != NULL; count++) {
        /* void */
    }

    strbuf_append(out, "\x96", 1);
    fixture_pack(name, out);
    fixture_pack(version, out);

    head[0] = 0xdc;
    head[1] = (unsigned char) (count >> 8);
    head[2] = (unsigned char) count;
    strbuf_append(out, head, 3);

    for (i = 0; i < count; i++) {
        fixture_pack(requires[i], out);
    }

    if (python != NULL) {
        fixture_pack(python, out);

    } else {
        strbuf_append(out, "\xc0", 1);
    }

    strbuf_append(out, "\x91\xa3" "all\xc2", 6);
    strbuf_append(out, "\0\0\0what follows", 15);
}


void
fixture_release(const char *cache, const char *name, const char *version,
    const char *tags, const char *python, const char *const *requires)
{
    char           *path, *directory;
    struct strbuf   entry;

    memset(&entry, 0, sizeof(entry));
    fixture_release_entry(name, version, python, requires, &entry);
    directory = mem_printf("%s/wheels-v8/pypi/%s", cache, name);
    path = mem_printf("%s/%s-%s.msgpack", directory, version, tags);

    if (fs_mkdir_all(directory, 0700, NULL) != 0
        || fs_write_atomic(path, entry.data, entry.len, 0600, NULL) != 0)
    {
        perror(path);
        abort();
    }

    free(directory);
    free(path);
    strbuf_free(&entry);
}


void
fixture_plugin(struct plugin *plugin, const char *name,
    enum plugin_mode mode)
{
    memset(plugin, 0, sizeof(struct plugin));

    plugin->name = mem_strdup(name);
    plugin->distribution = mem_printf("mint-plugin-%s", name);
    plugin->version = mem_strdup("0.1.0");
    plugin->entry_point = mem_strdup(name);
    plugin->entry_group = mem_strdup("mint.plugins");
    plugin->routes_prefix = mem_printf("/%s", name);
    plugin->plugin_type = mem_strdup("analysis");
    plugin->mode = mode;
    plugin->reason = mem_strdup("shared because the test says so");
    plugin->details = json_array();
    plugin->environment = mem_strdup("/environments/platform-1");
    plugin->wheel = mem_printf("/bundles/%s.whl", name);
    plugin->probe = json_pack("{s:s}", "name", name);
}
