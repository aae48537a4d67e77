/*
 * yaml.h - a YAML 1.2 document as a tree with places (libfyaml reads, JSON being a subset).
 *
 * Knows nothing of what keys mean. Bounded: bytes, depth and nodes; anchors and aliases are
 * refused, since a few lines of them can stand for gigabytes, and tags, since none has a meaning.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/arena.h"
#include "userspace/base/err.h"

enum {
	YAML_BYTES_MAX = 1 << 20,
	YAML_DEPTH_MAX = 32,
	YAML_NODES_MAX = 200000,
	YAML_KEYS_MAX = 4096
};

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml {
	enum yaml_kind kind;
	struct place at;
	const char *text; /* YAML_TEXT: ended by NUL, and has none inside */
	bool plain;       /* YAML_TEXT: written without quotes */
	/* YAML_LIST: items by next. YAML_MAP: the values, each with its key. */
	struct yaml *first;
	uint32_t count;
	struct yaml *next;
	const char *key;
	struct place key_at;
};

/* Where trees are put. Texts are for whoever builds from a tree to keep: they may live longer. */
struct yaml_room {
	struct arena *nodes, *texts;
};

/* file: borrowed. NULL and one sentence where it cannot be read. */
struct yaml *yaml_parse(const struct yaml_room *room, const char *file, const char *text,
			size_t len, struct err *err);
/* Whole, with all its texts; NULL of NULL. Names of files too. */
struct yaml *yaml_copy(const struct yaml_room *room, const struct yaml *from);
/* The value of a key, or NULL. */
const struct yaml *yaml_get(const struct yaml *map, const char *key);
