/*
 * schema.h - maps of a configuration as tables: which keys there are and how each is read.
 *
 * Knows kinds of values and how to complain. Knows nothing of what keys mean: the tables are in
 * model/. Mistakes are collected, and reading goes on with the next key.
 */
#pragma once
#include "userspace/config/yaml.h"

enum { FINDINGS_MAX = 20 };

/* Several mistakes in one go: each a whole sentence with file:line:column. */
struct findings {
	struct err list[FINDINGS_MAX];
	uint32_t count; /* of list that are filled */
	uint32_t more;  /* that did not fit */
};

/* One reading of one file. */
struct reading {
	struct arena *arena;
	struct findings *findings;
	void *context; /* of the tables' own readers */
};

void finding(struct reading *r, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct key {
	const char *name;
	/* Reads value into its place; complains by finding(). NULL: known, but of a later version.
	 */
	void (*read)(struct reading *r, const struct key *key, const struct yaml *value,
		     void *into);
	size_t offset; /* of its place in the struct */
	uint64_t min, max;
	bool required;
};

/* Ends with an empty key. */
void schema_read(struct reading *r, const struct key *keys, const struct yaml *map, void *into);
/* False, and a finding, where value is of another kind. what: "a list of routes". */
bool schema_is(struct reading *r, const struct yaml *value, enum yaml_kind kind, const char *what);
/* The kind, for sentences: "a map", "\"abc\"". */
const char *schema_found(const struct yaml *value);
/* Of what there must be one: none, or more. */
const char *schema_found_count(uint32_t count);
/* The nearest of the names, or NULL where none is near. next returns names until NULL. */
struct nearest {
	const char *to;
	const char *best;
	uint32_t distance;
};
void nearest_try(struct nearest *n, const char *name);
const char *nearest_best(const struct nearest *n);

/* Readers for tables; the place they write to is named. */
void read_text(struct reading *r, const struct key *key, const struct yaml *value,
	       void *into); /* const char *; at most max bytes, 255 where 0 */
void read_number(struct reading *r, const struct key *key, const struct yaml *value,
		 void *into); /* uint32_t, min to max */
void read_long(struct reading *r, const struct key *key, const struct yaml *value,
	       void *into); /* uint64_t */
void read_duration(struct reading *r, const struct key *key, const struct yaml *value,
		   void *into); /* uint32_t, milliseconds, min to max */
void read_size(struct reading *r, const struct key *key, const struct yaml *value,
	       void *into); /* uint64_t, bytes, min to max; "512MB" is 512 * 2^20 */
void read_ip(struct reading *r, const struct key *key, const struct yaml *value,
	     void *into); /* struct addr, port 0 */
bool number_parse(const char *text, uint64_t max, uint64_t *out_n);
