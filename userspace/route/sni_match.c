#include "userspace/route/sni_match.h"

#include <string.h>

#include "userspace/route/host_match.h"

static bool is_default(const struct sni_route *entry)
{
	return strcmp(entry->name, "default") == 0;
}

bool sni_match_offers(const struct sni_ask *ask, struct span protocol)
{
	for (uint32_t i = 0; i < ask->protocol_count; i++)
		if (span_is(ask->protocols[i], protocol))
			return true;
	return false;
}

static bool protocols_match(const struct sni_route *entry, const struct sni_ask *ask)
{
	for (uint32_t i = 0; i < entry->protocol_count; i++)
		if (sni_match_offers(ask, span_of(entry->protocols[i])))
			return true;
	return entry->protocol_count == 0;
}

enum sni_miss sni_match_try(const struct sni_route *entry, const struct sni_ask *ask)
{
	if (!is_default(entry) && !(ask->name.len > 0 && host_match(entry->name, ask->name)))
		return SNI_MISS_NAME;
	return protocols_match(entry, ask) ? SNI_MISS_NONE : SNI_MISS_PROTOCOL;
}

/* Entries of one name stand in the order of writing: the first is kept. */
const struct sni_route *sni_match_find(const struct listener *listener, const struct sni_ask *ask,
				       enum sni_miss *out_miss)
{
	const struct sni_route *best = NULL;
	uint64_t best_rank = 0;

	*out_miss = SNI_MISS_NAME;
	for (uint32_t i = 0; i < listener->sni_count; i++) {
		const struct sni_route *entry = &listener->sni[i];
		uint64_t rank = is_default(entry) ? 0 : host_rank(entry->name);
		enum sni_miss miss = sni_match_try(entry, ask);

		if (miss == SNI_MISS_PROTOCOL && !best)
			*out_miss = miss;
		if (miss != SNI_MISS_NONE || (best && rank <= best_rank))
			continue;
		*out_miss = SNI_MISS_NONE;
		best = entry;
		best_rank = rank;
	}
	return best;
}

bool sni_match_offer(struct sni_ask *ask, struct span text)
{
	struct sni_ask made = { .name = ask->name };

	for (size_t at = 0; text.len > 0 && at <= text.len;) {
		struct span rest = span_after(text, at);
		const char *end = rest.len ? memchr(rest.at, ',', rest.len) : NULL;
		size_t len = end ? (size_t)(end - rest.at) : rest.len;

		if (len == 0 || len > ALPN_BYTES_MAX || made.protocol_count == SNI_OFFERED_MAX)
			return false;
		made.protocols[made.protocol_count++] = span_make(rest.at, len);
		at += len + 1;
	}
	*ask = made;
	return true;
}
