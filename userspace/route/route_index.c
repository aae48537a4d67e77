#include "userspace/route/route_index.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "userspace/base/must.h"
#include "userspace/route/regex.h"

struct building_index {
	struct route_index *index;
	const struct route *routes;
	uint32_t route_count, host_count, regex_count;
	struct host_entry *hosts;
	struct slot *host_slots, *path_slots;
	struct regex_entry *regexes;
	uint32_t *groups;
	size_t words; /* of groups, in use */
};

uint64_t route_index_head(struct span text)
{
	uint64_t head = 0;

	if (text.len > 0)
		memcpy(&head, text.at, text.len < sizeof(head) ? text.len : sizeof(head));
	return head;
}

uint64_t route_index_hash(uint64_t before, const char *at, size_t len)
{
	return XXH3_64bits_withSeed(at, len, before);
}

size_t route_index_segment(struct span path, size_t at)
{
	size_t end = at + 1;

	while (end < path.len && path.at[end] != '/')
		end++;
	return end - at;
}

static uint64_t path_key(uint32_t host, bool exact, uint64_t hash)
{
	uint64_t key = (hash ^ ((uint64_t)host << 1 | exact)) * 0x9e3779b97f4a7c15ull;

	return key ^ key >> 32;
}

static uint64_t host_key(struct span name, bool wild)
{
	return XXH3_64bits_withSeed(name.at, name.len, wild);
}

static uint32_t tag_of(uint64_t key)
{
	return (uint32_t)(key >> 32);
}

const struct host_entry *route_index_host(const struct route_index *index, struct span name,
					  bool wild)
{
	uint64_t key;

	if (!((wild ? index->wild_hosts : index->exact_hosts) & length_bit(name.len)))
		return NULL;
	key = host_key(name, wild);
	for (uint32_t i = (uint32_t)key & index->host_mask; index->host_slots[i].at;
	     i = (i + 1) & index->host_mask) {
		const struct host_entry *host = &index->hosts[index->host_slots[i].at - 1];

		if (index->host_slots[i].tag == tag_of(key) && host->wild == wild &&
		    span_is(name, span_make(host->name, host->len)))
			return host;
	}
	return NULL;
}

const struct path_group *route_index_group(const struct route_index *index, uint32_t host,
					   struct span path, bool exact, uint64_t hash)
{
	uint64_t key = path_key(host, exact, hash);

	for (uint32_t i = (uint32_t)key & index->path_mask; index->path_slots[i].at;
	     i = (i + 1) & index->path_mask) {
		const struct path_group *group;

		if (index->path_slots[i].tag != tag_of(key))
			continue;
		group = (const void *)(index->groups + index->path_slots[i].at - 1);
		if (group->host == host && group->exact == exact &&
		    span_is(path, span_make(group->path, group->len)))
			return group;
	}
	return NULL;
}

static void slot_set(struct slot *slots, uint32_t mask, uint64_t key, uint32_t at)
{
	uint32_t i = (uint32_t)key & mask;

	while (slots[i].at)
		i = (i + 1) & mask;
	slots[i] = (struct slot){ tag_of(key), at + 1 };
}

/* A power of two that stays at least a third empty. */
static uint32_t slots_for(uint32_t count)
{
	uint32_t slots = 2;

	while (slots < count + count / 2 + 1)
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

static size_t group_words(const char *path)
{
	return (offsetof(struct path_group, path) + strlen(path) + 1 + 3) / 4;
}

/* Of the prefix itself, without looking for its parent. */
static uint64_t hash_of(struct span path)
{
	uint64_t hash = 0;

	for (size_t at = 0; at < path.len;) {
		size_t len = route_index_segment(path, at);

		hash = route_index_hash(hash, path.at + at, len);
		at += len;
	}
	return hash;
}

static void add_group(struct building_index *b, struct host_entry *host, uint32_t first,
		      uint32_t count)
{
	const struct route *route = &b->routes[first];
	struct path_group *group = (void *)(b->groups + b->words);
	uint32_t number = (uint32_t)(host - b->hosts);
	size_t len = strlen(route->path);

	group->host = number;
	group->first = first;
	group->count = count & INT32_MAX;
	group->plain = (route->path_kind != PATH_PREFIX || len > 0) && route->method_count == 0 &&
		       route->header_count == 0 && !route->when;
	group->len = (uint16_t)len;
	group->exact = route->path_kind == PATH_EXACT;
	group->parent = GROUP_NONE;
	memcpy(group->path, route->path, len + 1);
	*(group->exact ? &host->exact_lengths : &host->prefix_lengths) |= length_bit(len);
	if (!group->exact && len > host->longest_prefix)
		host->longest_prefix = (uint32_t)len;
	slot_set(b->path_slots, b->index->path_mask,
		 path_key(number, group->exact, hash_of(span_make(group->path, len))),
		 (uint32_t)b->words);
	b->words += group_words(route->path);
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
		slot_set(b->host_slots, b->index->host_mask,
			 host_key(span_make(host->name, host->len), host->wild), b->host_count - 1);
		*(host->wild ? &b->index->wild_hosts : &b->index->exact_hosts) |=
			length_bit(host->len);
	} else {
		b->index->any_host = b->host_count - 1;
	}
	return host;
}

/* The routes of one host, which are neighbours. Where the next begins. */
static uint32_t add_host(struct building_index *b, uint32_t first)
{
	const char *name = b->routes[first].host;
	struct host_entry *host = add_name(b, name);
	uint32_t i = first;

	while (i < b->route_count && text_is(b->routes[i].host, name)) {
		uint32_t begin = i++;

		if (b->routes[begin].path_kind == PATH_REGEX) {
			add_regex(b, host, begin);
			continue;
		}
		while (i < b->route_count && text_is(b->routes[i].host, name) &&
		       same_group(&b->routes[i], &b->routes[begin]))
			i++;
		add_group(b, host, begin, i - begin);
	}
	return i;
}

static void find_parent(const struct route_index *index, struct path_group *group)
{
	struct span path = span_make(group->path, group->len);
	uint64_t hash = 0;

	for (size_t at = 0; at < path.len && !group->exact;) {
		const struct path_group *found = NULL;
		size_t len = route_index_segment(path, at);

		if (index->hosts[group->host].prefix_lengths & length_bit(at))
			found = route_index_group(index, group->host, span_make(path.at, at), false,
						  hash);
		if (found)
			group->parent =
				(uint32_t)((const uint32_t *)(const void *)found - index->groups);
		hash = route_index_hash(hash, path.at + at, len);
		at += len;
	}
}

/* How much there will be, so that all of it is taken at once. */
static void measure(struct building_index *b, struct arena *arena)
{
	uint32_t hosts = 0, groups = 0, regexes = 0;
	size_t words = 0;

	for (uint32_t i = 0; i < b->route_count; i++) {
		const struct route *r = &b->routes[i];
		bool host = i == 0 || !text_is(r[-1].host, r->host);

		hosts += host;
		if (r->path_kind == PATH_REGEX) {
			regexes++;
		} else if (host || !same_group(&r[-1], r)) {
			groups++;
			words += group_words(r->path);
		}
	}
	MUST(words < UINT32_MAX);
	b->index->host_mask = slots_for(hosts) - 1;
	b->index->path_mask = slots_for(groups) - 1;
	b->hosts = arena_take(arena, hosts * sizeof(b->hosts[0]));
	b->groups = arena_take(arena, words * sizeof(b->groups[0]));
	b->regexes = arena_take(arena, regexes * sizeof(b->regexes[0]));
	b->host_slots = arena_take(arena, (b->index->host_mask + 1ull) * sizeof(struct slot));
	b->path_slots = arena_take(arena, (b->index->path_mask + 1ull) * sizeof(struct slot));
}

const struct route_index *route_index_create(struct arena *arena, const struct route *routes,
					     uint32_t count)
{
	struct building_index b = { .routes = routes, .route_count = count };

	b.index = arena_take(arena, sizeof(*b.index));
	b.index->any_host = GROUP_NONE;
	measure(&b, arena);
	for (uint32_t i = 0; i < count;)
		i = add_host(&b, i);
	b.index->hosts = b.hosts;
	b.index->groups = b.groups;
	b.index->regexes = b.regexes;
	b.index->host_slots = b.host_slots;
	b.index->path_slots = b.path_slots;
	for (size_t at = 0; at < b.words;) {
		struct path_group *group = (void *)(b.groups + at);

		find_parent(b.index, group);
		at += group_words(group->path);
	}
	return b.index;
}
