#include "userspace/dataplane/guard_sync.h"

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bpf/abi/sizes.h"

_Static_assert((int)GUARDS_LIMIT + 2 <= (int)GUARDS_MAX &&
		       (int)GUARD_NETWORKS_LIMIT + 2 * (int)GUARDS_MAX <= (int)GUARD_NETS_MAX,
	       "model_check promises that everything fits");

enum { NODE_GUARD = 1, FIRST_VIP = 2, MAPPED_BITS = 96 };

/* Of jiffies: the coarse clock moves once in each. */
static uint32_t jiffies_hz(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0 || tick.tv_nsec <= 0)
		return 1000;
	return (uint32_t)((1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

struct guard_rate guard_rate_of(uint32_t per_second, uint32_t burst, uint32_t hz)
{
	uint64_t second = (uint64_t)hz << GUARD_PART_BITS;
	uint64_t interval = per_second ? (second + per_second / 2) / per_second : second;
	/* The clock moves in jiffies: what comes in one of them must be let through. */
	uint64_t least = interval + (1u << GUARD_PART_BITS), ahead = interval * burst;

	return (struct guard_rate){ interval, ahead < least ? least : ahead };
}

/* Of /proc/sys: the last number of its line; 0 where it cannot be read. */
static uint64_t sysctl_read(const char *path)
{
	unsigned long long n[3] = { 0 };
	FILE *file = fopen(path, "re");
	int count;

	if (!file)
		return 0;
	count = fscanf(file, "%llu %llu %llu", &n[0], &n[1], &n[2]);
	fclose(file);
	return count > 0 ? n[count - 1] : 0;
}

/* What the kernel will take for the scale of our window: tcp_select_initial_window(). */
static uint32_t window_scale(void)
{
	uint64_t space = sysctl_read("/proc/sys/net/ipv4/tcp_rmem");
	uint64_t most = sysctl_read("/proc/sys/net/core/rmem_max");
	uint32_t scale = 0;

	if (space < most)
		space = most;
	while (scale < 14 && space >> (scale + 16))
		scale++;
	return scale;
}

static uint32_t cookies_of(const struct guard *g)
{
	bool stamps = sysctl_read("/proc/sys/net/ipv4/tcp_timestamps") == 2;

	if (g->cookies == GUARD_COOKIES_OFF)
		return 0;
	return GUARD_COOKIES | window_scale() | (stamps ? GUARD_COOKIE_STAMPS : 0);
}

/* The kernel must believe in cookies that it has not sent: bpf/lib/syn_cookie.h. */
static bool may_have_cookies(const struct guard *g, struct err *err)
{
	if (!g->given || g->mode != GUARD_MODE_ENFORCE || g->cookies == GUARD_COOKIES_OFF ||
	    sysctl_read("/proc/sys/net/ipv4/tcp_syncookies") == 2)
		return true;
	return err_set(err,
		       "\"syn_cookies\" of a guard need the kernel to take them always; run "
		       "`sysctl -w net.ipv4.tcp_syncookies=2 net.ipv4.tcp_timestamps=2` first");
}

static bool is_on(const struct guard *g)
{
	return g->given && g->mode != GUARD_MODE_OFF;
}

static bool has_lists(const struct guard *g)
{
	return g->allow.count + g->deny.count > 0;
}

static struct guard_entry entry_of(const struct guard *g, uint32_t number, uint32_t hz)
{
	struct guard_entry e = { .number = number };

	e.flags = (g->mode == GUARD_MODE_ENFORCE ? GUARD_ENFORCE : 0) |
		  (has_lists(g) ? GUARD_LISTS : 0) | (g->packets.per_second ? GUARD_PACKETS : 0) |
		  (g->flows.per_second ? GUARD_FLOWS : 0);
	e.packets = guard_rate_of(g->packets.per_second, g->packets.burst, hz);
	e.cookies = cookies_of(g);
	/* One a second at least is left to the stack: by it the kernel knows that cookies are out.
	 */
	e.syns = g->cookies == GUARD_COOKIES_ALWAYS
			 ? guard_rate_of(1, 1, hz)
			 : guard_rate_of(g->cookies_above, g->cookies_above, hz);
	e.flows = guard_rate_of(g->flows.per_second, g->flows.burst, hz);
	return e;
}

static bool put_net(int fd, uint32_t guard, const struct network *n, uint8_t what, struct err *err)
{
	struct guard_net_key key = { .bits = GUARD_NET_BITS + n->bits, .guard = guard };

	memcpy(key.addr, n->ip, sizeof(key.addr));
	return bpf_map_update_elem(fd, &key, &what, BPF_ANY) == 0 ||
	       err_sys(err, "cannot write the map shunt_guard_nets");
}

static bool put_list(int fd, uint32_t guard, const struct network_list *list, uint8_t what,
		     struct err *err)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (!put_net(fd, guard, &list->networks[i], what, err))
			return false;
	return true;
}

/* Who is in no list, is let in unless somebody is named who is; ::/0 has no IPv4 address. */
static bool put_lists(int fd, uint32_t guard, const struct guard *g, struct err *err)
{
	const struct network all6 = { .bits = 0 },
			     all4 = { .ip = { 0, 0, htonl(0xffff) }, .bits = MAPPED_BITS };
	uint8_t others = g->allow.count ? GUARD_DENY : GUARD_ALLOW;

	return !has_lists(g) ||
	       (put_net(fd, guard, &all6, others, err) && put_net(fd, guard, &all4, others, err) &&
		put_list(fd, guard, &g->allow, GUARD_ALLOW, err) &&
		put_list(fd, guard, &g->deny, GUARD_DENY, err));
}

bool guard_sync_has_cookies(const struct model *model, const struct vip *vip)
{
	return (is_on(&vip->guard) && vip->guard.cookies != GUARD_COOKIES_OFF) ||
	       (is_on(&model->node.guard) && model->node.guard.cookies != GUARD_COOKIES_OFF);
}

uint32_t guard_sync_of(const struct model *model, uint32_t half, const struct vip *vip)
{
	uint32_t own = 0;

	if (!is_on(&vip->guard))
		return is_on(&model->node.guard) ? half * GUARDS_MAX + NODE_GUARD : 0;
	for (const struct vip *v = model->vips; v < vip; v++)
		own += is_on(&v->guard);
	return half * GUARDS_MAX + FIRST_VIP + own;
}

bool guard_sync_stage(const struct pinned *maps, struct guard_entry *guards, uint32_t half,
		      const struct model *model, struct err *err)
{
	int nets = maps->fds[PINNED_GUARD_NETS];
	uint32_t hz = jiffies_hz(), node = half * GUARDS_MAX + NODE_GUARD;

	if (!may_have_cookies(&model->node.guard, err))
		return false;
	guard_sync_retire(maps, half);
	memset(&guards[half * GUARDS_MAX], 0, GUARDS_MAX * sizeof(*guards));
	if (is_on(&model->node.guard)) {
		guards[node] = entry_of(&model->node.guard, NODE_GUARD, hz);
		if (!put_lists(nets, node, &model->node.guard, err))
			return false;
	}
	for (uint32_t i = 0; i < model->vip_count; i++) {
		const struct vip *vip = &model->vips[i];
		uint32_t at = guard_sync_of(model, half, vip);

		if (!is_on(&vip->guard))
			continue;
		if (!may_have_cookies(&vip->guard, err))
			return false;
		guards[at] = entry_of(&vip->guard, at % GUARDS_MAX, hz);
		guards[at].also = is_on(&model->node.guard) ? node : 0;
		if (!put_lists(nets, at, &vip->guard, err))
			return false;
	}
	return true;
}

void guard_sync_retire(const struct pinned *maps, uint32_t half)
{
	int fd = maps->fds[PINNED_GUARD_NETS];
	struct guard_net_key key, next;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	for (uint32_t n = 0; more && n < 2 * GUARD_NETS_MAX; n++) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (key.guard / GUARDS_MAX == half)
			bpf_map_delete_elem(fd, &key);
	}
}
