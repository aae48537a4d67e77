#include "userspace/dataplane/endpoint_ids.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "bpf/abi/sizes.h"
#include "bpf/abi/vip.h"
#include "userspace/base/must.h"
#include "userspace/dataplane/tallies.h"

struct endpoint_slot {
	bool used, kept; /* kept: named by the snapshot that is being applied */
	uint64_t identity;
	struct addr vtep;
	struct endpoint_entry entry;
};

struct endpoint_ids {
	struct pinned maps;
	struct neighbours *neighbours;
	struct ring_store *rings;
	uint32_t max;                 /* entries of the map; the first is not used */
	bool in_rings[ENDPOINTS_MAX]; /* when the snapshot began */
	struct endpoint_slot slots[ENDPOINTS_MAX];
};

static void write_entry(struct endpoint_ids *ids, uint32_t id)
{
	bpf_map_update_elem(ids->maps.fds[PINNED_ENDPOINTS], &id, &ids->slots[id].entry, BPF_ANY);
}

struct endpoint_ids *endpoint_ids_create(const struct pinned *maps, struct neighbours *neighbours,
					 struct ring_store *rings, uint32_t max)
{
	struct endpoint_ids *ids = must_alloc(sizeof(*ids));

	ids->maps = *maps;
	ids->neighbours = neighbours;
	ids->rings = rings;
	ids->max = max < ENDPOINTS_MAX ? max : (uint32_t)ENDPOINTS_MAX;
	for (uint32_t id = 0; id < ids->max; id++) {
		struct endpoint_slot *slot = &ids->slots[id];

		if (bpf_map_lookup_elem(maps->fds[PINNED_ENDPOINTS], &id, &slot->entry) < 0)
			break;
		slot->used =
			(slot->entry.flags & (ENDPOINT_USED | ENDPOINT_REMOVED)) == ENDPOINT_USED;
		slot->identity = slot->entry.identity;
		memcpy(slot->vtep.ip, slot->entry.vtep, sizeof(slot->vtep.ip));
	}
	return ids;
}

void endpoint_ids_destroy(struct endpoint_ids *ids)
{
	free(ids);
}

void endpoint_ids_begin(struct endpoint_ids *ids)
{
	memset(ids->in_rings, 0, sizeof(ids->in_rings));
	ring_store_mark(ids->rings, ids->in_rings);
	for (uint32_t id = 0; id < ids->max; id++)
		ids->slots[id].kept = false;
}

uint64_t endpoint_identity(const struct endpoint *e)
{
	struct {
		struct addr address, host;
		uint32_t vni;
		uint8_t mac[6];
		uint16_t zero;
	} what = { .address = e->address, .host = e->host, .vni = e->vpc ? e->vpc->vni : 0 };

	memcpy(what.mac, e->mac, sizeof(what.mac));
	what.host.port = 0;
	return XXH3_64bits(&what, sizeof(what)) | 1;
}

/* The one that it has, or one that nobody names. */
static uint32_t id_for(struct endpoint_ids *ids, uint64_t identity)
{
	uint32_t unused = 0;

	for (uint32_t id = 1; id < ids->max; id++) {
		if (ids->slots[id].identity == identity)
			return id;
		if (!unused && !ids->slots[id].used && !ids->slots[id].kept && !ids->in_rings[id])
			unused = id;
	}
	return unused;
}

static void fill(struct endpoint_ids *ids, uint32_t id, const struct endpoint *e, bool over)
{
	static const uint8_t inner_src[6] = { 0x02, 0x73, 0x68, 0x75, 0x6e, 0x00 };
	struct endpoint_slot *slot = &ids->slots[id];
	struct endpoint_entry *entry = &slot->entry;
	uint64_t identity = endpoint_identity(e);
	bool ready;

	if (slot->identity != identity) {
		tallies_reset_endpoint(&ids->maps, id);
		entry->generation++;
		entry->flags = 0;
	}
	slot->used = slot->kept = true;
	slot->identity = identity;
	slot->vtep = e->host;
	slot->vtep.port = 0;
	entry->identity = identity;
	entry->vni = e->vpc ? e->vpc->vni : VXLAN_VNI_CLASSIC;
	entry->flags =
		ENDPOINT_USED | (entry->flags & ENDPOINT_DRAINING) | (over ? ENDPOINT_DOWN : 0);
	entry->port = e->address.port;
	memcpy(entry->vtep, e->host.ip, sizeof(entry->vtep));
	memcpy(entry->inner_dst, e->mac, sizeof(entry->inner_dst));
	memcpy(entry->inner_src, inner_src, sizeof(inner_src));
	if (!neighbours_find(ids->neighbours, &slot->vtep, &entry->next_hop, &ready))
		entry->next_hop =
			NEXT_HOPS_MAX; /* no such hop: packets are dropped as unresolved */
	write_entry(ids, id);
}

uint32_t endpoint_ids_take(struct endpoint_ids *ids, const struct endpoint *endpoint, bool over)
{
	uint32_t id = id_for(ids, endpoint_identity(endpoint));

	if (id)
		fill(ids, id, endpoint, over);
	return id;
}

void endpoint_ids_end(struct endpoint_ids *ids)
{
	for (uint32_t id = 0; id < ids->max; id++) {
		struct endpoint_slot *slot = &ids->slots[id];

		if (slot->kept || !slot->used)
			continue;
		slot->used = false;
		slot->entry.flags |= ENDPOINT_REMOVED;
		write_entry(ids, id);
	}
}

uint32_t endpoint_ids_find(const struct endpoint_ids *ids, const struct endpoint *endpoint)
{
	uint64_t identity = endpoint_identity(endpoint);

	for (uint32_t id = 1; id < ids->max; id++)
		if (ids->slots[id].used && ids->slots[id].identity == identity)
			return id;
	return 0;
}

/* Marks come before the flag, whichever way it goes: no packet finds one without the other. */
void endpoint_ids_drain(struct endpoint_ids *ids, uint32_t id, bool drain, uint32_t now_s)
{
	struct endpoint_entry *entry = &ids->slots[id].entry;

	if (!(entry->flags & ENDPOINT_DRAINING) == !drain)
		return;
	ring_store_recheck(ids->rings, id, now_s);
	entry->flags ^= ENDPOINT_DRAINING;
	write_entry(ids, id);
}

uint32_t endpoint_ids_hop(const struct endpoint_ids *ids, uint32_t id)
{
	return ids->slots[id].entry.next_hop;
}

void endpoint_ids_refresh(struct endpoint_ids *ids)
{
	for (uint32_t id = 1; id < ids->max; id++) {
		struct endpoint_slot *slot = &ids->slots[id];
		uint32_t hop;
		bool ready;

		/* Also of those that only established connections have still. */
		if (!slot->identity ||
		    !neighbours_find(ids->neighbours, &slot->vtep, &hop, &ready) ||
		    hop == slot->entry.next_hop)
			continue;
		slot->entry.next_hop = hop;
		write_entry(ids, id);
	}
}
