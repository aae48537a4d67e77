/*
 * sk_query.bpf.c - one consistent look at a socket's sequence state (docs/splice.md).
 *
 * getsockopt(fd, SK_QUERY_LEVEL, SK_QUERY_STATE, ...) means nothing to the kernel, so it comes here
 * with the socket locked. Attached to the daemon's own cgroup; any other call passes untouched.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "bpf/abi/splice.h"
#include "bpf/kernel_types.h"

char LICENSE[] SEC("license") = "GPL"; /* a kfunc below asks for it */

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;

/* Of ecn_flags: RFC 3168 was agreed on, or AccECN (since Linux 6.18). */
enum { NS_PER_US = 1000, NS_PER_MS = 1000000, ECN_AGREED = 1 | 16 };

/* tcp_usec_ts came with Linux 6.7; without it clocks tick in milliseconds. */
static __always_inline __u32 timestamp_now(struct tcp_sock *tp)
{
	__u64 now = bpf_ktime_get_ns();

	if (bpf_core_field_exists(tp->tcp_usec_ts) && BPF_CORE_READ_BITFIELD(tp, tcp_usec_ts))
		return (__u32)(now / NS_PER_US) + tp->tsoffset;
	return (__u32)(now / NS_PER_MS) + tp->tsoffset;
}

static __always_inline __u32 flags_of(struct tcp_sock *tp)
{
	__u32 flags = 0;

	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.tstamp_ok))
		flags |= SK_TIMESTAMPS;
	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.sack_ok))
		flags |= SK_SACK;
	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.wscale_ok))
		flags |= SK_WSCALE;
	if (tp->out_of_order_queue.rb_node)
		flags |= SK_OUT_OF_ORDER;
	if (tp->ecn_flags & ECN_AGREED)
		flags |= SK_ECN;
	return flags;
}

static __always_inline void fill(struct sk_state *st, struct tcp_sock *tp)
{
	st->write_seq = tp->write_seq;
	st->snd_nxt = tp->snd_nxt;
	st->snd_una = tp->snd_una;
	st->copied_seq = tp->copied_seq;
	st->rcv_nxt = tp->rcv_nxt;
	st->rcv_wnd = tp->rcv_wnd;
	st->ts_recent = tp->rx_opt.ts_recent;
	st->ts_now = timestamp_now(tp);
	st->flags = flags_of(tp);
	st->mss = tp->mss_cache;
	st->snd_wscale = BPF_CORE_READ_BITFIELD(tp, rx_opt.snd_wscale);
	st->rcv_wscale = BPF_CORE_READ_BITFIELD(tp, rx_opt.rcv_wscale);
	st->tcp_state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	st->zero = 0;
	st->snd_wnd = tp->snd_wnd;
}

SEC("cgroup/getsockopt")
int sk_query(struct bpf_sockopt *ctx)
{
	struct sk_state *st = ctx->optval;
	struct tcp_sock *tp;

	if (ctx->level != SK_QUERY_LEVEL)
		return 1;
	if (ctx->optname != SK_QUERY_STATE || !ctx->sk || ctx->sk->protocol != IPPROTO_TCP ||
	    (void *)(st + 1) > ctx->optval_end)
		return 1;
	tp = bpf_rdonly_cast(ctx->sk, bpf_core_type_id_kernel(struct tcp_sock));
	fill(st, tp);
	ctx->retval = 0;
	barrier(); /* clang 19 would merge both stores into one of 8 bytes, which is refused */
	ctx->optlen = sizeof(*st);
	return 1;
}
