/*
 * explain_query.h - a request that somebody asks about, and which listener would have it.
 *
 * {"request": "GET https://www.example.com/x", "headers": ["Name: value"], "from": ADDRESS, "vip":
 * NAME, "subject": TEXT, "session_id": DIGITS, "session_resumed": BOOL, "alpn": "h2,http/1.1"}: all
 * but the request may be left out. Pure; everything is in the arena.
 */
#pragma once
#include <jansson.h>

#include "userspace/base/arena.h"
#include "userspace/base/err.h"
#include "userspace/proxy/explain.h"

struct explain_query {
	const char *request; /* as it was asked */
	const char *vip;     /* NULL: any */
	const char *sni;     /* NULL: none */
	const char *alpn;    /* what the client offers (sni_match_offer); NULL: http/1.1 alone */
	const char *subject; /* of the client's certificate; NULL: none */
	uint64_t session_id; /* of the TLS session; 0: none */
	bool session_resumed;
	struct span head; /* as a client would send it */
	struct addr client;
	bool has_client;
	bool secure;
	uint16_t port;
};

bool explain_query_read(struct arena *arena, const json_t *asked, struct explain_query *out,
			struct err *err);
/* The nth listener that may have it, in order of writing; NULL: there are no more. */
const struct listener *explain_query_listener(const struct explain_query *query,
					      const struct model *model, uint32_t nth);
/* For one of those. */
struct explain_ask explain_query_ask(const struct explain_query *query, struct snapshot *snapshot,
				     const struct listener *listener);
