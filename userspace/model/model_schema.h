/*
 * model_schema.h - all tables of keys by name: for documentation that cannot go stale.
 */
#pragma once
#include "userspace/config/schema.h"

struct schema_section {
	const char *name;
	const struct key *keys; /* ends with an empty key; no reader: of a later version */
};

/* Ends with an empty section. */
extern const struct schema_section model_schema[];
