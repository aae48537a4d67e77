/*
 * model_route.h - routes as meant: what they match, what becomes of it, and the tests of that (a
 * part of model.h).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/err.h"
#include "userspace/base/network.h"
#include "userspace/http/field.h"

struct regex;
struct retry;
struct route_index;
struct route_limits;
struct upstream;
struct country_db;

/* splice: auto | off | connection */
enum splice_policy { SPLICE_AUTO, SPLICE_OFF, SPLICE_CONNECTION };

/* Far beyond any that is written. */
enum { PREFIX_SEGMENTS_MAX = 64 };

enum path_kind { PATH_ANY, PATH_EXACT, PATH_PREFIX, PATH_REGEX };

/* Of a test's request. */
struct field_match {
	const char *name; /* lower case */
	const char *value;
};

enum value_kind { VALUE_EXACT, VALUE_PREFIX, VALUE_REGEX, VALUE_PRESENT };

/* What a field, a cookie or a parameter of the query has to be. */
struct value_match {
	const char *name; /* of a field: lower case */
	const char *value;
	const struct regex *regex; /* VALUE_REGEX */
	enum value_kind kind;
	bool negated;
};

struct listener_name {
	const char *vip;
	uint16_t port;
	struct place at;
};

/* What listeners agree on in TLS, where the client asks (RFC 7301). */
#define ALPN_HTTP "http/1.1"

/* Whether the client's TLS session had a connection before this one. */
enum resumption { RESUMPTION_ANY, RESUMPTION_NO, RESUMPTION_YES };

/* What few routes ask for. */
struct conditions {
	struct value_match *queries, *cookies;
	uint32_t query_count, cookie_count;
	struct network_list clients; /* without any: all */
	const char **sni;            /* lower case, "*.x" too */
	uint32_t sni_count;
	struct listener_name *listeners;
	uint32_t listener_count;
	const uint16_t *countries; /* codes (route/country.h); without any: all */
	uint32_t country_count;
	struct place countries_at;
	/* Of the client's certificate; agreed; the TLS session's (base/session_id.h). NULL: any */
	const struct value_match *subject, *alpn, *session_id;
	enum resumption session_resumed;
};

/* Who is kept with one share of a split. */
enum sticky { STICKY_NONE, STICKY_CLIENT, STICKY_COOKIE, STICKY_HEADER };

struct share {
	const struct upstream *upstream;
	uint32_t weight;
};

struct split {
	struct share *shares;
	uint32_t count;
	enum sticky sticky;
	const char *name; /* of a cookie, or of a field in lower case */
};

/* Other parts of a URL; NULL and 0: as they were. Texts have variables (route/rewrite.h). */
struct place_change {
	const char *to; /* a redirect's Location as it is, and nothing else is given */
	const char *scheme, *host, *path;
	bool prefix;      /* path takes the place of the route's prefix; what is below it stays */
	bool host_varies; /* host has variables */
	uint32_t port;
	struct place at;
};

struct header_edit {
	const char *name;
	const char *value; /* with variables; NULL: removed */
	bool add;          /* beside those of the same name */
	struct place at;
};

struct filters {
	struct header_edit *request, *response;
	uint32_t request_count, response_count;
	struct place_change rewrite; /* host and path */
};

enum route_action { ROUTE_UPSTREAM, ROUTE_REDIRECT, ROUTE_RESPOND };

/* In milliseconds; 0: what the listener says, or for a connection the upstream. */
struct route_timeouts {
	uint32_t connect_ms; /* one attempt, with TLS */
	uint32_t head_ms;    /* from the request's end to the response's head, of each attempt */
	uint32_t idle_ms;    /* a body without a byte of progress */
	uint32_t request_ms; /* to receive all of the request, from its head */
	uint32_t total_ms;   /* to the response's last byte, from the request's head */
};

enum { SPLICE_RATE_LEAST = 4096 };
#define SPLICE_RATE_MOST (1ull << 37) /* beyond any device; a KiB takes 7 ns */

/* Bytes a second each way that the kernel carries for splices; 0: any. */
struct splice_rates {
	uint64_t all, source;
};

/* How its exchanges are made; most routes have one that says nothing. */
struct conduct {
	/* Bytes of a body from which on it is spliced; 0: the proxy's, and only where it pays. */
	uint64_t splice_threshold;
	const struct retry *retry;         /* NULL: none */
	struct route_timeouts *timeouts;   /* NULL: the listener's and upstream's */
	struct splice_rates *splice_rates; /* NULL: any */
	struct route_limits *limits;       /* NULL: none */
};

enum { ANSWER_FIELDS_MAX = 8, ANSWER_BYTES_MAX = 24576 };

/* What is said in place of an endpoint. */
struct fixed_answer {
	struct span body;
	const char *file; /* whose content it is; NULL: it was written */
	struct field fields[ANSWER_FIELDS_MAX];
	uint32_t field_count;
};

enum { ROUTE_LINE = 64 /* bytes of a line of the cache */ };

/*
 * There may be a hundred thousand: what is rare is behind a pointer. Tables begin at a line of the
 * cache, so that what is needed of a route once it is chosen costs one wait for memory.
 */
struct route {
	const char *name;
	const struct upstream *upstream; /* ROUTE_UPSTREAM, without split */
	struct split *split;             /* ROUTE_UPSTREAM; NULL: none */
	struct filters *filters;         /* NULL: none */
	struct conduct *conduct;         /* NULL: the usual; route_conduct() */
	union {
		const struct place_change *place;  /* ROUTE_REDIRECT */
		const struct fixed_answer *answer; /* ROUTE_RESPOND */
	};
	uint32_t order : 31;    /* of writing */
	uint32_t ends_path : 1; /* of those of its host and path, which are neighbours, the last */
	uint16_t method_count, header_count;
	uint16_t status; /* ROUTE_REDIRECT, ROUTE_RESPOND */
	enum splice_policy splice : 8;
	enum path_kind path_kind : 8;
	enum route_action action : 8;

	/* What it matches. */
	const char *host; /* lower case; NULL: any; "*.example.com" matches any labels below */
	const char *path; /* "/v2" for PATH_PREFIX of "/v2/ *": whole segments */
	const struct regex *regex; /* PATH_REGEX; path is its text */
	const char **methods;      /* NULL: any */
	struct value_match *headers;
	struct conditions *when; /* NULL: none */
	struct place at;
};
_Static_assert(offsetof(struct route, host) == ROUTE_LINE, "what follows a choice is on one line");

static inline const struct conduct *route_conduct(const struct route *route)
{
	static const struct conduct usual;

	return route && route->conduct ? route->conduct : &usual;
}

/* A named list of routes, sorted by precedence (DESIGN.md, "Route precedence"). */
struct route_table {
	const char *name;
	struct route *routes;
	uint32_t count;
	const struct route_index *index;    /* made by router_compile() */
	bool asks_subject, asks_country;    /* one of its routes does; the same */
	const struct country_db *countries; /* where one does; NULL: none does */
	struct place at;
};

/* tests: of the configuration */
struct expectation {
	const char *method, *scheme, *host, *path; /* the path as written */
	const char *query;
	struct addr from;    /* who asks; all zero: nobody knows */
	const char *subject; /* of the client's certificate; NULL: none */
	const char *alpn;    /* what the client offers (sni_match_offer); NULL: http/1.1 alone */
	uint64_t session_id; /* of the TLS session; 0: none */
	bool session_resumed;
	uint16_t port;
	struct field_match *headers;
	uint32_t header_count;
	/* What is expected; NULL, 0: anything. */
	const char *route, *upstream;
	const char **endpoints; /* all that have a weight, of the first priority */
	uint32_t endpoint_count;
	uint32_t status; /* of our own answer */
	const char *location;
	const char *target; /* path and query that the endpoint gets */
	struct field_match *sent;
	uint32_t sent_count;
	const char **not_sent; /* lower case */
	uint32_t not_sent_count;
	struct place at;
};
