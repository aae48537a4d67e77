/*
 * flow_fields.h - which fields a line of a flow file has, as tables: read and written by them.
 */
#pragma once
#include <stdint.h>

#include "bpf/abi/splice.h"
#include "userspace/base/addr.h"
#include "userspace/control/flow_file.h"

enum { FLOW_NAME_BYTES = sizeof(((struct splice *)0)->name) };

enum field_kind {
	FIELD_NUMBER,   /* of `bytes`, at most `most` */
	FIELD_WHETHER,  /* true or false, as a uint32_t */
	FIELD_ADDRESS,  /* with a port */
	FIELD_IP,       /* without */
	FIELD_MAC,      /* six bytes */
	FIELD_HASH,     /* sixteen digits, as a uint64_t: more than a number of JSON holds */
	FIELD_TEXT,     /* in `bytes` bytes with its NUL, not empty */
	FIELD_OBJECT,   /* of `inside` */
	FIELD_OPTIONAL, /* the same, may be missing: then all zero */
};

struct field {
	const char *name; /* NULL: the end of a table */
	enum field_kind kind;
	uint32_t at, bytes;
	uint64_t least, most;
	const struct field *inside;
};

/* A line as it stands there. */
struct flow_line {
	struct addr client, vip, source, endpoint;
	char upstream[FLOW_NAME_BYTES];
	uint32_t timestamps;
	uint64_t age_ms, session;
	uint32_t idle_ms, most_ms;
	struct flow_tunnel {
		uint32_t vni; /* 0: none */
		struct addr host;
		uint8_t mac[6];
	} tunnel;
	struct flow_rate {
		uint64_t owner, all, source;
		uint32_t over_client, over_endpoint; /* segments that were dropped for it */
	} rate;
	struct splice_dir dir[2];
};

struct flow_head_line {
	uint32_t version, abi;
	struct flow_head head;
};

extern const struct field flow_line_fields[], flow_head_fields[];
