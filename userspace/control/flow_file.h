/*
 * flow_file.h - full splices as text, for another node: docs/splicing.md, Moving.
 *
 * Lines of JSON: a head, then one line for each splice. What belongs to one node alone is not in
 * it: next hops, entries, worker, reservation; what follows from other numbers is not either. Pure;
 * bounded by FLOW_FILE_LINE_MAX and the head's count. Knows nothing of tables.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/splice.h"
#include "userspace/base/err.h"
#include "userspace/base/span.h"
#include "userspace/splice/splice_rate.h"

enum {
	FLOW_FILE_VERSION = 1,
	FLOW_FILE_LINE_MAX = 4096, /* bytes, with the new line */
	FLOW_FILE_NODE_MAX = 255,
	FLOW_FILE_FLOWS_MAX = 1 << 20,
};

struct flow_head {
	char node[FLOW_FILE_NODE_MAX + 1]; /* who wrote it */
	uint64_t time_ms;                  /* since 1970, when it was written */
	uint32_t flows;                    /* lines that follow */
};

/* A splice that is SPLICED, its next hops, entry, port, buckets and start not set. */
struct flow_record {
	struct splice splice;
	struct splice_rate rate;
	uint64_t age_ms;
};

/* Both malloc'ed and with a new line; a name that is no UTF-8 becomes "?". */
char *flow_head_print(const struct flow_head *head);
char *flow_record_print(const struct flow_record *record);

struct flow_reader {
	struct span rest;
	struct flow_head head;
	uint32_t line;    /* number of the one that was read last */
	uint32_t read;    /* flows */
	struct span last; /* its bytes */
};

/* Reads the head. *err: one sentence with the line and the field. */
bool flow_reader_begin(struct flow_reader *reader, struct span text, struct err *err);
/* The next one; false and "" in *err where all have been read. */
bool flow_reader_next(struct flow_reader *reader, struct flow_record *out_record, struct err *err);
