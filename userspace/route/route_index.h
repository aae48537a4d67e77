/*
 * route_index.h - a sorted table of routes, compiled for looking up (route/ only).
 *
 * Hosts are found by hash, and so are the paths of each: the exact one, and each prefix of whole
 * segments. Routes of one host and path are neighbours in the sorted table and make a group. Knows
 * nothing of methods and fields: what else a route asks for, router.c looks at. In an arena.
 */
#pragma once
#include "userspace/base/arena.h"
#include "userspace/model/model.h"

enum { GROUP_NONE = UINT32_MAX, HOST_BYTES_MAX = 255 };

struct host_entry {
	const char *name;                  /* lower case, "*.x" as ".x"; NULL: any host */
	uint64_t exact_lengths;            /* length_bit() of its exact paths */
	uint64_t prefix_lengths;           /* of its prefixes */
	uint32_t longest_prefix;           /* bytes */
	uint32_t first_regex, regex_count; /* of regexes */
	uint16_t len;
	bool wild;
};

/* Packed one behind the other, each at a multiple of 4 bytes. */
struct path_group {
	uint32_t host;   /* of hosts */
	uint32_t first;  /* of the table's routes */
	uint32_t parent; /* the next shorter prefix of this host, or GROUP_NONE */
	uint32_t count : 31;
	uint32_t plain : 1; /* the first route asks for nothing else */
	uint16_t len;
	bool exact;
	char path[];
};

/* A route whose path is an expression, and the first bytes of all paths that it matches. */
struct regex_entry {
	uint64_t head, mask;
	uint32_t route; /* of the table */
};

struct slot {
	uint32_t tag;
	uint32_t at; /* host_entry: number; path_group: place in bytes / 4; plus 1, as 0 is empty */
};

struct route_index {
	const struct host_entry *hosts;
	const struct slot *host_slots, *path_slots;
	uint32_t host_mask, path_mask;
	uint32_t any_host;                 /* of hosts, or GROUP_NONE */
	uint64_t exact_hosts, wild_hosts;  /* length_bit() of their names */
	const uint32_t *groups;            /* their bytes */
	const struct regex_entry *regexes; /* of each host in the order of precedence */
};

static inline uint64_t length_bit(size_t len)
{
	return 1ull << (len < 63 ? len : 63);
}

/* The first eight bytes, or as many as there are. */
uint64_t route_index_head(struct span text);
uint64_t route_index_hash(uint64_t before, const char *at, size_t len);
/* NULL where there is none; name in lower case. */
const struct host_entry *route_index_host(const struct route_index *index, struct span name,
					  bool wild);
/* hash: of the path, by segments (route_index_segment). */
const struct path_group *route_index_group(const struct route_index *index, uint32_t host,
					   struct span path, bool exact, uint64_t hash);
/* How many bytes from *at on are one segment, with the slash before it. */
size_t route_index_segment(struct span path, size_t at);

/* routes: sorted by router_compare(). */
const struct route_index *route_index_create(struct arena *arena, const struct route *routes,
					     uint32_t count);
