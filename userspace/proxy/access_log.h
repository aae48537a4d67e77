/*
 * access_log.h - one JSON line an exchange or tunnel.
 *
 * Any thread. A line is one write(2) with O_APPEND, so lines do not mix; a line that cannot be
 * written is lost and counted, serving goes on.
 */
#pragma once
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/err.h"
#include "userspace/base/span.h"
#include "userspace/proxy/end_reason.h"

struct access_log;

struct access_line {
	uint64_t session;
	struct addr client;
	const char *vip;
	uint16_t port;
	struct span host, method, path; /* as received; escaped here, cut at a limit */
	const char *route, *upstream;   /* NULL: none */
	struct addr endpoint;           /* all zero: none */
	uint32_t status;                /* 0: a tunnel of no HTTP */
	uint64_t bytes_in, bytes_out;   /* of bodies or tunnel: from the client, to the client */
	uint64_t duration_ms;
	const char *tls, *server_name; /* version and what was asked for; NULL: none */
	const char *splice;            /* "full" or "none" */
	const char *splice_reason;     /* "" where it does not apply */
	enum end_reason end;
	const char *detail; /* of end; NULL: none */
};

/* "-" is standard output, NULL logs nothing. */
struct access_log *access_log_open(const char *path, struct err *err);
void access_log_close(struct access_log *log);
void access_log_reopen(struct access_log *log); /* after rotation; keeps the old file on failure */
/* A file of ours is that user's from now on (NULL: nobody's else), who opens it again later. */
bool access_log_hand_over(struct access_log *log, const char *user, struct err *err);
void access_log_write(struct access_log *log, const struct access_line *line);
uint64_t access_log_lost(const struct access_log *log); /* lines, since start */
