/*
 * syn_cookie.h - SYNs for listeners of the proxy, answered here with a cookie of the kernel's
 * (RFC 4987, 3.6): nothing is kept of who does not answer.
 *
 * The kernel makes the connection from the client's ACK, as it does after its own cookies; the
 * ACK needs nothing from us. It believes in cookies for two minutes after it has sent one, which
 * with net.ipv4.tcp_syncookies=2 it does for each SYN that it sees: so a SYN a second is let
 * through to each listener. What else the client can do is in the lowest bits of our timestamp
 * (net/ipv4/syncookies.c), which needs net.ipv4.tcp_timestamps=2: the kernel adds no offset then.
 */
#pragma once
#include <linux/tcp.h>

#include "bpf/lib/echo.h"
#include "bpf/lib/guard.h"
#include "bpf/lib/mss_clamp.h"
#include "bpf/lib/pkt.h"
#include "bpf/lib/tcp_options.h"

enum {
	OPTION_WSCALE = 3,
	OPTION_SACK_OK = 4,
	STAMP_BITS = 6, /* TSBITS of the kernel */
	STAMP_NO_WSCALE = 0xf,
	STAMP_SACK = 1 << 4,
	COOKIE_WINDOW = 29200, /* ten segments and more: no client sends more before it has an ACK
				  of the kernel's */
	TCP_HEAD = 20,
	TCP_HEAD_MAX = 60,
	NS_PER_MS = 1000000,
	PRESSED_PARTS = 256 << GUARD_PART_BITS, /* between two SYNs for a stack that is in
						   trouble: 256 jiffies, at most 2.6 s */
};

#ifdef PKT_TC

/* The stack is the next step, and answers with cookies of its own where it must. */
static __always_inline enum verdict syn_cookie(struct pkt *p)
{
	(void)p;
	return NEXT;
}

#else

/* A SYN's TCP header, and what its options say. */
struct cookie_syn {
	__u8 head[64];
	__be32 stamp;
	__u8 has_stamp;
	__u8 wscale; /* STAMP_NO_WSCALE: none */
	__u8 has_sack;
	__u8 zero;
};

/* What answers it, options included. */
struct cookie_answer {
	struct tcphdr head;
	__u8 options[20];
};

/* While a SYN is answered: on the stack it would be too much. Belongs to the program that runs on
 * this CPU, so it is not pinned. */
struct cookie_work {
	struct guard_ask ask;
	struct cookie_syn syn;
	struct cookie_answer answer;
	struct iphdr ip4;
	struct ipv6hdr ip6;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cookie_work);
} cookie_works SEC(".maps");

static __always_inline struct cookie_work *cookie_work(void)
{
	__u32 zero = 0;
	struct cookie_work *w = bpf_map_lookup_elem(&cookie_works, &zero);

	if (w)
		__builtin_memset(w, 0, sizeof(*w));
	return w;
}

/* One option; returns its length, 0 where they end. Verified on its own, as option_step. */
__noinline int cookie_option(struct cookie_syn *syn, __u32 at)
{
	__u32 kind, len, end;

	if (!syn || at > TCP_HEAD_MAX - 2)
		return 0;
	end = (syn->head[12] >> 4) * 4;
	kind = syn->head[at & 63];
	if (kind == OPTION_END)
		return 0;
	if (kind == OPTION_NOP)
		return 1;
	len = syn->head[(at + 1) & 63];
	if (len < 2 || at + len > end)
		return 0;
	if (kind == OPTION_TS && len == OPTION_TS_BYTES) {
		syn->has_stamp = 1;
		__builtin_memcpy((__u8 *)&syn->stamp + 0, &syn->head[(at + 2) & 63], 1);
		__builtin_memcpy((__u8 *)&syn->stamp + 1, &syn->head[(at + 3) & 63], 1);
		__builtin_memcpy((__u8 *)&syn->stamp + 2, &syn->head[(at + 4) & 63], 1);
		__builtin_memcpy((__u8 *)&syn->stamp + 3, &syn->head[(at + 5) & 63], 1);
	}
	if (kind == OPTION_WSCALE && len == 3)
		syn->wscale = syn->head[(at + 2) & 63] > 14 ? 14 : syn->head[(at + 2) & 63];
	if (kind == OPTION_SACK_OK && len == 2)
		syn->has_sack = 1;
	return (int)len;
}

/* The header at an offset of the frame; its length, or 0. */
__noinline int cookie_read(PKT_CTX *ctx, __u32 at, struct cookie_syn *syn)
{
	__u32 len, from = TCP_HEAD;

	if (!syn || bpf_xdp_load_bytes(ctx, at, syn->head, TCP_HEAD) < 0)
		return 0;
	len = (syn->head[12] >> 4) * 4;
	if (len < TCP_HEAD || len > TCP_HEAD_MAX)
		return 0;
	if (len > TCP_HEAD && bpf_xdp_load_bytes(ctx, at, syn->head, len) < 0)
		return 0;
	syn->wscale = STAMP_NO_WSCALE;
	for (int i = 0; i < OPTION_BYTES_MAX; i++) {
		int step = from < len ? cookie_option(syn, from) : 0;

		if (step <= 0)
			break;
		from += (__u32)step;
	}
	return (int)len;
}

/* Our clock as the kernel's, with what it must know later in the lowest bits. */
static __always_inline __u32 cookie_stamp(const struct cookie_syn *syn)
{
	__u32 now = (__u32)(bpf_ktime_get_ns() / NS_PER_MS);
	__u32 stamp =
		(now & ~((1u << STAMP_BITS) - 1)) | syn->wscale | (syn->has_sack ? STAMP_SACK : 0);

	return (__s32)(stamp - now) > 0 ? stamp - (1u << STAMP_BITS) : stamp;
}

/* Fills in all but the checksum; returns whether with all options. cookie: as the helper has it.
 * how: see guard_entry.cookies. */
__noinline int cookie_fill(struct cookie_answer *a, const struct cookie_syn *syn, __u64 cookie,
			   __u32 how)
{
	const struct tcphdr *in;
	__u32 stamp;
	bool full;
	__u8 *o;

	if (!a || !syn)
		return 0;
	in = (const struct tcphdr *)syn->head;
	full = syn->has_stamp && how & GUARD_COOKIE_STAMPS;
	stamp = bpf_htonl(cookie_stamp(syn));
	o = a->options;

	a->head.source = in->dest;
	a->head.dest = in->source;
	a->head.seq = bpf_htonl((__u32)cookie);
	a->head.ack_seq = bpf_htonl(bpf_ntohl(in->seq) + 1);
	a->head.syn = a->head.ack = 1;
	a->head.doff = full ? 10 : 6;
	a->head.window = bpf_htons(COOKIE_WINDOW);
	o[0] = OPTION_MSS;
	o[1] = 4;
	o[2] = (__u8)(cookie >> 40);
	o[3] = (__u8)(cookie >> 32);
	if (!full)
		return 0;
	o[4] = syn->has_sack ? OPTION_SACK_OK : OPTION_NOP;
	o[5] = syn->has_sack ? 2 : OPTION_NOP;
	o[6] = OPTION_TS;
	o[7] = OPTION_TS_BYTES;
	__builtin_memcpy(&o[8], &stamp, 4);
	__builtin_memcpy(&o[12], &syn->stamp, 4);
	o[16] = OPTION_NOP;
	o[17] = syn->wscale == STAMP_NO_WSCALE ? OPTION_NOP : OPTION_WSCALE;
	o[18] = syn->wscale == STAMP_NO_WSCALE ? OPTION_NOP : 3;
	o[19] = syn->wscale == STAMP_NO_WSCALE ? OPTION_NOP : (__u8)(how & GUARD_COOKIE_WSCALE);
	return 1;
}

/* pseudo: of the addresses. */
__noinline int cookie_sum(struct cookie_answer *a, __u32 len, __u64 pseudo)
{
	__be32 *words = (__be32 *)a;
	__u64 sum = pseudo + bpf_htons(IPPROTO_TCP) + bpf_htons((__u16)len);

	if (!a)
		return 0;

#pragma unroll
	for (__u32 i = 0; i < sizeof(*a) / 4; i++)
		sum += words[i]; /* what is behind len is 0 */
	a->head.check = (__u16)~sum_fold(sum);
	return 1;
}

/* The frame gets its new length and goes back to where it came from. */
static __always_inline bool cookie_frame(PKT_CTX *ctx, __u32 len)
{
	struct ethhdr *eth;

	if (bpf_xdp_adjust_tail(ctx, (int)len - (int)bpf_xdp_get_buff_len(ctx)) < 0)
		return false;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return false;
	swap_macs(eth);
	return true;
}

/* 1: the frame is now the answer; 0: it is as it was; -1: it must not go on. */
__noinline int cookie_answer_v4(PKT_CTX *ctx, __u32 l3_at, __u32 how)
{
	struct cookie_work *w = cookie_work();
	__u32 len;
	__s64 cookie;

	if (!w)
		return 0;
	l3_at &= FRAME_OFF_MAX;
	if (bpf_xdp_load_bytes(ctx, l3_at, &w->ip4, sizeof(w->ip4)) < 0)
		return 0;
	len = (__u32)cookie_read(ctx, l3_at + sizeof(w->ip4), &w->syn);
	len &= 63;
	barrier_var(len); /* clang 19 compares a copy, and Linux 6.18 then knows no bound here */
	if (len < TCP_HEAD || len > TCP_HEAD_MAX)
		return 0;
	cookie = bpf_tcp_raw_gen_syncookie_ipv4(&w->ip4, (struct tcphdr *)w->syn.head, len);
	if (cookie < 0)
		return 0;
	len = cookie_fill(&w->answer, &w->syn, (__u64)cookie, how) ? TCP_HEAD + 20 : TCP_HEAD + 4;
	cookie_sum(&w->answer, len, (__u64)w->ip4.saddr + w->ip4.daddr);
	swap_words(&w->ip4.saddr, &w->ip4.daddr, 1);
	w->ip4.tot_len = bpf_htons((__u16)(sizeof(w->ip4) + len));
	w->ip4.id = 0;
	w->ip4.tos = 0;
	w->ip4.frag_off = bpf_htons(0x4000); /* DF: RFC 6864 asks no id of it */
	w->ip4.ttl = OWN_TTL;
	w->ip4.check = 0;
	w->ip4.check = (__u16)~sum_fold((__u64)((__be32 *)&w->ip4)[0] + ((__be32 *)&w->ip4)[1] +
					((__be32 *)&w->ip4)[2] + w->ip4.saddr + w->ip4.daddr);
	if (!cookie_frame(ctx, l3_at + sizeof(w->ip4) + len))
		return 0;
	return bpf_xdp_store_bytes(ctx, l3_at, &w->ip4, sizeof(w->ip4)) < 0 ||
			       bpf_xdp_store_bytes(ctx, l3_at + sizeof(w->ip4), &w->answer, len) < 0
		       ? -1
		       : 1;
}

__noinline int cookie_answer_v6(PKT_CTX *ctx, __u32 l3_at, __u32 how)
{
	struct cookie_work *w = cookie_work();
	__u64 pseudo = 0;
	__u32 len;
	__s64 cookie;

	if (!w)
		return 0;
	l3_at &= FRAME_OFF_MAX;
	if (bpf_xdp_load_bytes(ctx, l3_at, &w->ip6, sizeof(w->ip6)) < 0)
		return 0;
	len = (__u32)cookie_read(ctx, l3_at + sizeof(w->ip6), &w->syn);
	len &= 63;
	barrier_var(len); /* clang 19 compares a copy, and Linux 6.18 then knows no bound here */
	if (len < TCP_HEAD || len > TCP_HEAD_MAX)
		return 0;
	cookie = bpf_tcp_raw_gen_syncookie_ipv6(&w->ip6, (struct tcphdr *)w->syn.head, len);
	if (cookie < 0)
		return 0;
	len = cookie_fill(&w->answer, &w->syn, (__u64)cookie, how) ? TCP_HEAD + 20 : TCP_HEAD + 4;
#pragma unroll
	for (int i = 0; i < 4; i++)
		pseudo += (__u64)w->ip6.saddr.s6_addr32[i] + w->ip6.daddr.s6_addr32[i];
	cookie_sum(&w->answer, len, pseudo);
	swap_words(w->ip6.saddr.s6_addr32, w->ip6.daddr.s6_addr32, 4);
	w->ip6.payload_len = bpf_htons((__u16)len);
	w->ip6.hop_limit = OWN_TTL;
	if (!cookie_frame(ctx, l3_at + sizeof(w->ip6) + len))
		return 0;
	return bpf_xdp_store_bytes(ctx, l3_at, &w->ip6, sizeof(w->ip6)) < 0 ||
			       bpf_xdp_store_bytes(ctx, l3_at + sizeof(w->ip6), &w->answer, len) < 0
		       ? -1
		       : 1;
}

/*
 * How a SYN shall be answered (guard_entry.cookies), or 0: the listener has had fewer of them
 * lately than it can bear, and its accept queue has room (shuntd looks, and says so). Its own
 * address stands for the source too, as the rate is of the vip.
 */
__noinline int cookie_wanted(const struct guard_ask *ask)
{
	const struct guard_entry *g;
	struct guard_rate rate;
	__u32 at, which;

	if (!ask)
		return 0;
	at = ask->guard;
	g = array_at(&shunt_guards, at);
	if (g && !g->cookies && g->also) {
		at = g->also;
		g = array_at(&shunt_guards, at);
	}
	if (!g || !g->cookies)
		return 0;
	which = (__u32)hash_mix((__u64)ask->flow.dst[2] << 32 | ask->flow.dst[3], ask->flow.dport);
	rate = g->syns;
	if (ask->how & GUARD_HOW_PRESSED)
		rate.interval = rate.ahead = PRESSED_PARTS;
	if (guard_has_left(ask, &rate, which | 1u << 31))
		return 0;
	if (!(g->flags & GUARD_ENFORCE)) {
		count(COUNT_COOKIE_SEEN, ask->bytes);
		return 0;
	}
	return (int)g->cookies;
}

/*
 * Whether the stack has this very connection, most often its end (TIME-WAIT): it knows what a SYN
 * means then, and would take no ACK of a cookie. Who opens many connections uses ports again.
 */
__noinline int cookie_is_taken(PKT_CTX *ctx, const struct flow_key *flow)
{
	struct bpf_sock_tuple tuple = { 0 };
	struct bpf_sock *sk;
	__u32 len;
	int taken;

	if (!flow)
		return 0;
	if (!flow->src[0] && !flow->src[1] && flow->src[2] == bpf_htonl(0xffff)) {
		tuple.ipv4.saddr = flow->src[3];
		tuple.ipv4.daddr = flow->dst[3];
		tuple.ipv4.sport = flow->sport;
		tuple.ipv4.dport = flow->dport;
		len = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, flow->src, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, flow->dst, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = flow->sport;
		tuple.ipv6.dport = flow->dport;
		len = sizeof(tuple.ipv6);
	}
	sk = bpf_skc_lookup_tcp(ctx, &tuple, len, (__u64)BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 0;
	taken = sk->state != BPF_TCP_LISTEN;
	bpf_sk_release(sk);
	return taken;
}

static __noinline int cookie_packet(const struct pkt *p)
{
	__u32 l3_at = (__u32)((long)p->l3 - (long)p->start);
	struct cookie_work *w = cookie_work();
	int how;

	if (!w)
		return 0;
	w->ask.flow = p->flow;
	__builtin_memcpy(w->ask.flow.src, p->flow.dst, sizeof(p->flow.dst));
	w->ask.seed = p->settings->hash_seed;
	w->ask.guard = p->addr->guard;
	w->ask.how = p->vip->flags & VIP_PRESSED ? GUARD_HOW_PRESSED : 0;
	w->ask.bytes = p->arrived_bytes;
	how = cookie_wanted(&w->ask);
	if (!how || cookie_is_taken(p->ctx, &p->flow))
		return 0;
	return p->flags & PKT_V6 ? cookie_answer_v6(p->ctx, l3_at, (__u32)how)
				 : cookie_answer_v4(p->ctx, l3_at, (__u32)how);
}

/* needs: addr, vip, flow, flags; NEXT: the stack has it, as all that cannot be answered in place */
static __always_inline enum verdict syn_cookie(struct pkt *p)
{
	int done;

	if (!(p->addr->flags & ADDR_COOKIES) || !starts_connection(p) ||
	    p->flags & (PKT_FRAGMENT | PKT_UNWRAPPED | PKT_EXPLAINED) ||
	    p->l4_off != (p->flags & PKT_V6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)))
		return NEXT;
	done = cookie_packet(p);
	if (done > 0)
		return pkt_end(p, SEND_BACK, COUNT_COOKIE_SENT);
	return done < 0 ? pkt_end(p, DROP, COUNT_NO_HEADROOM) : NEXT;
}

#endif
