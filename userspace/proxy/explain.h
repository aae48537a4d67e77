/*
 * explain.h - what would become of a request now, and why: by the code that would do it.
 *
 * Decides nothing itself and changes nothing: chance and turns are looked at, not used up. Where a
 * proxy does nothing else in between, its next request goes as it says. Belongs to the thread of
 * the rosters that are looked at.
 */
#pragma once
#include "userspace/proxy/end_reason.h"
#include "userspace/proxy/proxy.h"
#include "userspace/route/decide.h"
#include "userspace/route/sni_match.h"
#include "userspace/splice/splice_reason.h"
#include "userspace/upstream/roster.h"

enum {
	EXPLAIN_TRIES_MAX = 256,     /* routes that are told */
	EXPLAIN_ENDPOINTS_MAX = 256, /* of an upstream */
	EXPLAIN_BYTES = 16384,
};

struct explain_ask {
	struct snapshot *snapshot;
	const struct listener *listener; /* of snapshot; of the proxy */
	struct addr client;
	bool has_client;     /* else nobody knows */
	const char *sni;     /* NULL: none */
	const char *alpn;    /* as sni_match_offer() takes it; NULL: http/1.1 alone */
	const char *subject; /* of the client's certificate; NULL: none */
	uint64_t session_id; /* of the TLS session; 0: none */
	bool session_resumed;
	struct span head; /* as the client would send it */
};

/* What is known beside the snapshot. */
struct explain_state {
	struct rosters *rosters;
	uint64_t now_ms, chance, dealt;
	bool splices;                 /* there is a fast path */
	bool live;                    /* what routes have used up of their limits counts */
	const struct idle_pool *idle; /* connections that wait to be used; NULL: none */
};

struct explain_endpoint {
	const struct endpoint *endpoint;
	struct roster_state state;
};

struct explained {
	enum end_reason end; /* END_DONE: nothing is wrong so far */
	const char *detail;  /* of end; NULL: none */
	uint16_t status;     /* of our own answer; 0: the endpoint's */
	bool tunnels;        /* ends as one, or may */
	struct decision decision;
	const struct upstream *wanted; /* before another one stood in for it; NULL: none */
	struct route_trace trace;
	struct sni_ask hello;                  /* what the client says in TLS */
	const struct sni_route *entry;         /* of tls-passthrough; NULL: none */
	const struct certificate *certificate; /* NULL: no TLS, or not known */
	struct span location;                  /* of a redirect */
	struct span head;                      /* as the endpoint gets it */
	/* Of what leads it back to the endpoint that it had. */
	bool keyed, keyless, keeps, foreign;
	uint32_t kept;
	struct explain_endpoint endpoints[EXPLAIN_ENDPOINTS_MAX];
	uint32_t endpoint_count;
	bool any;   /* too few were fit, so that all were taken for it */
	bool waits; /* in its upstream's line: all that are fit are full */
	enum roster_answer answer;
	uint32_t place;                   /* of the endpoint, with ROSTER_FOUND */
	bool asked;                       /* an endpoint was looked for */
	bool full, bodies;                /* a tunnel; bodies of known length: would be spliced */
	enum splice_reason splice_reason; /* why not; SPLICE_REASON_NONE: nothing is against it */
	uint64_t splice_threshold;
	struct route_try tries[EXPLAIN_TRIES_MAX];
	char path[EXPLAIN_BYTES], texts[EXPLAIN_BYTES], written[EXPLAIN_BYTES];
};

/* out lives no longer than ask, its snapshot and its bytes. */
void explain(const struct explain_state *state, const struct explain_ask *ask,
	     struct explained *out);
/* By what a worker's proxy knows. Its thread. */
void explain_by(const struct proxy *proxy, const struct explain_ask *ask, struct explained *out);
