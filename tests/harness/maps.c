#include "tests/harness/maps.h"

#include <string.h>
#include <sys/mman.h>

#include "bpf/abi/sizes.h"
#include "userspace/base/must.h"
#include "bpf/abi/hash.h"
#include "userspace/dataplane/ring_store.h"
#include "userspace/flow/flow_sweep.h"

enum { ENTRIES_MAX = 4096 };

struct maps {
	struct settings *settings;
	struct flow_bucket *flows;
	struct vip_table *table;
	struct ring_store *rings;
	struct ring_place places[RINGS_MAX];
	struct {
		struct vip_key key;
		struct vip_entry vip;
	} vips[ENTRIES_MAX];
	struct {
		__be32 ip[4];
		uint32_t flags, guard, vni;
	} addrs[ENTRIES_MAX];
	uint32_t vip_count, addr_count;
	bool changed;
};

static void *map_of(const struct bpf_map *map)
{
	size_t bytes = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	MUST(at != MAP_FAILED);
	return at;
}

struct maps *maps_open(const struct bpf_map *settings, const struct bpf_map *addrs,
		       const struct bpf_map *vips, const struct bpf_map *ring_lines,
		       const struct bpf_map *flows)
{
	static const struct table_sizes tables = { ADDR_TABLE, VIP_TABLE, GUARD_LINES };
	struct maps *m = must_alloc(sizeof(*m));

	m->settings = map_of(settings);
	m->settings->buckets = FLOW_BUCKETS;
	m->settings->epoch = 1;
	if (addrs && vips)
		m->table = vip_table_create(map_of(addrs), map_of(vips), &tables, m->settings);
	if (ring_lines)
		m->rings = ring_store_create(map_of(ring_lines), bpf_map__max_entries(ring_lines));
	if (flows)
		m->flows = map_of(flows);
	return m;
}

void maps_settings(struct maps *m, const struct settings *settings)
{
	struct settings *s = m->settings;

	m->changed |= s->hash_seed != settings->hash_seed;
	memcpy(s->tunnel, settings->tunnel, sizeof(s->tunnel));
	s->hash_seed = settings->hash_seed;
	s->abi_version = ABI_VERSION;
	s->workers = settings->workers;
	s->nat_first = settings->nat_first;
	s->nat_last = settings->nat_last;
	s->nat_v4 = settings->nat_v4;
	s->nat_all = settings->nat_all;
	memcpy(s->nat_sources, settings->nat_sources, sizeof(s->nat_sources));
}

void maps_addr(struct maps *m, const __be32 ip[4], uint32_t flags)
{
	uint32_t i = 0;

	while (i < m->addr_count && memcmp(m->addrs[i].ip, ip, sizeof(m->addrs[i].ip)) != 0)
		i++;
	if (i < m->addr_count && m->addrs[i].flags == flags)
		return;
	MUST(i < ENTRIES_MAX);
	memcpy(m->addrs[i].ip, ip, sizeof(m->addrs[i].ip));
	m->addrs[i].flags = flags;
	if (i == m->addr_count)
		m->addr_count++;
	m->changed = true;
}

void maps_guard(struct maps *m, const __be32 ip[4], uint32_t guard)
{
	for (uint32_t i = 0; i < m->addr_count; i++)
		if (memcmp(m->addrs[i].ip, ip, sizeof(m->addrs[i].ip)) == 0)
			m->addrs[i].guard = guard;
	m->changed = true;
}

void maps_inside(struct maps *m, const __be32 ip[4], uint32_t vni)
{
	for (uint32_t i = 0; i < m->addr_count; i++)
		if (memcmp(m->addrs[i].ip, ip, sizeof(m->addrs[i].ip)) == 0)
			m->addrs[i].vni = vni;
	m->changed = true;
}

static void add_guards(struct maps *m)
{
	uint32_t half = vip_table_next_half(m->table);

	for (uint32_t i = 0; i < m->addr_count; i++)
		if (m->addrs[i].guard)
			vip_table_guard(m->table, m->addrs[i].ip,
					half * GUARDS_MAX + m->addrs[i].guard, false);
}

static void place_ring(struct maps *m, struct vip_entry *vip)
{
	if (vip->kind != VIP_L4)
		return;
	vip->ring = m->places[vip->index].ring;
	vip->before = m->places[vip->index].before;
	vip->slots = m->places[vip->index].slots;
}

void maps_vip(struct maps *m, const struct vip_key *key, uint32_t kind, uint32_t index)
{
	struct vip_entry vip = { .kind = kind, .index = index };
	uint32_t i = 0;

	while (i < m->vip_count && memcmp(&m->vips[i].key, key, sizeof(*key)) != 0)
		i++;
	MUST(i < ENTRIES_MAX);
	place_ring(m, &vip);
	if (i < m->vip_count && memcmp(&m->vips[i].vip, &vip, sizeof(vip)) == 0)
		return;
	m->vips[i].key = *key;
	m->vips[i].vip = vip;
	if (i == m->vip_count)
		m->vip_count++;
	m->changed = true;
}

void maps_mode(struct maps *m, uint32_t index, uint32_t flags)
{
	for (uint32_t i = 0; i < m->vip_count; i++)
		if (m->vips[i].vip.kind == VIP_L4 && m->vips[i].vip.index == index)
			m->vips[i].vip.flags = flags;
	m->changed = true;
}

void maps_ring(struct maps *m, uint32_t index, const uint32_t *ids, uint32_t slots, bool fresh)
{
	if (fresh)
		ring_store_drop(m->rings, index);
	MUST(ring_store_set(m->rings, index, ids, slots, m->settings->epoch, &m->places[index],
			    NULL));
	for (uint32_t i = 0; i < m->vip_count; i++)
		if (m->vips[i].vip.index == index)
			place_ring(m, &m->vips[i].vip);
	m->changed = true;
}

/* As vip_sync does. */
static bool keep_flow(void *context, const struct flow_entry *e)
{
	struct maps *m = context;
	struct vip_key key = { .port = e->key.dport, .proto = e->key.proto };
	const struct vip_entry *vip;

	memcpy(key.addr, e->key.dst, sizeof(key.addr));
	vip = vip_table_find(m->table, &key);
	return vip && vip->kind == VIP_L4 &&
	       ring_store_keeps(
		       m->rings, vip->index,
		       hash_ring(&e->key, m->settings->hash_seed, vip->flags & VIP_BY_CLIENT),
		       FLOW_INDEX(e->word));
}

void maps_age(struct maps *m, uint32_t epoch)
{
	struct flow_table flows = maps_flows(m);
	struct flow_sweep *sweep = flow_sweep_create(&flows, keep_flow, m);

	maps_commit(m);
	m->settings->epoch = epoch;
	while (!flow_sweep_tick(sweep, epoch))
		;
	ring_store_settle(m->rings, epoch);
	flow_sweep_destroy(sweep);
}

void maps_flag(struct maps *m, uint32_t index, uint32_t flags)
{
	maps_commit(m);
	vip_table_flag(m->table, index, flags);
}

void maps_press(struct maps *m, const struct vip_key *key, bool pressed)
{
	maps_commit(m);
	vip_table_press(m->table, key->addr, key->port, pressed);
}

void maps_commit(struct maps *m)
{
	if (!m->table || !m->changed)
		return;
	vip_table_begin(m->table);
	for (uint32_t i = 0; i < m->addr_count; i++) {
		MUST(vip_table_add(m->table, m->addrs[i].ip, m->addrs[i].flags, NULL));
		vip_table_vni(m->table, m->addrs[i].ip, m->addrs[i].vni);
	}
	for (uint32_t i = 0; i < m->vip_count; i++)
		MUST(vip_table_add_vip(m->table, &m->vips[i].key, &m->vips[i].vip, NULL));
	add_guards(m);
	MUST(vip_table_commit(m->table, NULL));
	if (m->rings)
		ring_store_retire(m->rings);
	m->changed = false;
}

struct ring_store *maps_rings(struct maps *m)
{
	return m->rings;
}

struct flow_table maps_flows(const struct maps *m)
{
	return (struct flow_table){ m->flows, FLOW_BUCKETS, &m->settings->hash_seed };
}

void maps_splice(struct maps *m, const struct flow_key *key, uint32_t dir, uint32_t splice,
		 uint32_t generation)
{
	struct flow_table flows = maps_flows(m);

	flow_table_remove_splice(&flows, key, splice, generation);
	MUST(flow_table_enter_splice(&flows, key, dir, splice, generation));
}

void maps_splice_remove(struct maps *m, const struct flow_key *key, uint32_t splice,
			uint32_t generation)
{
	struct flow_table flows = maps_flows(m);

	flow_table_remove_splice(&flows, key, splice, generation);
}

struct settings *maps_live_settings(struct maps *m)
{
	return m->settings;
}
