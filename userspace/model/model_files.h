/*
 * model_files.h - the text of a configuration: one file, or a directory of them.
 *
 * Knows paths and bytes. Knows nothing of sections.
 */
#pragma once
#include "userspace/config/yaml.h"

enum { CONFIG_FILES_MAX = 256 };

struct file_list {
	char **paths; /* in the order in which they are read */
	uint32_t count;
};

/* The files that path stands for: itself, or those of a directory. The caller ends it by fini. */
bool file_list_init(struct file_list *list, const char *path, struct err *err);
void file_list_fini(struct file_list *list);

/*
 * Everything that path holds, as one document; NULL and one sentence otherwise. Of a
 * directory: its *.yaml, *.yml and *.json in the order of their names, without hidden ones.
 */
const struct yaml *model_files_read(const struct yaml_room *room, const char *path,
				    struct err *err);
/* The same of texts. */
struct source;
const struct yaml *model_files_merge(const struct yaml_room *room, const struct source *sources,
				     uint32_t count, struct err *err);
