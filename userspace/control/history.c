#include "userspace/control/history.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/base/must.h"
#include "userspace/config/yaml.h"
#include "userspace/model/model_files.h"

struct revision {
	uint64_t number, last; /* from the one on to the other */
	time_t since;
	size_t bytes;
	json_t *files;
};

struct history {
	struct revision list[HISTORY_MAX]; /* oldest first */
	uint32_t count;
	size_t bytes;
};

struct history *history_create(void)
{
	return must_alloc(sizeof(struct history));
}

static void drop_oldest(struct history *h)
{
	h->bytes -= h->list[0].bytes;
	json_decref(h->list[0].files);
	memmove(&h->list[0], &h->list[1], --h->count * sizeof(h->list[0]));
}

void history_destroy(struct history *h)
{
	while (h && h->count > 0)
		drop_oldest(h);
	free(h);
}

/* False where it cannot be kept. */
static bool add_file(struct revision *r, const char *name)
{
	char *text = must_alloc(YAML_BYTES_MAX + 1);
	FILE *file = fopen(name, "re");
	size_t len = file ? fread(text, 1, YAML_BYTES_MAX + 1, file) : YAML_BYTES_MAX + 1;
	json_t *value = len <= YAML_BYTES_MAX ? json_stringn(text, len) : NULL;

	if (value)
		json_array_append_new(r->files,
				      json_pack("{s:s, s:o}", "name", name, "text", value));
	r->bytes += len;
	if (file)
		fclose(file);
	free(text);
	return value && r->bytes <= HISTORY_BYTES_MAX;
}

static bool add_files(struct revision *r, const char *path)
{
	struct file_list files;
	bool done = true;
	struct err err;

	if (!file_list_init(&files, path, &err))
		return false;
	for (uint32_t i = 0; i < files.count && done; i++)
		done = add_file(r, files.paths[i]);
	file_list_fini(&files);
	return done;
}

void history_add(struct history *h, const char *path, uint64_t revision)
{
	struct revision next = {
		.number = revision, .last = revision, .since = time(NULL), .files = json_array()
	};

	if (!add_files(&next, path)) {
		json_decref(next.files);
		return;
	}
	while (h->count == HISTORY_MAX ||
	       (h->count > 0 && h->bytes + next.bytes > HISTORY_BYTES_MAX))
		drop_oldest(h);
	h->bytes += next.bytes;
	h->list[h->count++] = next;
}

void history_extend(struct history *h, uint64_t revision)
{
	if (h->count > 0 && h->list[h->count - 1].last + 1 == revision)
		h->list[h->count - 1].last = revision;
}

bool history_is_same(const struct history *h, uint64_t one, uint64_t other)
{
	for (uint32_t i = 0; i < h->count; i++) {
		const struct revision *r = &h->list[i];

		if (one >= r->number && one <= r->last)
			return other >= r->number && other <= r->last;
	}
	return false;
}

static json_t *print_revision(const struct revision *r)
{
	return json_pack("{s:I, s:I, s:I}", "revision", (json_int_t)r->number, "since",
			 (json_int_t)r->since, "bytes", (json_int_t)r->bytes);
}

static json_t *print_list(const struct history *h)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < h->count; i++)
		json_array_append_new(list, print_revision(&h->list[i]));
	return json_pack("{s:o}", "revisions", list);
}

static const struct revision *find(const struct history *h, struct span asked)
{
	char digits[20] = "";
	uint64_t number;

	if (asked.len >= sizeof(digits))
		return NULL;
	memcpy(digits, asked.at, asked.len);
	if (strspn(digits, "0123456789") != asked.len)
		return NULL;
	number = strtoull(digits, NULL, 10);
	if (number == 0 && h->count > 0)
		return &h->list[h->count - 1];
	for (uint32_t i = 0; i < h->count; i++)
		if (number >= h->list[i].number && number <= h->list[i].last)
			return &h->list[i];
	return NULL;
}

char *history_print(const struct history *h, struct span asked, uint32_t *out_status)
{
	const struct revision *r = asked.len > 0 ? find(h, asked) : NULL;
	json_t *all;
	char *text;

	if (asked.len == 0) {
		all = print_list(h);
	} else if (r) {
		all = print_revision(r);
		json_object_set(all, "files", r->files);
	} else {
		*out_status = 400;
		all = json_pack("{s:s}", "error",
				"that revision is not kept; shuntctl revisions tells which are");
	}
	text = json_dumps(all, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(all);
	return text;
}
