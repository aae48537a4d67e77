/*
 * sk_steer.bpf.c - a connection to any of our vips goes to one of the workers' listeners, whether
 * or not the vip is on an interface.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/hash.h"
#include "bpf/lib/parse_ip.h"
#include "bpf/lib/table.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { AF_INET = 2 };

/* Row of WORKERS_MAX sockets for each L7 listener. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, STEERED_MAX *WORKERS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} shunt_listeners SEC(".maps");

static __always_inline void key_of(const struct bpf_sk_lookup *ctx, struct flow_key *flow)
{
	flow->proto = IPPROTO_TCP;
	flow->sport = ctx->remote_port;
	flow->dport = bpf_htons((__u16)ctx->local_port);
	if (ctx->family == AF_INET) {
		__be32 remote = ctx->remote_ip4, local = ctx->local_ip4;

		/* clang 19 would merge these loads with those below into one behind a computed
		 * pointer into the context, which is refused. */
		barrier_var(remote);
		barrier_var(local);
		addr_from_v4(flow->src, remote);
		addr_from_v4(flow->dst, local);
		return;
	}
	flow->src[0] = ctx->remote_ip6[0];
	flow->src[1] = ctx->remote_ip6[1];
	flow->src[2] = ctx->remote_ip6[2];
	flow->src[3] = ctx->remote_ip6[3];
	flow->dst[0] = ctx->local_ip6[0];
	flow->dst[1] = ctx->local_ip6[1];
	flow->dst[2] = ctx->local_ip6[2];
	flow->dst[3] = ctx->local_ip6[3];
}

static __always_inline bool assign(struct bpf_sk_lookup *ctx, __u32 at)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&shunt_listeners, &at);
	bool done;

	if (!sk)
		return false;
	done = bpf_sk_assign(ctx, sk, BPF_SK_LOOKUP_F_NO_REUSEPORT) == 0;
	bpf_sk_release(sk);
	return done;
}

SEC("sk_lookup")
int sk_steer(struct bpf_sk_lookup *ctx)
{
	const struct settings *s = settings_get();
	const struct addr_entry *addr;
	const struct vip_entry *vip;
	struct flow_key flow = {};
	__u32 workers, first;

	if (ctx->protocol != IPPROTO_TCP || !s)
		return SK_PASS;
	key_of(ctx, &flow);
	addr = addr_find(s, flow.dst);
	vip = addr ? port_find(s, addr->number, flow.dport, IPPROTO_TCP) : NULL;
	if (!vip || vip->kind != VIP_L7)
		return SK_PASS;
	workers = s->workers;
	if (workers == 0 || workers > WORKERS_MAX)
		return SK_PASS;
	first = (__u32)(hash_flow(&flow, s->hash_seed) >> 32) % workers;
	/* A worker that has no socket yet, or no more, is passed over. */
	for (__u32 i = 0; i < WORKERS_MAX; i++) {
		if (i >= workers)
			break;
		if (assign(ctx, vip->index * WORKERS_MAX + (first + i) % workers))
			break;
	}
	return SK_PASS;
}
