#include "userspace/dataplane/vip_table.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/hash.h"
#include "bpf/abi/sizes.h"
#include "userspace/base/grace.h"
#include "userspace/base/must.h"
#include "userspace/dataplane/mapped.h"

enum { SEEDS_TRIED = 4096, NUMBER_MASK = ADDR_NUMBER(0, 1) - 1 };

struct staged_vip {
	struct vip_key key;
	struct vip_entry vip;
};

struct vip_table {
	struct addr_entry *addrs;
	struct vip_entry *vips;
	struct settings *settings;
	uint32_t addr_table, vip_table; /* entries of a half */
	uint32_t addrs_max, vips_max;   /* so many that PROBES_MAX suffice */
	uint32_t addr_count, vip_count;
	struct addr_entry staged_addrs[ADDRS_MAX];
	uint16_t staged_at[ADDR_TABLE]; /* by hash: 1 + where among staged_addrs; 0: nothing */
	struct staged_vip staged_vips[VIPS_MAX];
};

struct vip_table *vip_table_create(struct addr_entry *addrs, struct vip_entry *vips,
				   const struct table_sizes *sizes, struct settings *settings)
{
	struct vip_table *t = must_alloc(sizeof(*t));

	MUST(sizes->addrs > 0 && sizes->vips > 0);
	t->addr_table = sizes->addrs;
	t->vip_table = sizes->vips;
	t->addrs_max = sizes->addrs / 4 < ADDRS_MAX ? sizes->addrs / 4 : ADDRS_MAX;
	t->vips_max = sizes->vips / 4 < VIPS_MAX ? sizes->vips / 4 : VIPS_MAX;
	t->addrs = addrs;
	t->vips = vips;
	t->settings = settings;
	return t;
}

void vip_table_destroy(struct vip_table *table)
{
	free(table);
}

void vip_table_begin(struct vip_table *t)
{
	t->addr_count = t->vip_count = 0;
	memset(t->staged_at, 0, sizeof(t->staged_at));
}

/* Where it is noted, or would be: always found, since a quarter of them is used at most. */
static uint16_t *staged_place(struct vip_table *t, const __be32 ip[4])
{
	uint32_t at = (uint32_t)hash_addr(ip, t->settings->hash_seed) & (ADDR_TABLE - 1);

	while (t->staged_at[at] &&
	       memcmp(t->staged_addrs[t->staged_at[at] - 1].addr, ip, 4 * sizeof(ip[0])) != 0)
		at = (at + 1) & (ADDR_TABLE - 1);
	return &t->staged_at[at];
}

static struct addr_entry *staged(struct vip_table *t, const __be32 ip[4])
{
	uint16_t at = *staged_place(t, ip);

	return at ? &t->staged_addrs[at - 1] : NULL;
}

bool vip_table_add(struct vip_table *t, const __be32 ip[4], uint32_t flags, struct err *err)
{
	struct addr_entry *e = staged(t, ip);

	if (!e) {
		if (t->addr_count == t->addrs_max)
			return err_set(err,
				       "more than %u addresses: vips, sources, and those of "
				       "spliced connections that live on%s",
				       t->addrs_max, t->addrs_max < ADDRS_MAX ? MAPS_GROW : "");
		e = &t->staged_addrs[t->addr_count];
		*staged_place(t, ip) = (uint16_t)(t->addr_count + 1);
		memset(e, 0, sizeof(*e));
		memcpy(e->addr, ip, sizeof(e->addr));
		e->number = t->addr_count++;
	}
	e->flags |= flags | ADDR_USED;
	return true;
}

void vip_table_guard(struct vip_table *t, const __be32 ip[4], uint32_t guard, bool cookies)
{
	struct addr_entry *e = staged(t, ip);

	if (!e || !guard)
		return;
	e->flags |= ADDR_GUARDED | (cookies ? ADDR_COOKIES : 0);
	e->guard = guard;
}

void vip_table_vni(struct vip_table *t, const __be32 ip[4], uint32_t vni)
{
	struct addr_entry *e = staged(t, ip);

	if (e)
		e->vni = vni;
}

uint32_t vip_table_next_half(const struct vip_table *t)
{
	return !(t->settings->half & 1);
}

bool vip_table_add_vip(struct vip_table *t, const struct vip_key *key, const struct vip_entry *vip,
		       struct err *err)
{
	uint32_t flags = ADDR_VIP | (vip->kind == VIP_L7 ? ADDR_SPLICES : 0);

	if (!vip_table_add(t, key->addr, flags, err))
		return false;
	if (t->vip_count == t->vips_max)
		return err_set(err, "more than %u pairs of vip address and port%s", t->vips_max,
			       t->vips_max < VIPS_MAX ? MAPS_GROW : "");
	t->staged_vips[t->vip_count].key = *key;
	t->staged_vips[t->vip_count].vip = *vip;
	t->staged_vips[t->vip_count].vip.key =
		VIP_KEY(staged(t, key->addr)->number, key->port, key->proto);
	t->vip_count++;
	return true;
}

static bool place_addr(const struct vip_table *t, struct addr_entry *half,
		       const struct addr_entry *e, uint64_t seed)
{
	uint32_t hash = (uint32_t)hash_addr(e->addr, seed);

	for (uint32_t i = 0; i < PROBES_MAX; i++) {
		struct addr_entry *at = &half[(hash + i) & (t->addr_table - 1)];

		if (at->flags)
			continue;
		*at = *e;
		return true;
	}
	return false;
}

static bool place_vip(const struct vip_table *t, struct vip_entry *half,
		      const struct vip_entry *vip, uint64_t seed)
{
	uint32_t hash = (uint32_t)hash_word(vip->key, seed);

	for (uint32_t i = 0; i < PROBES_MAX; i++) {
		struct vip_entry *at = &half[(hash + i) & (t->vip_table - 1)];

		if (at->key)
			continue;
		*at = *vip;
		return true;
	}
	return false;
}

static bool place_all(const struct vip_table *t, uint32_t half, uint64_t seed)
{
	struct addr_entry *addrs = t->addrs + (size_t)half * t->addr_table;
	struct vip_entry *vips = t->vips + (size_t)half * t->vip_table;

	memset(addrs, 0, t->addr_table * sizeof(*addrs));
	memset(vips, 0, t->vip_table * sizeof(*vips));
	for (uint32_t i = 0; i < t->addr_count; i++) {
		struct addr_entry addr = t->staged_addrs[i];

		addr.number = ADDR_NUMBER(addr.number, half);
		if (!place_addr(t, addrs, &addr, seed))
			return false;
	}
	for (uint32_t i = 0; i < t->vip_count; i++) {
		struct vip_entry vip = t->staged_vips[i].vip;

		vip.key |= VIP_KEY(ADDR_NUMBER(0, half), 0, 0);
		if (!place_vip(t, vips, &vip, seed))
			return false;
	}
	return true;
}

bool vip_table_commit(struct vip_table *t, struct err *err)
{
	uint32_t half = vip_table_next_half(t);

	for (uint64_t i = 0; i < SEEDS_TRIED; i++) {
		uint64_t seed = hash_word(i + 1, t->settings->hash_seed);

		if (!place_all(t, half, seed))
			continue;
		__atomic_store_n(&t->settings->table_seed[half], seed, __ATOMIC_SEQ_CST);
		__atomic_store_n(&t->settings->half, half, __ATOMIC_SEQ_CST);
		t->settings->commits++;
		grace_wait();
		return true;
	}
	return err_set(err, "the table of vips cannot be laid out; use fewer vips");
}

uint32_t vip_table_read(const struct vip_table *t, struct vip_key *out_keys,
			struct vip_entry *out_vips, uint32_t max)
{
	uint32_t half = t->settings->half & 1, count = 0;
	const struct addr_entry *addrs = t->addrs + (size_t)half * t->addr_table;
	const struct vip_entry *vips = t->vips + (size_t)half * t->vip_table;
	const struct addr_entry **by_number = must_alloc(ADDRS_MAX * sizeof(const void *));

	for (uint32_t i = 0; i < t->addr_table; i++)
		if (addrs[i].flags && (addrs[i].number & NUMBER_MASK) < ADDRS_MAX)
			by_number[addrs[i].number & NUMBER_MASK] = &addrs[i];
	for (uint32_t i = 0; i < t->vip_table && count < max; i++) {
		uint32_t number = (uint32_t)(vips[i].key >> 32) & NUMBER_MASK;

		if (!vips[i].key || number >= ADDRS_MAX || !by_number[number])
			continue;
		out_keys[count] = (struct vip_key){ .port = (__be16)(vips[i].key >> 8),
						    .proto = (__u8)vips[i].key };
		memcpy(out_keys[count].addr, by_number[number]->addr, sizeof(out_keys[count].addr));
		out_vips[count++] = vips[i];
	}
	free(by_number);
	return count;
}

void vip_table_flag(struct vip_table *t, uint32_t index, uint32_t flags)
{
	struct vip_entry *vips = t->vips + (size_t)(t->settings->half & 1) * t->vip_table;

	for (uint32_t i = 0; i < t->vip_table; i++)
		if (vips[i].key && vips[i].kind == VIP_L4 && vips[i].index == index)
			__atomic_store_n(&vips[i].flags, flags, __ATOMIC_RELAXED);
}

static const struct addr_entry *addr_find(const struct vip_table *t, const __be32 ip[4])
{
	uint32_t half = __atomic_load_n(&t->settings->half, __ATOMIC_ACQUIRE) & 1;
	const struct addr_entry *addrs = t->addrs + (size_t)half * t->addr_table;
	uint32_t hash = (uint32_t)hash_addr(ip, t->settings->table_seed[half]);

	for (uint32_t i = 0; i < PROBES_MAX; i++) {
		const struct addr_entry *e = &addrs[(hash + i) & (t->addr_table - 1)];

		if (!e->flags)
			return NULL;
		if (memcmp(e->addr, ip, sizeof(e->addr)) == 0)
			return e;
	}
	return NULL;
}

const struct vip_entry *vip_table_find(const struct vip_table *t, const struct vip_key *key)
{
	uint32_t half = t->settings->half & 1;
	const struct vip_entry *vips = t->vips + (size_t)half * t->vip_table;
	const struct addr_entry *addr = addr_find(t, key->addr);
	uint64_t wanted = addr ? VIP_KEY(addr->number, key->port, key->proto) : 0;
	uint32_t hash = (uint32_t)hash_word(wanted, t->settings->table_seed[half]);

	for (uint32_t i = 0; addr && i < PROBES_MAX; i++) {
		const struct vip_entry *vip = &vips[(hash + i) & (t->vip_table - 1)];

		if (!vip->key)
			return NULL;
		if (vip->key == wanted)
			return vip;
	}
	return NULL;
}

bool vip_table_expects(const struct vip_table *t, const __be32 ip[4])
{
	const struct addr_entry *e = addr_find(t, ip);

	return e && e->flags & ADDR_SPLICES;
}

bool vip_table_is_own(const struct vip_table *t, const __be32 ip[4])
{
	const struct addr_entry *e = addr_find(t, ip);

	return e && e->flags & ADDR_OWN;
}

void vip_table_press(struct vip_table *t, const __be32 ip[4], __be16 port, bool pressed)
{
	struct vip_key key = { .port = port, .proto = IPPROTO_TCP };
	struct vip_entry *vip;

	memcpy(key.addr, ip, sizeof(key.addr));
	vip = (struct vip_entry *)vip_table_find(t, &key);
	if (!vip || vip->kind != VIP_L7 || !(vip->flags & VIP_PRESSED) == !pressed)
		return;
	if (pressed)
		__atomic_fetch_or(&vip->flags, VIP_PRESSED, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&vip->flags, ~(uint32_t)VIP_PRESSED, __ATOMIC_RELAXED);
}
