/*
 * decide.h - from the head of a request to what becomes of it, and the head that goes on.
 *
 * The one place where that is decided: by workers, for the tests: of a configuration, and for who
 * asks why. Pure: who asks, names and chance come as arguments, texts go into the caller's bytes.
 * Knows nothing of endpoints.
 */
#pragma once
#include "userspace/http/h1_parser.h"
#include "userspace/http/h1_writer.h"
#include "userspace/http/scrub.h"
#include "userspace/route/rewrite.h"
#include "userspace/route/router.h"

enum { DECIDE_HEAD_BYTES = 16384 };

/* Of heads of requests and responses. */
extern const struct h1_limits decide_limits;

/* Who asks, and by what way. */
struct asked {
	const struct listener *listener;
	const struct addr *client; /* NULL: not known */
	struct span sni;           /* empty: none */
	struct span alpn;          /* at NULL: none was agreed on */
	struct span subject;       /* of the client's certificate; at NULL: none */
	uint64_t session_id;       /* of the TLS session (base/session_id.h); 0: none */
	bool session_resumed;
	struct span id;             /* the request's name; empty: it has none */
	bool secure;                /* by TLS */
	uint64_t chance;            /* any number, for splits of those that are nobody's */
	struct route_trace *trace;  /* NULL: nobody asks why */
	struct route_trace *losers; /* see router.h */
};

enum decided {
	DECIDED_UPSTREAM,
	DECIDED_ANSWER, /* by the route itself */
	DECIDED_NO_CONNECT,
	DECIDED_BAD_PATH,
	DECIDED_BAD_FIELD,
	DECIDED_NO_ROUTE,
};

struct decision {
	enum decided kind;
	uint16_t status;                 /* of our own answer; 0: the endpoint's */
	struct span path;                /* normalised */
	const struct route *route;       /* NULL: none */
	const struct upstream *upstream; /* NULL: none, or all shares of a split are 0 */
	enum sticky split_by;            /* by what a split has told the user apart */
};

/* What its listener removes of a request, and of its trailers. */
struct scrub decide_scrub(const struct listener *listener);
/* msg is scrubbed. path: bytes for the normalised one. */
struct decision decide(const struct asked *asked, struct message *msg, char *path, size_t room);

enum { FILTER_FIELDS_MAX = 16, OWN_FIELDS_MAX = 4, OWN_ADDED_MAX = 2 };

/* What a route's filters change. */
struct filter_fields {
	struct field set[FILTER_FIELDS_MAX + OWN_FIELDS_MAX],
		added[FILTER_FIELDS_MAX + OWN_ADDED_MAX];
	uint32_t set_count, added_count;
	struct span path, host; /* of a request; where host is empty, as it was */
};

/* The head as the endpoint gets it; texts: bytes that filters write to. False: it does not fit. */
bool decide_head(const struct asked *asked, const struct message *msg,
		 const struct decision *decision, struct rewrite_room texts, struct h1_writer *w);
/* Adds what the route does to a response; decision: of its request. False: no room. */
bool decide_response(const struct asked *asked, const struct decision *decision,
		     struct rewrite_room texts, struct filter_fields *fields);
/* Where the route's redirect leads, with parts of the request; empty where that does not fit. */
struct span decide_location(const struct asked *asked, const struct message *msg,
			    const struct decision *decision, struct rewrite_room texts);
