/*
 * route_index.h - a sorted table of routes, compiled for looking up (route/ only).
 *
 * Hosts are found by hash, and so are the paths of each: the exact one, and each prefix of whole
 * segments. Routes of one host and path are neighbours in the sorted table and make a group. Knows
 * nothing of methods and fields: what else a route asks for, router.c looks at. In an arena.
 *
 * In a large table waiting for memory is all that a look-up costs. So what there is of a route is
 * small: with a hundred thousand it stays in the last cache of one core. And a path's key is made
 * of texts alone: what it leads to is fetched while its host is still being found.
 */
#pragma once
#include "userspace/base/arena.h"
#include "userspace/model/model.h"
#include "userspace/route/path_steps.h"

enum { HOST_NONE = UINT32_MAX, HOST_BYTES_MAX = 255 };

struct host_entry {
	const char *name;                  /* lower case, "*.x" as ".x"; NULL: any host */
	const char *shared;                /* all its paths but the empty one begin with it */
	uint64_t key;                      /* route_index_host_key(); of any host 0 */
	uint64_t exact_lengths;            /* length_bit() of its exact paths */
	uint64_t prefix_lengths;           /* of its prefixes */
	uint32_t first_regex, regex_count; /* of regexes */
	uint32_t first, end;               /* its routes in the table */
	uint16_t len, shared_len;
	bool wild;
};

/* Packed one behind the other, each at a multiple of 4 bytes. */
struct path_group {
	uint32_t first : 30; /* of the table's routes; up to one that is the last of its path */
	uint32_t exact : 1;
	uint32_t plain : 1; /* the first route asks for nothing else */
	uint16_t len;       /* of the path, of which there is here what is not shared */
	char tail[];
};

/* A route whose path is an expression, and the first bytes of all paths that it matches. */
struct regex_entry {
	uint64_t head, mask;
	uint32_t route; /* of the table */
};

struct host_slot {
	uint32_t tag;
	uint32_t at; /* of hosts, plus 1, as 0 is empty */
};

struct route_index {
	const struct host_entry *hosts;
	const struct host_slot *host_slots;
	/* A group's place in words plus 1 in the lower bits (place_mask), and of its key as many
	 * bits as there is room for; 0: empty. */
	const uint32_t *path_slots;
	uint32_t host_mask, path_mask, place_mask;
	uint32_t any_host;                      /* of hosts, or HOST_NONE */
	uint32_t longest_prefix;                /* bytes, of all hosts */
	uint64_t exact_hosts, wild_hosts;       /* length_bit() of their names */
	uint64_t exact_lengths, prefix_lengths; /* of all hosts */
	const uint32_t *groups;                 /* their words */
	const struct regex_entry *regexes;      /* of each host in the order of precedence */
};

/* The first eight bytes, or as many as there are. */
uint64_t route_index_head(struct span text);
/* name in lower case. */
uint64_t route_index_host_key(struct span name, bool wild);
/* NULL where there is none. */
const struct host_entry *route_index_host(const struct route_index *index, struct span name,
					  bool wild, uint64_t key);
/* step: of an exact path all of it. NULL where there is none. */
const struct path_group *route_index_group(const struct route_index *index,
					   const struct host_entry *host, struct span path,
					   bool exact, struct path_step step);
/* What may soon be looked up of the host with that key begins to come from memory. */
void route_index_fetch(const struct route_index *index, uint64_t host_key,
		       const struct path_steps *steps);

/* routes: sorted by router_compare(); which is the last of its path is noted there. */
const struct route_index *route_index_create(struct arena *arena, struct route *routes,
					     uint32_t count);
