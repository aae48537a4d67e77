/* guard: of the node and of vips: who may send how much. */
#include <string.h>

#include "userspace/model/model_parts.h"

enum { RATE_LIMIT = 10000000, COOKIES_ABOVE = 500 };

static void read_mode(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	static const char *const names[] = { "enforce", "observe", "off", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum guard_mode *)into = (enum guard_mode)word;
}

static void read_cookies(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	static const char *const names[] = { "off", "auto", "always", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(enum guard_cookies *)into = (enum guard_cookies)word;
}

/* The burst, unless one is given: what comes in a second. */
static void burst_default(struct guard_limit *limit)
{
	if (!limit->burst)
		limit->burst = limit->per_second;
}

static void check_limit(struct reading *r, struct place at, const struct guard_limit *limit,
			const char *what)
{
	if (limit->burst && !limit->per_second)
		finding(r, at, "\"%s_burst\" needs \"%s_per_source\": how many a second", what,
			what);
}

/* The same network in both lists says nothing. */
static void check_lists(struct reading *r, struct place at, const struct guard *g)
{
	for (uint32_t i = 0; i < g->allow.count; i++)
		for (uint32_t k = 0; k < g->deny.count; k++) {
			const struct network *a = &g->allow.networks[i];

			if (memcmp(a, &g->deny.networks[k], sizeof(*a)) == 0)
				finding(r, at, "%s is in \"allow\" and in \"deny\"; remove one",
					network_print(a).text);
		}
}

const struct key guard_keys[] = {
	{ "mode", read_mode, offsetof(struct guard, mode) },
	{ "allow", read_networks, offsetof(struct guard, allow) },
	{ "deny", read_networks, offsetof(struct guard, deny) },
	{ "packets_per_source", read_number, offsetof(struct guard, packets.per_second), 1,
	  RATE_LIMIT },
	{ "packets_burst", read_number, offsetof(struct guard, packets.burst), 1, RATE_LIMIT },
	{ "flows_per_source", read_number, offsetof(struct guard, flows.per_second), 1,
	  RATE_LIMIT },
	{ "flows_burst", read_number, offsetof(struct guard, flows.burst), 1, RATE_LIMIT },
	{ "syn_cookies", read_cookies, offsetof(struct guard, cookies) },
	{ "syn_cookies_above", read_number, offsetof(struct guard, cookies_above), 1, RATE_LIMIT },
	{ 0 },
};

void read_guard(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct guard *g = into;

	(void)key;
	g->given = true;
	schema_read(r, guard_keys, value, g);
	if (value->kind != YAML_MAP)
		return;
	check_limit(r, value->at, &g->packets, "packets");
	check_limit(r, value->at, &g->flows, "flows");
	check_lists(r, value->at, g);
	if (g->cookies_above && g->cookies != GUARD_COOKIES_AUTO)
		finding(r, value->at, "\"syn_cookies_above\" needs \"syn_cookies: auto\"");
	if (!g->cookies_above)
		g->cookies_above = COOKIES_ABOVE;
	burst_default(&g->packets);
	burst_default(&g->flows);
}

/* A guard is found by address. */
static void check_shared(struct building *b, const struct vip *vip)
{
	for (const struct vip *other = b->model->vips; other < vip; other++)
		for (uint32_t i = 0; i < vip->address_count; i++)
			for (uint32_t k = 0; k < other->address_count; k++) {
				if (!addr_is_ip(&vip->addresses[i], &other->addresses[k]) ||
				    !(vip->guard.given || other->guard.given))
					continue;
				finding(&b->reading, vip->at,
					"vips \"%s\" and \"%s\" share the address %s, so neither "
					"can have a guard of its own; use that of the node, or one "
					"vip with all listeners",
					other->name, vip->name,
					addr_print(&vip->addresses[i]).text);
				return;
			}
}

void check_guards(struct building *b)
{
	const struct model *m = b->model;
	uint32_t guards = 0;
	uint64_t networks = (uint64_t)m->node.guard.allow.count + m->node.guard.deny.count;

	for (uint32_t i = 0; i < m->vip_count; i++) {
		const struct guard *g = &m->vips[i].guard;

		guards += g->given;
		networks += g->allow.count + g->deny.count;
		check_shared(b, &m->vips[i]);
	}
	if (m->vip_count > 0 && guards > GUARDS_LIMIT)
		finding(&b->reading, m->vips[0].at,
			"expected at most %d vips with a guard, found %u", GUARDS_LIMIT, guards);
	if (m->vip_count > 0 && networks > GUARD_NETWORKS_LIMIT)
		finding(&b->reading, m->vips[0].at,
			"expected at most %d networks in all guards, found %llu",
			GUARD_NETWORKS_LIMIT, (unsigned long long)networks);
}
