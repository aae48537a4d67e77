/*
 * router.h - from a request to a route.
 *
 * Knows the precedence (that of the Kubernetes Gateway API: most specific host, exact path, longest
 * prefix, regular expression, method, number of header and cookie matches, of query matches, order
 * of writing). Pure: takes spans, touches nothing.
 * The table is sorted and compiled when the model is built; how long a look-up takes depends on the
 * length of host and path, not on the number of routes.
 */
#pragma once
#include "userspace/base/span.h"
#include "userspace/model/model.h"

/* What of a request did not meet a route. */
enum route_miss {
	MISS_NONE,
	MISS_PATH, /* not as its expression, or "*" below a prefix */
	MISS_METHOD,
	MISS_HEADER,
	MISS_LISTENER,
	MISS_SNI,
	MISS_ALPN,
	MISS_SUBJECT,
	MISS_SESSION_ID,
	MISS_RESUMPTION,
	MISS_CLIENT,
	MISS_COUNTRY,
	MISS_COOKIE,
	MISS_QUERY,
};

struct route_try {
	const struct route *route;
	enum route_miss miss;
	uint32_t which; /* of the route's headers, cookies or queries; the client's country */
};

/* All routes that were tried for a request, in the order of precedence, also behind the first that
 * matches. */
struct route_trace {
	struct route_try *tries; /* room of them */
	uint32_t room, count, more;
	const struct route *taken; /* the first that matches; NULL: none */
};

/* By which rule one route comes before another. */
enum route_rule {
	RULE_HOST,
	RULE_PATH,
	RULE_METHOD,
	RULE_VALUES, /* fields and cookies */
	RULE_QUERIES,
	RULE_ORDER, /* of writing */
};

struct route_request {
	struct span host;  /* without port, any case */
	struct span path;  /* normalised, without query */
	struct span query; /* without "?" */
	struct span method;
	struct span sni;                 /* what the client asked for in TLS; empty: nothing */
	struct span alpn;                /* agreed on; at NULL: none */
	struct span subject;             /* of the client's certificate; at NULL: none */
	uint64_t session_id;             /* of the TLS session (base/session_id.h); 0: none */
	bool session_resumed;            /* it had a connection before this one */
	const struct addr *client;       /* NULL: not known, in no network */
	uint16_t country;                /* of the client (country.h); for tables that ask for it */
	const struct listener *listener; /* NULL: none of those that routes name */
	struct route_trace *trace;       /* NULL: nobody asks why */
	/* Only those that are tried in vain before one is taken: at no cost that could be measured.
	 * NULL: nobody wants them. */
	struct route_trace *losers;
	/* Value of a field (name in lower case), at NULL where absent. */
	struct span (*field)(const void *context, struct span name);
	const void *context;
};

/* NULL where no route matches. Any thread. */
const struct route *router_find(const struct route_table *table, const struct route_request *req);
/* Sorts the table and makes its index, once, in the model's arena. */
void router_compile(struct arena *arena, struct route_table *table);
/* For sorting when a table is built: negative where a comes before b. */
int router_compare(const struct route *a, const struct route *b);
/* The rule that decides that. */
enum route_rule router_rule(const struct route *a, const struct route *b);
