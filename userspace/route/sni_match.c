#include "userspace/route/sni_match.h"

#define XXH_INLINE_ALL
#include <string.h>
#include <xxhash.h>

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

enum sni_kind { SNI_EXACT, SNI_WILD, SNI_DEFAULT };

static struct span name_of(const struct sni_route *entry, enum sni_kind *out_kind)
{
	struct span name = span_of(entry->name);

	*out_kind = is_default(entry)                       ? SNI_DEFAULT
		    : name.len > 1 && entry->name[0] == '*' ? SNI_WILD
							    : SNI_EXACT;
	if (*out_kind == SNI_DEFAULT)
		return (struct span){ name.at, 0 };
	return *out_kind == SNI_WILD ? span_after(name, 1) : name;
}

static uint32_t slot_of(const struct listener *l, struct span name, enum sni_kind kind)
{
	return (uint32_t)XXH3_64bits_withSeed(name.at, name.len, kind) & l->sni_mask;
}

void sni_match_compile(struct arena *arena, struct listener *l)
{
	uint32_t *slots, at;

	l->sni_mask = 1;
	while (l->sni_mask < 2 * l->sni_count)
		l->sni_mask = 2 * l->sni_mask + 1;
	l->sni_slots = slots = arena_take(arena, (l->sni_mask + 1ull) * sizeof(*slots));
	for (uint32_t i = 0; i < l->sni_count; i++) {
		enum sni_kind kind;
		struct span name = name_of(&l->sni[i], &kind);

		if (i > 0 && l->sni[i].name == l->sni[i - 1].name)
			continue; /* the entries of one name are neighbours and share it */
		for (at = slot_of(l, name, kind); slots[at]; at = (at + 1) & l->sni_mask)
			;
		slots[at] = i + 1;
	}
}

/* The first entry of that name; NULL: it has none. */
static const struct sni_route *find_name(const struct listener *l, struct span name,
					 enum sni_kind want)
{
	for (uint32_t at = slot_of(l, name, want); l->sni_slots[at]; at = (at + 1) & l->sni_mask) {
		const struct sni_route *entry = &l->sni[l->sni_slots[at] - 1];
		enum sni_kind kind;

		if (span_is(name_of(entry, &kind), name) && kind == want)
			return entry;
	}
	return NULL;
}

/* Of that name, the first for whom asks. */
static const struct sni_route *find_entry(const struct listener *l, const struct sni_ask *ask,
					  struct span name, enum sni_kind kind,
					  enum sni_miss *out_miss)
{
	const struct sni_route *first = find_name(l, name, kind);

	for (const struct sni_route *e = first; e && e < l->sni + l->sni_count; e++) {
		if (e->name != first->name)
			break;
		if (protocols_match(e, ask)) {
			*out_miss = SNI_MISS_NONE;
			return e;
		}
		*out_miss = SNI_MISS_PROTOCOL;
	}
	return NULL;
}

const struct sni_route *sni_match_find(const struct listener *listener, const struct sni_ask *ask,
				       enum sni_miss *out_miss)
{
	const struct sni_route *found = NULL;
	struct span name = ask->name;
	char lower[SNI_NAME_MAX];

	*out_miss = SNI_MISS_NAME;
	if (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len > sizeof(lower))
		name.len = 0;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = span_lower(name.at[i]);
	name.at = lower;
	if (name.len > 0)
		found = find_entry(listener, ask, name, SNI_EXACT, out_miss);
	for (size_t at = 1; at < name.len && !found; at++)
		if (lower[at] == '.')
			found = find_entry(listener, ask, span_after(name, at), SNI_WILD, out_miss);
	return found ? found
		     : find_entry(listener, ask, span_make(lower, 0), SNI_DEFAULT, out_miss);
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
