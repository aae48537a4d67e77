#include "userspace/dataplane/vip_sync.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/hash.h"
#include "bpf/abi/sample.h"
#include "bpf/abi/sizes.h"
#include "bpf/abi/vip.h"
#include "userspace/base/must.h"
#include "userspace/dataplane/endpoint_ids.h"
#include "userspace/dataplane/guard_sync.h"
#include "userspace/dataplane/ring_store.h"
#include "userspace/dataplane/quic_sync.h"
#include "userspace/dataplane/tallies.h"
#include "userspace/dataplane/vip_addrs.h"
#include "userspace/dataplane/vip_mode.h"
#include "userspace/dataplane/vip_table.h"
#include "userspace/flow/flow_sweep.h"
#include "userspace/snapshot/compile_rings.h"

_Static_assert((int)VIP_ROWS_MAX <= (int)VIPS_MAX && (int)LISTENERS_MAX <= (int)RINGS_MAX &&
		       (int)LISTENERS_MAX <= (int)STEERED_MAX &&
		       (int)RING_MAX == (int)RING_SLOTS_MAX &&
		       RINGS_LIMIT <= RING_LINES_MAX * RING_LINE / 4 &&
		       (int)ENDPOINTS_LIMIT < (int)ENDPOINTS_MAX,
	       "model_check promises that everything fits");

struct vip_slot {
	bool used, kept; /* kept: named by the snapshot that is being applied */
	struct vip_key key;
	struct vip_entry vip;
	enum ping_policy ping; /* while kept */
};

struct vip_sync {
	struct pinned maps;
	struct mapped mapped;
	struct vip_table *table;
	struct ring_store *rings;
	struct endpoint_ids *endpoints;
	struct flow_sweep *sweep;
	struct quic_sync *quic;
	struct neighbours *neighbours;
	uint32_t now_s;                 /* of the last tick */
	uint32_t commits;               /* of the tables, when they were read or written last */
	uint32_t udp_idle_s[RINGS_MAX]; /* by vip_entry.index, of the last snapshot */
	struct vip_slot vips[VIPS_MAX];
};

static struct vip_slot *find_vip(struct vip_sync *sync, const struct vip_key *key)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		if (sync->vips[i].used && memcmp(&sync->vips[i].key, key, sizeof(*key)) == 0)
			return &sync->vips[i];
	return NULL;
}

/* What an older daemon left: vips go on until a snapshot says otherwise. */
static void read_back(struct vip_sync *sync)
{
	struct vip_key *keys = must_alloc(VIPS_MAX * sizeof(*keys));
	struct vip_entry *vips = must_alloc(VIPS_MAX * sizeof(*vips));
	uint32_t count = vip_table_read(sync->table, keys, vips, VIPS_MAX);

	sync->now_s = sync->mapped.settings->epoch;
	sync->commits = sync->mapped.settings->commits;
	memset(sync->vips, 0, sizeof(sync->vips));
	for (uint32_t i = 0; i < count; i++) {
		struct ring_place place = { vips[i].ring, vips[i].before, vips[i].slots };

		sync->vips[i] = (struct vip_slot){ true, false, keys[i], vips[i] };
		if (vips[i].kind == VIP_L4 && vips[i].index < RINGS_MAX)
			ring_store_adopt(sync->rings, vips[i].index, &place, sync->now_s);
	}
	free(keys);
	free(vips);
}

/* Whether a known L4 connection must stay known. */
static bool keep_flow(void *context, const struct flow_entry *e)
{
	struct vip_sync *sync = context;
	struct vip_key key = { .port = e->key.dport, .proto = e->key.proto };
	const struct vip_entry *vip;

	memcpy(key.addr, e->key.dst, sizeof(key.addr));
	vip = vip_table_find(sync->table, &key);
	return vip && vip->kind == VIP_L4 && vip->index < RINGS_MAX &&
	       (key.proto != IPPROTO_UDP ||
		flow_sweep_age(e, sync->now_s) <= sync->udp_idle_s[vip->index]) &&
	       ring_store_keeps(sync->rings, vip->index,
				hash_ring(&e->key, sync->mapped.settings->hash_seed,
					  vip->flags & VIP_BY_CLIENT),
				FLOW_INDEX(e->word));
}

static void know_maps(struct vip_sync *sync)
{
	sync->rings = ring_store_create(sync->mapped.ring_lines,
					sync->mapped.sizes.of[MAP_SIZE_RING_LINES]);
	read_back(sync);
	sync->endpoints = endpoint_ids_create(&sync->maps, sync->neighbours, sync->rings,
					      sync->mapped.sizes.of[MAP_SIZE_ENDPOINTS]);
	sync->quic = quic_sync_create(&sync->maps);
}

static void forget_maps(struct vip_sync *sync)
{
	quic_sync_destroy(sync->quic);
	endpoint_ids_destroy(sync->endpoints);
	ring_store_destroy(sync->rings);
}

struct vip_sync *vip_sync_create(const struct pinned *pinned, const struct mapped *mapped,
				 struct neighbours *neighbours)
{
	struct vip_sync *sync = must_alloc(sizeof(*sync));
	struct flow_table flows = { mapped->flows, mapped->sizes.of[MAP_SIZE_FLOWS],
				    &mapped->settings->hash_seed };
	struct table_sizes tables = mapped_tables(mapped);

	for (uint32_t i = 0; i < RINGS_MAX; i++)
		sync->udp_idle_s[i] = FLOW_UDP_IDLE_S; /* until a snapshot says it */
	sync->maps = *pinned;
	sync->mapped = *mapped;
	sync->neighbours = neighbours;
	sync->table = vip_table_create(mapped->addrs, mapped->vips, &tables, mapped->settings);
	sync->sweep = flow_sweep_create(&flows, keep_flow, sync);
	know_maps(sync);
	return sync;
}

void vip_sync_destroy(struct vip_sync *sync)
{
	if (!sync)
		return;
	flow_sweep_destroy(sync->sweep);
	forget_maps(sync);
	vip_table_destroy(sync->table);
	free(sync);
}

static bool take_endpoints(struct vip_sync *sync, const struct snapshot *snapshot,
			   const struct listener *l, uint32_t index,
			   struct ring_member *out_members, struct err *err)
{
	const struct upstream *u = l->upstream;
	uint32_t max = sync->mapped.sizes.of[MAP_SIZE_ENDPOINTS];

	for (uint32_t i = 0; i < u->endpoint_count; i++) {
		const struct endpoint *e = &u->endpoints[i];
		uint32_t id = endpoint_ids_take(sync->endpoints, e, snapshot_is_over(snapshot, e));

		if (!id)
			return err_set(err,
				       "more than %u endpoints of L4 listeners, counting those "
				       "that were removed lately%s",
				       max - 1, max < ENDPOINTS_MAX ? MAPS_GROW : "");
		if (l->quic.given &&
		    !quic_sync_add(sync->quic, index, e->server_id, e->server_id_bytes, id, err))
			return false;
		out_members[i] = (struct ring_member){ endpoint_identity(e), id,
						       snapshot_weight(snapshot, e) };
	}
	return true;
}

static bool sync_ring(struct vip_sync *sync, const struct snapshot *snapshot,
		      const struct listener *l, uint32_t index, struct ring_place *out_place,
		      struct err *err)
{
	const uint32_t count = listener_ring(l);
	struct ring_member *members = must_alloc(l->upstream->endpoint_count * sizeof(*members));
	uint32_t *ids = must_alloc(count * sizeof(*ids));
	bool done = take_endpoints(sync, snapshot, l, index, members, err);

	if (done) {
		/* An upstream without endpoints: slots of nobody, a counted drop. */
		if (!compile_ring(members, l->upstream->endpoint_count,
				  snapshot->model->node.hash_seed, ids, count))
			memset(ids, 0, count * sizeof(*ids));
		done = ring_store_set(sync->rings, index, ids, count, sync->now_s, out_place, err);
	}
	free(ids);
	free(members);
	return done;
}

/* Whether a vip has this number of a ring or of a row; kept: in the new snapshot. */
static bool is_taken(const struct vip_sync *sync, uint32_t kind, uint32_t index, bool kept)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		if (sync->vips[i].used && (sync->vips[i].kept || !kept) &&
		    sync->vips[i].vip.kind == kind && sync->vips[i].vip.index == index)
			return true;
	return false;
}

static uint32_t free_index(const struct vip_sync *sync, uint32_t kind, uint32_t max)
{
	for (uint32_t index = 0; index < max; index++)
		if (!is_taken(sync, kind, index, false))
			return index;
	return UINT32_MAX;
}

/* All addresses of an L4 listener share one ring, also those that shared one with others before. */
static uint32_t ring_of(struct vip_sync *sync, const struct listener *l)
{
	for (uint32_t i = 0; i < l->vip->address_count; i++) {
		struct vip_key key = vip_mode_key(l, &l->vip->addresses[i]);
		struct vip_slot *slot = find_vip(sync, &key);

		if (slot && slot->vip.kind == VIP_L4 &&
		    !is_taken(sync, VIP_L4, slot->vip.index, true))
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

/* The number may have been another listener's. */
static void reset_tally(struct vip_sync *sync, const struct vip_entry *vip)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		if (sync->vips[i].used && vip_mode_tally(&sync->vips[i].vip) == vip_mode_tally(vip))
			return; /* another address of the same listener */
	tallies_reset_vip(&sync->maps, vip_mode_tally(vip));
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
	if (!vip_table_add_vip(sync->table, key, vip, err))
		return false;
	if (!slot->used)
		reset_tally(sync, vip);
	slot->used = slot->kept = true;
	slot->key = *key;
	slot->vip = *vip;
	slot->ping = ping;
	return true;
}

/* UDP has no first packet that could be told from others: at first all are old, then none is. */
static uint32_t settled_flags(const struct vip_sync *sync, uint32_t index)
{
	uint32_t changed_s = ring_store_changed_s(sync->rings, index);

	uint32_t idle_s = sync->udp_idle_s[index];

	return !changed_s || !idle_s || sync->now_s - changed_s > idle_s ? VIP_SETTLED : 0;
}

static bool sync_l4(struct vip_sync *sync, const struct snapshot *snapshot,
		    const struct listener *l, struct err *err)
{
	struct vip_entry vip = { .kind = VIP_L4, .index = ring_of(sync, l) };
	struct ring_place place;

	if (vip.index == UINT32_MAX)
		return err_set(err, "more than %d L4 listeners", RINGS_MAX);
	sync->udp_idle_s[vip.index] = vip_mode_udp_idle_s(l);
	if (!sync_ring(sync, snapshot, l, vip.index, &place, err))
		return false;
	vip.ring = place.ring;
	vip.before = place.before;
	vip.slots = place.slots;
	vip.flags = settled_flags(sync, vip.index) | vip_mode_flags(l);
	for (uint32_t i = 0; i < l->vip->address_count; i++) {
		struct vip_key key = vip_mode_key(l, &l->vip->addresses[i]);

		if (!write_vip(sync, &key, &vip, l->vip->ping, err))
			return false;
	}
	return true;
}

static bool sync_l7(struct vip_sync *sync, const struct listener *l, struct err *err)
{
	for (uint32_t i = 0; i < l->vip->address_count; i++) {
		struct vip_key key = vip_mode_key(l, &l->vip->addresses[i]);
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
	return vip_mode_addr(proxy, wanted);
}

/* The vips' own flags, as far as they say what becomes of other packets. */
static bool add_addr_flags(struct vip_sync *sync, struct err *err)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++) {
		const struct vip_slot *slot = &sync->vips[i];

		if (slot->used && slot->kept &&
		    !vip_table_add(sync->table, slot->key.addr, addr_flags(sync, slot->key.addr),
				   err))
			return false;
	}
	return true;
}

/* Endpoints in vpcs have an id whether L4 listeners have them or not: the proxy may, too. */
static bool take_tunnels(struct vip_sync *sync, const struct snapshot *snapshot, struct err *err)
{
	for (uint32_t i = 0; i < snapshot->model->endpoint_count; i++) {
		const struct endpoint *e = snapshot->endpoints[i];

		if (e->vpc && !endpoint_ids_take(sync->endpoints, e, snapshot_is_over(snapshot, e)))
			return err_set(err,
				       "more endpoints in vpcs than the fast path has room for");
	}
	return true;
}

static bool stage_all(struct vip_sync *sync, const struct snapshot *snapshot, struct err *err)
{
	vip_table_begin(sync->table);
	for (uint32_t i = 0; i < snapshot->model->listener_count; i++)
		if (vip_mode_is_l4(snapshot->listeners[i])
			    ? !sync_l4(sync, snapshot, snapshot->listeners[i], err)
			    : !sync_l7(sync, snapshot->listeners[i], err))
			return false;
	return take_tunnels(sync, snapshot, err) && add_addr_flags(sync, err) &&
	       vip_addrs_add(sync->table, &sync->mapped, snapshot->model, err) &&
	       vip_addrs_guard(sync->table, &sync->maps, &sync->mapped, snapshot->model, err);
}

/* Vips that are no more. */
static void remove_rest(struct vip_sync *sync)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		if (!sync->vips[i].kept)
			sync->vips[i].used = false;
	for (uint32_t index = 0; index < RINGS_MAX; index++)
		if (!is_taken(sync, VIP_L4, index, false))
			ring_store_drop(sync->rings, index);
}

/* Back to what the maps say: programs go on with it. */
static void reread(struct vip_sync *sync)
{
	forget_maps(sync);
	know_maps(sync);
}

bool vip_sync_apply(struct vip_sync *sync, const struct snapshot *snapshot, struct err *err)
{
	/* A process that was about to take our place, and failed, may have written. */
	if (sync->commits != sync->mapped.settings->commits)
		reread(sync);
	for (uint32_t i = 0; i < VIPS_MAX; i++)
		sync->vips[i].kept = false;
	endpoint_ids_begin(sync->endpoints);
	quic_sync_begin(sync->quic);
	if (!stage_all(sync, snapshot, err) || !vip_table_commit(sync->table, err)) {
		reread(sync); /* rings that nobody uses would age in place of those in use */
		return false;
	}
	sync->commits = sync->mapped.settings->commits;
	guard_sync_retire(&sync->maps, vip_table_next_half(sync->table));
	remove_rest(sync);
	endpoint_ids_end(sync->endpoints);
	quic_sync_end(sync->quic);
	ring_store_retire(sync->rings);
	return true;
}

void vip_sync_refresh(struct vip_sync *sync)
{
	endpoint_ids_refresh(sync->endpoints);
}

static void settle_vips(struct vip_sync *sync)
{
	for (uint32_t i = 0; i < VIPS_MAX; i++) {
		struct vip_entry *vip = &sync->vips[i].vip;
		uint32_t flags = vip->flags & ~VIP_SETTLED;

		if (!sync->vips[i].used || vip->kind != VIP_L4)
			continue;
		flags |= settled_flags(sync, vip->index);
		if (flags != vip->flags)
			vip_table_flag(sync->table, vip->index, flags);
		vip->flags = flags;
	}
}

void vip_sync_tick(struct vip_sync *sync, uint32_t epoch)
{
	sync->now_s = epoch;
	__atomic_store_n(&sync->mapped.settings->epoch, epoch, __ATOMIC_RELAXED);
	if (flow_sweep_tick(sync->sweep, epoch))
		ring_store_settle(sync->rings, epoch);
	settle_vips(sync);
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
	struct vip_key key = vip_mode_key(l, address);
	struct vip_slot *slot = find_vip(sync, &key);

	return slot ? vip_mode_tally(&slot->vip) : SAMPLE_NONE;
}

uint32_t vip_sync_endpoint(struct vip_sync *sync, const struct endpoint *endpoint)
{
	uint32_t id = endpoint_ids_find(sync->endpoints, endpoint);

	return id ? id : SAMPLE_NONE;
}

void vip_sync_drain(struct vip_sync *sync, uint32_t id, bool drain)
{
	endpoint_ids_drain(sync->endpoints, id, drain, sync->now_s);
}

uint32_t vip_sync_hop(const struct vip_sync *sync, uint32_t id)
{
	return endpoint_ids_hop(sync->endpoints, id);
}

void vip_sync_press(struct vip_sync *sync, const struct addr *address, bool pressed)
{
	vip_table_press(sync->table, address->ip, address->port, pressed);
}

bool vip_sync_is_own(const struct vip_sync *sync, const struct addr *address)
{
	return vip_table_is_own(sync->table, address->ip);
}

bool vip_sync_expects(const struct vip_sync *sync, const struct addr *address)
{
	return vip_table_expects(sync->table, address->ip);
}
