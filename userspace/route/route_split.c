#include "userspace/route/route_split.h"

#define XXH_INLINE_ALL
#include <math.h>
#include <xxhash.h>

#include "userspace/route/value_match.h"

static uint64_t hash_of(struct span text)
{
	return XXH3_64bits(text.at, text.len);
}

/* Who it is, as a number. Those without the cookie or field are told apart by address. */
static uint64_t user_of(const struct split *split, const struct route_request *req, uint64_t chance,
			enum sticky *out_by)
{
	struct span name = span_of(split->name), value = { NULL, 0 };

	*out_by = split->sticky;
	if (split->sticky == STICKY_NONE)
		return XXH3_64bits(&chance, sizeof(chance));
	if (split->sticky == STICKY_COOKIE)
		value = cookie_value(req->field(req->context, SPAN("cookie")), name);
	else if (split->sticky == STICKY_HEADER)
		value = req->field(req->context, name);
	if (value.at)
		return hash_of(value);
	*out_by = STICKY_CLIENT;
	return req->client ? XXH3_64bits(req->client->ip, sizeof(req->client->ip)) : 0;
}

/* The greatest wins; the chance of that is the share's weight among all (-ln of an even number is
 * spread exponentially). */
static double score_of(const struct share *share, uint64_t user)
{
	struct span name = span_of(share->upstream->name);
	uint64_t drawn = XXH3_64bits_withSeed(name.at, name.len, user);
	double even = ((double)(drawn >> 11) + 0.5) / (double)(1ull << 53);

	return share->weight / -log(even);
}

const struct upstream *route_split_by(const struct route *route, const struct route_request *req,
				      uint64_t chance, enum sticky *out_by)
{
	const struct split *split = route->split;
	const struct upstream *best = NULL;
	double best_score = 0;
	uint64_t user;

	*out_by = STICKY_NONE;
	if (!split)
		return route->upstream;
	user = user_of(split, req, chance, out_by);
	for (uint32_t i = 0; i < split->count; i++) {
		double score = score_of(&split->shares[i], user);

		if (score > best_score) {
			best_score = score;
			best = split->shares[i].upstream;
		}
	}
	return best;
}

const struct upstream *route_split(const struct route *route, const struct route_request *req,
				   uint64_t chance)
{
	enum sticky by;

	return route_split_by(route, req, chance, &by);
}
