/*
 * route_example.h - a request that meets a route, or two at once: made up, for warnings.
 *
 * A guess by what the routes ask for; whoever uses it asks the router whether it is right.
 */
#pragma once
#include "tools/shuntctl/regex_example.h"
#include "userspace/route/router.h"

enum { EXAMPLE_FIELDS_MAX = 16, EXAMPLE_BYTES = 512, EXAMPLE_MADE_MAX = 4 };

/* Of the listener that it comes to. */
struct example_way {
	bool secure;
	uint16_t port;
};

struct example_list {
	const struct value_match *of[EXAMPLE_FIELDS_MAX];
	const char *values[EXAMPLE_FIELDS_MAX];
	uint32_t count;
};

struct route_example {
	const char *method;
	char host[EXAMPLE_BYTES / 2], path[EXAMPLE_BYTES], query[EXAMPLE_BYTES],
		cookies[EXAMPLE_BYTES];
	struct example_list fields;
	char made[EXAMPLE_MADE_MAX][REGEX_EXAMPLE_MAX]; /* values that expressions match */
	uint32_t made_count;
	uint32_t spent; /* matches that it took to find these */
	struct addr client;
	bool has_client;
	struct example_way way;
	char text[EXAMPLE_BYTES]; /* for people */
};

/* also: NULL, or a route of the same host and path, which it meets as well. other: NULL, or one
 * that it does not meet, if that can be. False where no guess is made. */
bool route_example_make(struct route_example *out, struct example_way way,
			const struct route *route, const struct route *also,
			const struct route *other);
/* Makes text anew of the rest. */
void route_example_tell(struct route_example *example);
struct route_request route_example_request(const struct route_example *example);
