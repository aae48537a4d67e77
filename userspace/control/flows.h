/*
 * flows.h - the spliced connections, read from the pinned table itself.
 *
 * Needs no daemon: the table outlives it. Only reads.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/splice.h"
#include "userspace/base/err.h"

enum { FLOWS_SHOWN_MAX = 65536 };

/* One used element of the table, at now_ms of CLOCK_BOOTTIME, as a JSON object (for tests). */
struct json_t;
struct json_t *flows_entry(const struct splice *splice, uint64_t now_ms);
const char *flows_state_name(uint32_t state);

/* All of them as a JSON array, malloc'ed; an empty one where nothing is pinned and err is NULL.
 * nat: and connections of `forward: nat`, FLOWS_SHOWN_MAX of both. */
char *flows_print(const char *pin_dir, bool nat, struct err *err);

/* The pinned table of struct splice, for reading; -1 and *err where there is none of ours. */
int flows_open(const char *pin_dir, uint32_t *out_count, struct err *err);
