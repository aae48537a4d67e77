/*
 * sample_print.h - one sampled packet as a line for people, or as JSON. Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi/counter.h"
#include "bpf/abi/sample.h"

struct json_t;

/* What the numbers of a sample are called; NULL: not known, the number is shown. */
struct sample_names {
	const char *vip, *endpoint, *device, *out_device;
};

enum { SAMPLE_LINE_MAX = 768 };

struct sample_line {
	char text[SAMPLE_LINE_MAX];
};

/* "tcp 198.51.100.7:4000 > 203.0.113.10:443 [syn]" */
struct sample_line sample_tuple(const struct sample *sample);
/* wall_ns: its time since 1970, UTC. */
struct sample_line sample_print(const struct sample *sample, const struct sample_names *names,
				uint64_t wall_ns);
struct json_t *sample_json(const struct sample *sample, const struct sample_names *names,
			   uint64_t wall_ns);

const char *sample_reason(uint32_t why);      /* "NO_ENDPOINT" */
const char *sample_reason_text(uint32_t why); /* "dropped: the ring is empty ..." */
/* By name, whatever its case; COUNTERS where there is none. */
uint32_t sample_reason_find(const char *name, size_t len);
const char *sample_action(uint8_t action); /* "pass", "drop", "tx", "redirect" */
