/*
 * rewrite.h - texts with variables ("${client}", "${1}"), and the paths and places made of them.
 *
 * Knows what a request and its route say; writes into the caller's bytes. Decides nothing.
 */
#pragma once
#include "userspace/route/router.h"

/* What the variables stand for; without at, an empty text. */
struct rewrite_values {
	struct span client, host, path, query, method, scheme, route, upstream;
	struct span groups[10]; /* of the route's expression */
};

/* Bytes that are left to write to. */
struct rewrite_room {
	char *at;
	size_t len;
};

/* Whether all variables of a text are known. request: those of requests too. regex: NULL: no
 * groups. */
bool rewrite_is_text(const char *text, bool request, const struct regex *regex,
		     struct span *out_unknown);
/* Takes from room; false where there is not enough. */
bool rewrite_text(const char *text, const struct route *route, const struct rewrite_values *values,
		  struct rewrite_room *room, struct span *out_text);
/* The path that the route wants in place of values->path, which stays where it wants none. */
bool rewrite_path(const struct place_change *change, const struct route *route,
		  const struct rewrite_values *values, struct rewrite_room *room,
		  struct span *out_path);
/* The host that the route wants, as it is written there; empty where it wants none. */
bool rewrite_host(const struct place_change *change, const struct route *route,
		  const struct rewrite_values *values, struct rewrite_room *room,
		  struct span *out_host);
/* Where a redirect of parts leads: what it does not change stays. */
bool rewrite_location(const struct route *route, uint16_t port, const struct rewrite_values *values,
		      struct rewrite_room *room, struct span *out_location);
/* Fills in the groups, if the route has an expression. */
void rewrite_capture(const struct route *route, struct rewrite_values *values);
