#include "userspace/model/model_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/must.h"
#include "userspace/config/yaml_merge.h"
#include "userspace/model/model.h"

/* Text to free; NULL and a sentence where it cannot be had, or is larger than what is parsed. */
static char *read_open(int fd, const char *file, size_t *out_len, struct err *err)
{
	char *text = must_alloc(YAML_BYTES_MAX + 1);
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, YAML_BYTES_MAX + 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0) {
		err_sys(err, "cannot read the configuration %s", file);
		free(text);
		return NULL;
	}
	*out_len = len;
	return text;
}

static struct yaml *read_file(const struct yaml_room *room, const char *file, struct err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct yaml *root = NULL;
	struct stat st;
	size_t len = 0;
	char *text;

	if (fd < 0) {
		err_sys(err, "cannot read the configuration %s", file);
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		err_set(err,
			"cannot read the configuration %s: expected a file or a directory of "
			"files, found something else",
			file);
		goto close_fd;
	}
	text = read_open(fd, file, &len, err);
	if (text)
		root = yaml_parse(room, arena_text(room->texts, span_of(file)), text, len, err);
	free(text);
close_fd:
	close(fd);
	return root;
}

static int is_configuration(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot &&
	       (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

void file_list_fini(struct file_list *list)
{
	while (list->count > 0)
		free(list->paths[--list->count]);
	free(list->paths);
	list->paths = NULL;
}

static bool list_folder(struct file_list *list, const char *folder, struct err *err)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_configuration, by_bytes);

	if (count < 0)
		return err_sys(err, "cannot read the configuration %s", folder);
	list->paths = must_alloc((size_t)(count + 1) * sizeof(list->paths[0]));
	for (int i = 0; i < count; i++) {
		if (list->count < CONFIG_FILES_MAX)
			MUST(asprintf(&list->paths[list->count++], "%s/%s", folder,
				      entries[i]->d_name) > 0);
		free(entries[i]);
	}
	free(entries);
	if (count > 0 && count <= CONFIG_FILES_MAX)
		return true;
	file_list_fini(list);
	return err_set(err,
		       "cannot read the configuration %s: expected 1 to %d files such as "
		       "shunt.yaml in this directory, found %d",
		       folder, CONFIG_FILES_MAX, count);
}

bool file_list_init(struct file_list *list, const char *path, struct err *err)
{
	struct stat st;

	*list = (struct file_list){ 0 };
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return list_folder(list, path, err);
	list->paths = must_alloc(sizeof(list->paths[0]));
	list->paths[0] = strdup(path);
	MUST(list->paths[0]);
	list->count = 1;
	return true;
}

const struct yaml *model_files_read(const struct yaml_room *room, const char *path, struct err *err)
{
	struct yaml *whole = yaml_merge_begin(room, path);
	struct file_list list;
	struct yaml *root = NULL;
	bool done = true;

	if (!file_list_init(&list, path, err))
		return NULL;
	for (uint32_t i = 0; i < list.count && done; i++) {
		root = read_file(room, list.paths[i], err);
		done = root && (list.count == 1 || yaml_merge(whole, root, err));
	}
	if (list.count > 1)
		root = whole;
	file_list_fini(&list);
	return done ? root : NULL;
}

const struct yaml *model_files_merge(const struct yaml_room *room, const struct source *sources,
				     uint32_t count, struct err *err)
{
	struct yaml *whole = yaml_merge_begin(room, "sources"), *root;

	for (uint32_t i = 0; i < count; i++) {
		const char *name = arena_text(room->texts, span_of(sources[i].name));

		root = yaml_parse(room, name, sources[i].text, sources[i].len, err);
		if (!root || (count > 1 && !yaml_merge(whole, root, err)))
			return NULL;
		if (count == 1)
			return root;
	}
	return whole;
}
