/*
 * access_log.h - one JSON line an exchange or tunnel: its fields, in the order of writing.
 *
 * A writer belongs to one worker and only fills a ring of base/log_sink, so it never waits. The
 * names of fields are a promise to those who read the log; docs/operation.md says what each means.
 */
#pragma once
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/log_sink.h"
#include "userspace/proxy/access_note.h"
#include "userspace/proxy/end_reason.h"

/* The microseconds of an exchange, from when the first byte of its request was there; 0: not
 * reached. Each that is reached is at least 1 and not before the others above it. */
struct access_times {
	uint32_t head;      /* the head was read */
	uint32_t connected; /* a connection to an endpoint stood */
	uint32_t answered;  /* the head of the final answer was there, or made by us */
	uint32_t body;      /* the last byte of the request's body was read; beside the others */
	uint32_t queued;    /* behind head: its turn came, or it waited no more; 0: it never did */
};

struct access_line {
	const struct node *node;
	const struct log_config *config;
	const struct access_note *note; /* NULL: none */
	uint64_t session;
	struct addr client;
	const struct listener *listener; /* NULL: of a splice whose listener was removed */
	const char *route, *upstream;    /* NULL: none */
	struct addr endpoint;            /* all zero: none */
	bool reused;                     /* the connection to it served others before */
	uint32_t retries;                /* connections that were tried after the first one */
	uint32_t status;                 /* 0: a tunnel of no HTTP */
	uint64_t bytes_in, bytes_out;    /* of bodies or tunnel: from the client, to the client */
	struct access_times times;
	bool tunnel;               /* became one: what follows the connection is its transfer */
	uint64_t idle_us;          /* before the request's first byte */
	uint64_t handshake_us;     /* of TLS; 0: none, or of an exchange before */
	uint64_t total_us;         /* 0: times are not known */
	const char *tls, *name;    /* version and server name asked for; NULL: none */
	uint64_t session_id;       /* of the TLS session; 0: none */
	bool session_resumed;      /* by this connection */
	const char *splice;        /* "full", "body" or "none"; "ended": the end of a full one */
	const char *splice_reason; /* "" where it does not apply */
	uint64_t splice_us;        /* of "ended": since the kernel took it over */
	const char *closed_by;     /* of "ended" */
	uint64_t bytes_spliced;    /* of bodies; they are in bytes_in and bytes_out as well */
	enum end_reason end;
	const char *detail; /* of end; NULL: none */
};

/* All names of fields; those of timings say their unit. */
extern const char *const access_log_fields[]; /* ends with NULL */

struct access_log;

/* NULL where sink is. */
struct access_log *access_log_create(struct log_sink *sink);
void access_log_destroy(struct access_log *log);       /* accepts NULL */
bool access_log_is_used(const struct access_log *log); /* else lines are for nobody; NULL too */
void access_log_write(struct access_log *log, const struct access_line *line);
/* As access_log_write puts it, into LINE_BYTES_MAX bytes; now: of the wall clock. */
uint32_t access_log_format(struct access_log *log, const struct access_line *line, uint64_t now_us,
			   char *out);
