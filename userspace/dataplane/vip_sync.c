#include "userspace/dataplane/vip_sync.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "bpf/abi/sample.h"
#include "bpf/abi/sizes.h"
#include "bpf/abi/vip.h"
#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/dataplane/tallies.h"
#include "userspace/snapshot/compile_rings.h"

_Static_assert((int)VIP_ROWS_MAX <= (int)VIPS_MAX && (int)LISTENERS_MAX <= (int)RINGS_MAX &&
		       (int)LISTENERS_MAX <= (int)STEERED_MAX &&
		       (int)ENDPOINTS_LIMIT <= (int)ENDPOINTS_MAX,
	       "model_check promises that everything fits");

/* An endpoint id in use: who has it. Ids are given again only when no snapshot names them. */
struct endpoint_slot {
	bool used, kept; /* kept: named by the snapshot that is being applied */
	uint64_t identity;
	struct addr vtep;
	struct endpoint_entry entry;
};

struct vip_slot {
	bool used, kept;
	struct vip_key key;
	struct vip_entry vip;
	enum ping_policy ping; /* while kept */
};

struct vip_sync {
	struct pinned maps;
	struct neighbours *neighbours;
	struct endpoint_slot endpoints[ENDPOINTS_MAX];
	struct vip_slot vips[VIPS_MAX];
};

static void write_endpoint(struct vip_sync *sync, uint32_t id)
{
	bpf_map_update_elem(sync->maps.fds[PINNED_ENDPOINTS], &id, &sync->endpoints[id].entry,
			    BPF_ANY);
}

/* What an older daemon left: vips go on until a snapshot says otherwise, ids are not given anew. */
static void read_back(struct vip_sync *sync)
{
	struct vip_key key, *last = NULL;
	uint32_t n = 0;

	while (n < VIPS_MAX && bpf_map_get_next_key(sync->maps.fds[PINNED_VIPS], last, &key) == 0) {
		struct vip_slot *slot = &sync->vips[n++];

		slot->key = key;
		slot->used =
			bpf_map_lookup_elem(sync->maps.fds[PINNED_VIPS], &key, &slot->vip) == 0;
		last = &slot->key;
	}
	for (uint32_t id = 0; id < ENDPOINTS_MAX; id++) {
		struct endpoint_slot *slot = &sync->endpoints[id];

		if (bpf_map_lookup_elem(sync->maps.fds[PINNED_ENDPOINTS], &id, &slot->entry) < 0)
			break;
		slot->used = slot->entry.flags & ENDPOINT_USED;
		slot->identity = slot->entry.identity;
		memcpy(slot->vtep.ip, slot->entry.vtep, sizeof(slot->vtep.ip));
	}
}

struct vip_sync *vip_sync_create(const struct pinned *pinned, struct neighbours *neighbours)
{
	struct vip_sync *sync = must_alloc(sizeof(*sync));

	sync->maps = *pinned;
	sync->neighbours = neighbours;
	read_back(sync);
	return sync;
}

void vip_sync_destroy(struct vip_sync *sync)
{
	free(sync);
}

/* What makes it the same endpoint in every snapshot and on every node. */
static uint64_t identity_of(const struct endpoint *e)
{
	struct {
		struct addr address, host;
		uint32_t vni;
		uint8_t mac[6];
		uint16_t zero;
	} what = { .address = e->address, .host = e->host, .vni = e->vpc ? e->vpc->vni : 0 };

	memcpy(what.mac, e->mac, sizeof(what.mac));
	what.host.port = 0;
	return XXH3_64bits(&what, sizeof(what)) | 1; /* 0 stands for none */
}

/* The id that it has, or a new one: the one that is free the longest way from the last. */
static uint32_t id_for(struct vip_sync *sync, uint64_t identity)
{
	uint32_t unused = UINT32_MAX;

	for (uint32_t id = 0; id < ENDPOINTS_MAX; id++) {
		if (sync->endpoints[id].identity == identity)
			return id;
		if (unused == UINT32_MAX && !sync->endpoints[id].used)
			unused = id;
	}
	return unused;
}

static void fill_endpoint(struct vip_sync *sync, uint32_t id, const struct endpoint *e,
			  uint64_t identity)
{
	static const uint8_t inner_src[6] = { 0x02, 0x73, 0x68, 0x75, 0x6e, 0x00 };
	struct endpoint_slot *slot = &sync->endpoints[id];
	uint32_t generation = slot->entry.generation + (slot->identity != identity);
	bool ready;

	if (slot->identity != identity)
		tallies_reset_endpoint(&sync->maps, id);
	slot->used = slot->kept = true;
	slot->identity = identity;
	slot->vtep = e->host;
	slot->vtep.port = 0;
	slot->entry.generation = generation;
	slot->entry.identity = identity;
	slot->entry.vni = e->vpc ? e->vpc->vni : VXLAN_VNI_CLASSIC;
	slot->entry.flags = ENDPOINT_USED;
	memcpy(slot->entry.vtep, e->host.ip, sizeof(slot->entry.vtep));
	memcpy(slot->entry.inner_dst, e->mac, sizeof(slot->entry.inner_dst));
	memcpy(slot->entry.inner_src, inner_src, sizeof(inner_src));
	if (!neighbours_find(sync->neighbours, &slot->vtep, &slot->entry.next_hop, &ready))
		slot->entry.next_hop = NEXT_HOPS_MAX; /* no such hop: packets pass as unresolved */
	write_endpoint(sync, id);
}

static bool sync_upstream(struct vip_sync *sync, const struct upstream *u,
			  struct ring_member *out_members, struct err *err)
{
	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		uint64_t identity = identity_of(&u->endpoints[i]);
		uint32_t id = id_for(sync, identity);

		if (id == UINT32_MAX)
			return err_set(err,
				       "more than %d endpoints of L4 listeners, counting those "
				       "that were removed lately",
				       ENDPOINTS_MAX);
		fill_endpoint(sync, id, &u->endpoints[i], identity);
		out_members[i] = (struct ring_member){ identity, id, u->endpoints[i].weight };
	}
	return true;
}

/* A whole new ring takes the place of the old one in one write. */
static bool swap_ring(struct vip_sync *sync, uint32_t index, const uint32_t *slots, uint32_t count,
		      struct err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	int ring = bpf_map_create(BPF_MAP_TYPE_ARRAY, "shunt_ring", sizeof(uint32_t),
				  sizeof(uint32_t), count, &opts);
	bool done = ring >= 0;

	for (uint32_t i = 0; done && i < count; i++)
		done = bpf_map_update_elem(ring, &i, &slots[i], BPF_ANY) == 0;
	done = done &&
	       bpf_map_update_elem(sync->maps.fds[PINNED_RINGS], &index, &ring, BPF_ANY) == 0;
	if (!done)
		err_sys(err, "cannot make a ring of %u slots", count);
	if (ring >= 0)
		close(ring);
	return done;
}

static bool sync_ring(struct vip_sync *sync, const struct snapshot *snapshot,
		      const struct listener *l, uint32_t index, struct err *err)
{
	const uint32_t count = RING_SLOTS_DEFAULT;
	struct ring_member *members = must_alloc(l->upstream->endpoint_count * sizeof(*members));
	uint32_t *slots = must_alloc(count * sizeof(*slots));
	bool done = sync_upstream(sync, l->upstream, members, err);

	if (done) {
		/* An upstream without endpoints: slots that lead to no entry, a counted drop. */
		if (!compile_ring(members, l->upstream->endpoint_count,
				  snapshot->model->node.hash_seed, slots, count))
			for (uint32_t i = 0; i < count; i++)
				slots[i] = ENDPOINTS_MAX;
		done = swap_ring(sync, index, slots, count, err);
	}
	free(slots);
	free(members);
	return done;
}

static bool is_l4(const struct listener *l)
{
	return l->protocol == LISTENER_TCP || l->protocol == LISTENER_UDP;
}

static struct vip_key key_of(const struct listener *l, const struct addr *address)
{
	struct vip_key key = { .port = htons(l->port),
			       .proto = l->protocol == LISTENER_UDP ? IPPROTO_UDP : IPPROTO_TCP };

	memcpy(key.addr, address->ip, sizeof(key.addr));
	return key;
}

static struct vip_slot *find_vip(struct vip_sync *sync, const struct vip_key *key)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		if (sync->vips[i].used && memcmp(&sync->vips[i].key, key, sizeof(*key)) == 0)
			return &sync->vips[i];
	return NULL;
}

/* An index of a ring or of a row that no vip has. */
static uint32_t free_index(const struct vip_sync *sync, uint32_t kind, uint32_t max)
{
	for (uint32_t index = 0; index < max; index++) {
		bool taken = false;

		for (uint32_t i = 0; i < VIPS_MAX && !taken; i++)
			taken = sync->vips[i].used && sync->vips[i].vip.kind == kind &&
				sync->vips[i].vip.index == index;
		if (!taken)
			return index;
	}
	return UINT32_MAX;
}

/* All addresses of an L4 listener share one ring. */
static uint32_t ring_of(struct vip_sync *sync, const struct listener *l)
{
	for (uint32_t i = 0; i < l->vip->address_count; i++) {
		struct vip_key key = key_of(l, &l->vip->addresses[i]);
		struct vip_slot *slot = find_vip(sync, &key);

		if (slot && slot->vip.kind == VIP_L4)
			return slot->vip.index;
	}
	return free_index(sync, VIP_L4, RINGS_MAX);
}

/* Each address of an L7 listener has sockets of its own. */
static uint32_t row_of(struct vip_sync *sync, const struct vip_key *key)
{
	struct vip_slot *slot = find_vip(sync, key);

	if (slot && slot->vip.kind == VIP_L7)
		return slot->vip.index;
	return free_index(sync, VIP_L7, STEERED_MAX);
}

static uint32_t tally_of(const struct vip_entry *vip)
{
	return vip->kind == VIP_L7 ? VIP_TALLY_L7(vip->index) : VIP_TALLY_L4(vip->index);
}

/* The number may have been another listener's. */
static void reset_tally(struct vip_sync *sync, const struct vip_entry *vip)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		if (sync->vips[i].used && tally_of(&sync->vips[i].vip) == tally_of(vip))
			return; /* another address of the same listener */
	tallies_reset_vip(&sync->maps, tally_of(vip));
}

static bool write_vip(struct vip_sync *sync, const struct vip_key *key, const struct vip_entry *vip,
		      enum ping_policy ping, struct err *err)
{
	struct vip_slot *slot = find_vip(sync, key);

	for (uint32_t i = 0; !slot && i < VIPS_MAX; i++)
		if (!sync->vips[i].used)
			slot = &sync->vips[i];
	if (!slot)
		return err_set(err, "more than %d pairs of vip address and port", VIPS_MAX);
	if (!slot->used)
		reset_tally(sync, vip);
	if (bpf_map_update_elem(sync->maps.fds[PINNED_VIPS], key, vip, BPF_ANY) < 0)
		return err_sys(err, "cannot write to the map of vips");
	slot->used = slot->kept = true;
	slot->key = *key;
	slot->vip = *vip;
	slot->ping = ping;
	return true;
}

static bool sync_l4(struct vip_sync *sync, const struct snapshot *snapshot,
		    const struct listener *l, struct err *err)
{
	struct vip_entry vip = { .kind = VIP_L4,
				 .index = ring_of(sync, l),
				 .slots = RING_SLOTS_DEFAULT };

	if (vip.index == UINT32_MAX)
		return err_set(err, "more than %d L4 listeners", RINGS_MAX);
	if (!sync_ring(sync, snapshot, l, vip.index, err))
		return false;
	for (uint32_t i = 0; i < l->vip->address_count; i++) {
		struct vip_key key = key_of(l, &l->vip->addresses[i]);

		if (!write_vip(sync, &key, &vip, l->vip->ping, err))
			return false;
	}
	return true;
}

static bool sync_l7(struct vip_sync *sync, const struct listener *l, struct err *err)
{
	for (uint32_t i = 0; i < l->vip->address_count; i++) {
		struct vip_key key = key_of(l, &l->vip->addresses[i]);
		struct vip_entry vip = { .kind = VIP_L7, .index = row_of(sync, &key) };

		if (vip.index == UINT32_MAX)
			return err_set(err, "more than %d addresses of listeners of the proxy",
				       STEERED_MAX);
		if (!write_vip(sync, &key, &vip, l->vip->ping, err))
			return false;
	}
	return true;
}

/* What all listeners of one address together make of what is for none of them. */
static uint32_t addr_flags(const struct vip_sync *sync, const __be32 addr[4])
{
	bool proxy = false, wanted[PING_DROP + 1] = { false };

	for (uint32_t i = 0; i < VIPS_MAX; i++) {
		const struct vip_slot *slot = &sync->vips[i];

		if (!slot->used || !slot->kept ||
		    memcmp(slot->key.addr, addr, sizeof(slot->key.addr)) != 0)
			continue;
		proxy |= slot->vip.kind == VIP_L7;
		wanted[slot->ping] = true;
	}
	if (wanted[PING_DROP])
		return VIP_ADDR_NO_ANSWER | (proxy ? VIP_ADDR_STACK : 0);
	if (wanted[PING_PASS] || (proxy && !wanted[PING_ANSWER]))
		return proxy ? VIP_ADDR_STACK : 0;
	return VIP_ADDR_ANSWER | (proxy ? VIP_ADDR_STACK : 0);
}

static bool write_addrs(struct vip_sync *sync, struct err *err)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++) {
		struct vip_addr addr;
		uint32_t flags;

		if (!sync->vips[i].used || !sync->vips[i].kept)
			continue;
		memcpy(addr.addr, sync->vips[i].key.addr, sizeof(addr.addr));
		flags = addr_flags(sync, addr.addr);
		if (bpf_map_update_elem(sync->maps.fds[PINNED_VIP_ADDRS], &addr, &flags, BPF_ANY) <
		    0)
			return err_sys(err, "cannot write to the map of vips' addresses");
	}
	return true;
}

static bool address_is_kept(const struct vip_sync *sync, const __be32 addr[4])
{
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		if (sync->vips[i].used && sync->vips[i].kept &&
		    memcmp(sync->vips[i].key.addr, addr, sizeof(sync->vips[i].key.addr)) == 0)
			return true;
	return false;
}

/*
 * Vips that are no more. Endpoints keep their entry, so that established connections go on, until
 * the id is needed: then its generation changes and they ask the ring anew.
 */
static void remove_rest(struct vip_sync *sync)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++) {
		struct vip_slot *slot = &sync->vips[i];
		struct vip_addr addr;

		if (!slot->used || slot->kept)
			continue;
		bpf_map_delete_elem(sync->maps.fds[PINNED_VIPS], &slot->key);
		memcpy(addr.addr, slot->key.addr, sizeof(addr.addr));
		if (!address_is_kept(sync, addr.addr))
			bpf_map_delete_elem(sync->maps.fds[PINNED_VIP_ADDRS], &addr);
		slot->used = false;
	}
	for (uint32_t id = 0; id < ENDPOINTS_MAX; id++)
		if (sync->endpoints[id].used && !sync->endpoints[id].kept)
			sync->endpoints[id].used = false;
}

bool vip_sync_apply(struct vip_sync *sync, const struct snapshot *snapshot, struct err *err)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		sync->vips[i].kept = false;
	for (uint32_t i = 0; i < ENDPOINTS_MAX; i++)
		sync->endpoints[i].kept = false;
	for (uint32_t i = 0; i < snapshot->model->listener_count; i++)
		if (is_l4(snapshot->listeners[i])
			    ? !sync_l4(sync, snapshot, snapshot->listeners[i], err)
			    : !sync_l7(sync, snapshot->listeners[i], err))
			return false;
	if (!write_addrs(sync, err))
		return false;
	remove_rest(sync);
	return true;
}

void vip_sync_refresh(struct vip_sync *sync)
{
	for (uint32_t id = 0; id < ENDPOINTS_MAX; id++) {
		struct endpoint_slot *slot = &sync->endpoints[id];
		uint32_t hop;
		bool ready;

		if (!slot->used || !neighbours_find(sync->neighbours, &slot->vtep, &hop, &ready) ||
		    hop == slot->entry.next_hop)
			continue;
		slot->entry.next_hop = hop;
		write_endpoint(sync, id);
	}
}

uint32_t vip_sync_row(struct vip_sync *sync, const struct addr *address)
{
	struct vip_key key = { .port = address->port, .proto = IPPROTO_TCP };
	struct vip_slot *slot;

	memcpy(key.addr, address->ip, sizeof(key.addr));
	slot = find_vip(sync, &key);
	return slot && slot->vip.kind == VIP_L7 ? slot->vip.index : UINT32_MAX;
}

uint32_t vip_sync_tally(struct vip_sync *sync, const struct listener *l, const struct addr *address)
{
	struct vip_key key = key_of(l, address);
	struct vip_slot *slot = find_vip(sync, &key);

	return slot ? tally_of(&slot->vip) : SAMPLE_NONE;
}

uint32_t vip_sync_endpoint(struct vip_sync *sync, const struct endpoint *endpoint)
{
	uint64_t identity = identity_of(endpoint);

	for (uint32_t id = 0; id < ENDPOINTS_MAX; id++)
		if (sync->endpoints[id].used && sync->endpoints[id].identity == identity)
			return id;
	return SAMPLE_NONE;
}
