#include "userspace/route/route_index.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/must.h"
#include "userspace/route/regex.h"

enum { FIRST_MASK = (1u << 30) - 1 };

struct building_index {
	struct route_index *index;
	struct route *routes;
	uint32_t route_count, host_count, regex_count;
	struct host_entry *hosts;
	struct host_slot *host_slots;
	struct regex_entry *regexes;
	uint32_t *path_slots;
	uint32_t *groups;
	uint32_t words; /* of groups, in use */
};

uint64_t route_index_head(struct span text)
{
	uint64_t head = 0;

	if (text.len > 0)
		memcpy(&head, text.at, text.len < sizeof(head) ? text.len : sizeof(head));
	return head;
}

static uint64_t path_key(uint64_t host_key, bool exact, uint64_t hash)
{
	uint64_t key = (hash ^ host_key ^ exact) * 0x9e3779b97f4a7c15ull;

	return key ^ key >> 32;
}

uint64_t route_index_host_key(struct span name, bool wild)
{
	return XXH3_64bits_withSeed(name.at, name.len, wild);
}

static uint32_t tag_of(uint64_t key)
{
	return (uint32_t)(key >> 32);
}

const struct host_entry *route_index_host(const struct route_index *index, struct span name,
					  bool wild, uint64_t key)
{
	if (!((wild ? index->wild_hosts : index->exact_hosts) & length_bit(name.len)))
		return NULL;
	for (uint32_t i = (uint32_t)key & index->host_mask; index->host_slots[i].at;
	     i = (i + 1) & index->host_mask) {
		const struct host_entry *host = &index->hosts[index->host_slots[i].at - 1];

		if (index->host_slots[i].tag == tag_of(key) && host->wild == wild &&
		    span_is(name, span_make(host->name, host->len)))
			return host;
	}
	return NULL;
}

/* From slot *at on, the next group whose tag is that of the key; *at: the slot behind it. */
static const struct path_group *next_group(const struct route_index *index, uint64_t key,
					   uint32_t *at)
{
	uint32_t slot;

	while ((slot = index->path_slots[*at & index->path_mask])) {
		++*at;
		if (((slot ^ tag_of(key)) & ~index->place_mask) == 0)
			return (const void *)(index->groups + (slot & index->place_mask) - 1);
	}
	return NULL;
}

/* Of what is shared it is known that it is. */
static bool tail_is(const struct host_entry *host, const struct path_group *group, struct span path)
{
	size_t shared = group->len > 0 ? host->shared_len : 0;

	return memcmp(group->tail, path.at + shared, group->len - shared) == 0;
}

const struct path_group *route_index_group(const struct route_index *index,
					   const struct host_entry *host, struct span path,
					   bool exact, struct path_step step)
{
	uint64_t key = path_key(host->key, exact, step.hash);
	const struct path_group *group;
	uint32_t at = (uint32_t)key;

	if (step.len > 0 && !span_has_prefix(span_make(path.at, step.len),
					     span_make(host->shared, host->shared_len)))
		return NULL;
	while ((group = next_group(index, key, &at)))
		if (group->first - host->first < host->end - host->first && group->exact == exact &&
		    group->len == step.len && (step.len == 0 || tail_is(host, group, path)))
			return group;
	return NULL;
}

void route_index_fetch(const struct route_index *index, uint64_t host_key,
		       const struct path_steps *steps)
{
	enum { AHEAD = 3 };
	uint64_t keys[AHEAD];
	int count = 0;

	if (index->exact_lengths & length_bit(steps->path.len))
		keys[count++] = path_key(host_key, true, steps->hash);
	for (uint32_t i = steps->count; i > 0 && count < AHEAD; i--)
		keys[count++] = path_key(host_key, false, steps->at[i - 1].hash);
	for (int i = 0; i < count; i++)
		__builtin_prefetch(&index->path_slots[keys[i] & index->path_mask]);
	for (int i = 0; i < count; i++) {
		uint32_t at = (uint32_t)keys[i];

		__builtin_prefetch(next_group(index, keys[i], &at));
	}
}

static void host_slot_set(struct building_index *b, uint64_t key, uint32_t at)
{
	uint32_t i = (uint32_t)key & b->index->host_mask;

	while (b->host_slots[i].at)
		i = (i + 1) & b->index->host_mask;
	b->host_slots[i] = (struct host_slot){ tag_of(key), at + 1 };
}

static void path_slot_set(struct building_index *b, uint64_t key, uint32_t place)
{
	uint32_t i = (uint32_t)key & b->index->path_mask;

	while (b->path_slots[i])
		i = (i + 1) & b->index->path_mask;
	b->path_slots[i] = (tag_of(key) & ~b->index->place_mask) | (place + 1);
}

/* A power of two that stays at least a fifth empty: more would not fit into the caches. */
static uint32_t slots_for(uint32_t count)
{
	uint32_t slots = 2;

	while (slots < count + count / 4 + 1)
		slots *= 2;
	return slots;
}

static bool text_is(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_group(const struct route *a, const struct route *b)
{
	return (a->path_kind == PATH_EXACT) == (b->path_kind == PATH_EXACT) &&
	       b->path_kind != PATH_REGEX && strcmp(a->path, b->path) == 0;
}

static uint32_t group_words(size_t len, size_t shared)
{
	size_t tail = len > 0 ? len - shared : 0;

	return (uint32_t)((offsetof(struct path_group, tail) + tail + 3) / 4);
}

static struct path_step whole_of(struct span path)
{
	struct path_step step = { 0 };

	while (step.len < path.len)
		step = path_step_next(path, step);
	return step;
}

/* The lengths that are to be looked for. */
static void note_length(struct route_index *index, struct host_entry *host, bool exact, size_t len)
{
	*(exact ? &host->exact_lengths : &host->prefix_lengths) |= length_bit(len);
	*(exact ? &index->exact_lengths : &index->prefix_lengths) |= length_bit(len);
	if (!exact && len > index->longest_prefix)
		index->longest_prefix = (uint32_t)len;
}

static void add_group(struct building_index *b, struct host_entry *host, uint32_t first)
{
	const struct route *route = &b->routes[first];
	struct path_group *group = (void *)(b->groups + b->words);
	struct span path = span_of(route->path);
	size_t shared = path.len > 0 ? host->shared_len : 0;

	group->first = first & FIRST_MASK;
	group->plain = (route->path_kind != PATH_PREFIX || path.len > 0) &&
		       route->method_count == 0 && route->header_count == 0 && !route->when;
	group->len = (uint16_t)path.len;
	group->exact = route->path_kind == PATH_EXACT;
	memcpy(group->tail, path.at + shared, path.len - shared);
	note_length(b->index, host, group->exact, path.len);
	path_slot_set(b, path_key(host->key, group->exact, whole_of(path).hash), b->words);
	b->words += group_words(path.len, host->shared_len);
}

static void add_regex(struct building_index *b, struct host_entry *host, uint32_t number)
{
	struct regex_entry *entry = &b->regexes[b->regex_count++];
	struct span head = regex_head(b->routes[number].regex);

	entry->route = number;
	entry->head = route_index_head(head);
	if (head.len > 0)
		memset(&entry->mask, 0xff,
		       head.len < sizeof(entry->mask) ? head.len : sizeof(entry->mask));
	host->regex_count++;
}

static struct host_entry *add_name(struct building_index *b, const char *name)
{
	struct host_entry *host = &b->hosts[b->host_count++];

	host->first_regex = b->regex_count;
	host->wild = name && name[0] == '*';
	host->name = host->wild ? name + 1 : name;
	host->len = (uint16_t)(name ? strlen(host->name) : 0);
	if (name) {
		host->key = route_index_host_key(span_make(host->name, host->len), host->wild);
		host_slot_set(b, host->key, b->host_count - 1);
		*(host->wild ? &b->index->wild_hosts : &b->index->exact_hosts) |=
			length_bit(host->len);
	} else {
		b->index->any_host = b->host_count - 1;
	}
	return host;
}

/* The routes of one host are neighbours; where the next one's begin. */
static uint32_t host_end(const struct building_index *b, uint32_t first)
{
	uint32_t end = first + 1;

	while (end < b->route_count && text_is(b->routes[end].host, b->routes[first].host))
		end++;
	return end;
}

static uint32_t path_end(const struct building_index *b, uint32_t first, uint32_t end)
{
	uint32_t next = first + 1;

	while (next < end && same_group(&b->routes[next], &b->routes[first]))
		next++;
	return next;
}

/* What all paths of a host begin with, but the empty one and expressions. */
static struct span shared_of(const struct building_index *b, uint32_t first, uint32_t end)
{
	struct span shared = { NULL, 0 };

	for (uint32_t i = first; i < end; i++) {
		const char *path = b->routes[i].path;
		size_t len = 0;

		if (b->routes[i].path_kind == PATH_REGEX || !path[0])
			continue;
		if (!shared.at)
			shared = span_of(path);
		while (len < shared.len && path[len] == shared.at[len])
			len++;
		shared.len = len;
	}
	return shared;
}

static void add_host(struct building_index *b, uint32_t first, uint32_t end)
{
	struct host_entry *host = add_name(b, b->routes[first].host);
	struct span shared = shared_of(b, first, end);

	host->first = first;
	host->end = end;
	host->shared = shared.at;
	host->shared_len = (uint16_t)shared.len;
	for (uint32_t i = first; i < end;) {
		uint32_t next = i + 1;

		if (b->routes[i].path_kind == PATH_REGEX) {
			add_regex(b, host, i);
		} else {
			next = path_end(b, i, end);
			add_group(b, host, i);
			b->routes[next - 1].ends_path = true;
		}
		i = next;
	}
}

/* A power of two less one. */
static uint32_t mask_over(uint32_t most)
{
	uint32_t mask = 1;

	while (mask < most)
		mask = mask * 2 + 1;
	return mask;
}

struct census {
	uint32_t hosts, groups, regexes;
	size_t words;
};

static void count_host(const struct building_index *b, uint32_t first, uint32_t end,
		       struct census *census)
{
	size_t shared = shared_of(b, first, end).len;

	census->hosts++;
	for (uint32_t i = first; i < end;) {
		if (b->routes[i].path_kind == PATH_REGEX) {
			census->regexes++;
			i++;
		} else {
			census->groups++;
			census->words += group_words(strlen(b->routes[i].path), shared);
			i = path_end(b, i, end);
		}
	}
}

/* How much there will be, so that all of it is taken at once. */
static void measure(struct building_index *b, struct arena *arena)
{
	struct route_index *index = b->index;
	struct census all = { 0 };

	for (uint32_t i = 0, end; i < b->route_count; i = end) {
		end = host_end(b, i);
		count_host(b, i, end, &all);
	}
	MUST(all.words < INT32_MAX && b->route_count <= FIRST_MASK);
	index->host_mask = slots_for(all.hosts) - 1;
	index->path_mask = slots_for(all.groups) - 1;
	index->place_mask = mask_over((uint32_t)all.words + 1);
	index->hosts = b->hosts = arena_take(arena, all.hosts * sizeof(b->hosts[0]));
	index->groups = b->groups = arena_take(arena, all.words * sizeof(b->groups[0]));
	index->regexes = b->regexes = arena_take(arena, all.regexes * sizeof(b->regexes[0]));
	index->host_slots = b->host_slots =
		arena_take(arena, (index->host_mask + 1ull) * sizeof(b->host_slots[0]));
	index->path_slots = b->path_slots =
		arena_take(arena, (index->path_mask + 1ull) * sizeof(b->path_slots[0]));
}

const struct route_index *route_index_create(struct arena *arena, struct route *routes,
					     uint32_t count)
{
	struct building_index b = { .routes = routes, .route_count = count };

	b.index = arena_take(arena, sizeof(*b.index));
	b.index->any_host = HOST_NONE;
	measure(&b, arena);
	for (uint32_t i = 0, end; i < count; i = end) {
		end = host_end(&b, i);
		add_host(&b, i, end);
	}
	return b.index;
}
