/*
 * explain_print.h - what would become of a request, as JSON for people and programs. Pure.
 */
#pragma once
#include <jansson.h>

#include "userspace/control/explain_query.h"

/* How another worker would do it. */
struct explain_vote {
	const struct upstream *upstream; /* NULL: none */
	enum roster_answer answer;
	uint32_t place;
};

struct explain_told {
	const struct explain_query *query;
	const struct snapshot *snapshot;
	const struct listener *listener;
	const struct explained *explained;
	const struct explain_vote *votes; /* of all workers; NULL: there are none */
	uint32_t vote_count;
	uint32_t listeners; /* that may have it, this one included */
};

json_t *explain_print(const struct explain_told *told);
/* Of a listener that forwards packets. */
json_t *explain_print_packets(const struct explain_told *told);
