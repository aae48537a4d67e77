#include "userspace/splice/handover.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/splice/splice_way.h"
#include "userspace/splice/splicer_slots.h"

enum {
	GRACE_MS = 24, /* packets passed up before the keys may be held for merging (GRO) */
	TIMESTAMP_BYTES = 12,
};

struct handover {
	struct splicer *splicer;
	uint32_t slot;
	struct splice *sp;
	struct conn *ends[2];
	uint32_t written_base[2]; /* write_seq of that end's socket, less what conn counts as put */
	uint64_t began_ms;
	uint32_t routes; /* splice_way.h */
	uint64_t fence;  /* ticket: packets passed up before the present state are in a socket */
};

bool sk_state_read(int fd, struct sk_state *out_state)
{
	socklen_t len = sizeof(*out_state);

	return getsockopt(fd, SK_QUERY_LEVEL, SK_QUERY_STATE, out_state, &len) == 0 &&
	       len == sizeof(*out_state);
}

bool splicer_note(struct splicer *splicer, struct conn *conn)
{
	struct sk_state st;

	(void)splicer;
	if (!sk_state_read(conn->fd, &st))
		return false;
	conn->first_write = st.write_seq;
	conn->first_copied = st.copied_seq;
	conn->noted = true;
	return true;
}

uint32_t splicer_max_segment(const struct conn *client)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(client->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_snd_mss + (info.tcpi_options & TCPI_OPT_TIMESTAMPS ? TIMESTAMP_BYTES : 0);
}

bool segments_fit(const struct conn *from, const struct conn *to)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	uint32_t told;

	if (getsockopt(from->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	told = info.tcpi_advmss;
	return told <= splicer_max_segment(to);
}

static enum splice_reason check_states(const struct handover_request *request,
				       const struct sk_state st[2])
{
	for (int side = 0; side < 2; side++) {
		const struct conn *conn = request->ends[side];

		if (st[side].tcp_state != TCP_ESTABLISHED)
			return SPLICE_REASON_FINISHED;
		/* A delta that is wrong by n bytes is silent corruption; nothing later finds it. */
		if (st[side].write_seq != conn->first_write + (uint32_t)conn->put ||
		    st[side].copied_seq != conn->first_copied + (uint32_t)conn->got)
			return SPLICE_REASON_COUNT_MISMATCH;
		if (st[side].flags & SK_OUT_OF_ORDER)
			return SPLICE_REASON_OUT_OF_ORDER;
	}
	if ((st[0].flags ^ st[1].flags) & SK_TIMESTAMPS)
		return SPLICE_REASON_TIMESTAMPS;
	if ((st[0].flags ^ st[1].flags) & SK_ECN)
		return SPLICE_REASON_ECN;
	return SPLICE_REASON_DONE;
}

static enum splice_reason check_ends(const struct handover_request *request)
{
	const struct conn *client = request->ends[0], *server = request->ends[1];

	if (!client->noted || !server->noted)
		return SPLICE_REASON_NO_QUERY;
	if (client->on_closed || server->on_closed)
		return SPLICE_REASON_SHIFTED;
	if (!server->reserved_port)
		return SPLICE_REASON_NO_PORT;
	if (addr_is_v4(&client->peer) != addr_is_v4(&server->peer))
		return SPLICE_REASON_FAMILY;
	if (client->eof || server->eof || client->shut || server->shut)
		return SPLICE_REASON_FINISHED;
	if (!segments_fit(client, server) || !segments_fit(server, client))
		return SPLICE_REASON_MSS;
	return SPLICE_REASON_DONE;
}

enum { WRAP_V4 = 50, WRAP_V6 = 70 }; /* as in bpf/lib/vxlan_headers.h */

bool splice_hop(struct splicer *splicer, const struct conn *to, uint32_t *out_index)
{
	return splicer->maps.next_hop(splicer->maps.context,
				      to->tunnel ? &to->tunnel->host : &to->peer, out_index);
}

void splice_tunnel(struct splice *sp, const struct conn *to)
{
	static const uint8_t inner_src[6] = { 0x02, 0x73, 0x68, 0x75, 0x6e, 0x00 };
	const struct conn_tunnel *tunnel = to->tunnel;

	sp->dir[0].wraps = 0;
	memset(&sp->tunnel, 0, sizeof(sp->tunnel));
	if (!tunnel)
		return;
	sp->dir[0].wraps = addr_is_v4(&tunnel->host) ? WRAP_V4 : WRAP_V6;
	sp->tunnel.vni = tunnel->vni;
	memcpy(sp->tunnel.vtep, tunnel->host.ip, sizeof(sp->tunnel.vtep));
	memcpy(sp->tunnel.inner_dst, tunnel->mac, sizeof(sp->tunnel.inner_dst));
	memcpy(sp->tunnel.inner_src, inner_src, sizeof(inner_src));
}

struct flow_key splice_key(const struct addr *src, const struct addr *dst)
{
	struct flow_key key = { .sport = src->port, .dport = dst->port, .proto = IPPROTO_TCP };

	memcpy(key.src, src->ip, sizeof(key.src));
	memcpy(key.dst, dst->ip, sizeof(key.dst));
	return key;
}

/* Deltas of docs/splice.md; in is the socket facing X, out the one facing Y. */
static void fill_dir(struct splice_dir *d, const struct sk_state *in, const struct sk_state *out,
		     uint32_t pending_from_x, uint32_t pending_to_x)
{
	d->seq_delta = out->write_seq + pending_from_x - in->copied_seq;
	d->ts_delta = out->ts_now - in->ts_recent;
	d->floor = in->copied_seq;
	d->krcv = in->rcv_nxt;
	d->drain = in->write_seq + pending_to_x + (out->rcv_nxt - out->copied_seq);
	d->ws_in = in->snd_wscale;
	d->ws_out = out->rcv_wscale;
	d->max_seq = in->rcv_nxt;
	d->max_ack = in->snd_una;
	d->window = UINT16_MAX; /* not seen yet: the largest there is */
}

static void fill(struct splice *sp, const struct handover_request *request,
		 const struct sk_state st[2], const uint32_t next_hops[2])
{
	uint32_t generation = sp->generation + 1;

	memset(sp, 0, sizeof(*sp));
	sp->generation = generation;
	sp->flags = st[0].flags & SK_TIMESTAMPS ? SPLICE_TIMESTAMPS : 0;
	sp->worker = request->worker;
	sp->source_port = request->ends[1]->reserved_port;
	sp->started_ms = clock_ns(CLOCK_BOOTTIME) / 1000000u;
	sp->session = request->session;
	sp->idle_ms = request->idle_ms;
	sp->most_ms = request->most_ms;
	sp->drain_ms = request->drain_ms;
	snprintf((char *)sp->name, sizeof(sp->name), "%s", request->name);
	for (int side = 0; side < 2; side++) {
		struct conn *to = request->ends[!side];

		fill_dir(&sp->dir[side], &st[side], &st[!side], request->pending[side],
			 request->pending[!side]);
		sp->dir[side].out = splice_key(conn_local(to), &to->peer);
		sp->dir[side].next_hop = next_hops[!side];
	}
	splice_tunnel(sp, request->ends[1]);
	for (int side = 0; side < 2; side++) {
		sp->dir[side].ack_delta = -sp->dir[!side].seq_delta;
		sp->dir[side].tsecr_delta = -sp->dir[!side].ts_delta;
	}
}

static struct handover *handover_create(struct splicer *splicer, uint32_t slot,
					const struct handover_request *request,
					const struct sk_state st[2], uint32_t routes)
{
	struct handover *h = must_alloc(sizeof(*h));

	h->splicer = splicer;
	h->slot = slot;
	h->sp = &splicer->maps.splices[slot];
	h->began_ms = clock_monotonic_ms();
	h->fence = fence_request(splicer->fence);
	h->routes = routes;
	for (int side = 0; side < 2; side++) {
		h->ends[side] = request->ends[side];
		h->written_base[side] = st[side].write_seq - (uint32_t)request->ends[side]->put;
	}
	return h;
}

struct hops {
	uint32_t index[2]; /* towards each end */
	uint32_t routes;   /* as they were then */
};

static enum splice_reason install(struct splicer *splicer, const struct handover_request *request,
				  const struct sk_state st[2], const struct hops *hops,
				  struct handover **out_handover)
{
	uint32_t slot = slot_take(splicer);
	struct flow_key keys[2];
	struct splice *sp;

	if (slot == SLOT_NONE)
		return SPLICE_REASON_NO_SLOT;
	sp = &splicer->maps.splices[slot];
	fill(sp, request, st, hops->index);
	rate_take(splicer, slot, &request->rate, &request->ends[0]->peer);
	for (int side = 0; side < 2; side++)
		keys[side] =
			splice_key(&request->ends[side]->peer, conn_local(request->ends[side]));
	/* Everything is in its place before the programs may look at it. */
	__atomic_store_n(&sp->state, SPLICE_HANDOVER, __ATOMIC_RELEASE);
	if (!slot_install(splicer, slot, keys)) {
		slot_uninstall(splicer, slot);
		slot_give(splicer, slot);
		return SPLICE_REASON_SYSTEM;
	}
	*out_handover = handover_create(splicer, slot, request, st, hops->routes);
	return SPLICE_REASON_DONE;
}

enum splice_reason handover_begin(struct splicer *splicer, const struct handover_request *request,
				  struct handover **out_handover)
{
	enum splice_reason reason = check_ends(request);
	struct hops hops = { .routes = way_now(splicer) };
	struct sk_state st[2];

	if (reason != SPLICE_REASON_DONE)
		return reason;
	for (int side = 0; side < 2; side++)
		if (!splice_hop(splicer, request->ends[side], &hops.index[side]))
			return SPLICE_REASON_UNRESOLVED;
	for (int side = 0; side < 2; side++)
		if (!sk_state_read(request->ends[side]->fd, &st[side]))
			return SPLICE_REASON_NO_QUERY;
	reason = check_states(request, st);
	if (reason != SPLICE_REASON_DONE)
		return reason;
	return install(splicer, request, st, &hops, out_handover);
}

static void raise_to(uint32_t *field, uint32_t to)
{
	uint32_t now = __atomic_load_n(field, __ATOMIC_RELAXED);

	if ((int32_t)(to - now) > 0)
		__atomic_store_n(field, to, __ATOMIC_RELEASE);
}

void handover_residual(struct handover *h, int side, uint32_t pending)
{
	struct sk_state st;

	raise_to(&h->sp->dir[!side].drain,
		 h->written_base[!side] + (uint32_t)h->ends[!side]->put + pending);
	if (sk_state_read(h->ends[side]->fd, &st))
		raise_to(&h->sp->dir[side].krcv, st.rcv_nxt);
}

void handover_eof(struct handover *h, int side, uint32_t pending)
{
	struct splice_dir *d = &h->sp->dir[side];
	struct sk_state st;

	if (sk_state_read(h->ends[side]->fd, &st)) {
		raise_to(&d->krcv, st.rcv_nxt);
		raise_to(&d->max_seq, st.rcv_nxt);
		d->fin_seq = st.rcv_nxt; /* its FIN is the last thing that was received */
		if (!d->fin)
			__atomic_store_n(&d->fin, h->sp->dir[!side].fin ? 2 : 1, __ATOMIC_RELEASE);
	}
	/* Our own FIN to the other side takes a number too. */
	raise_to(&h->sp->dir[!side].drain,
		 h->written_base[!side] + (uint32_t)h->ends[!side]->put + pending + 1);
}

static int queued(const struct conn *conn, unsigned long which)
{
	int n = 0;

	return ioctl(conn->fd, which, &n) < 0 ? -1 : n;
}

/* Nothing of what our sockets took is still ours to deliver. */
static bool is_drained(const struct handover *h)
{
	for (int side = 0; side < 2; side++) {
		const struct splice_dir *d = &h->sp->dir[side];
		uint32_t acked = __atomic_load_n(&d->max_ack, __ATOMIC_ACQUIRE);

		if (!h->ends[side]->eof && queued(h->ends[side], SIOCINQ) != 0)
			return false;
		if ((int32_t)(acked - d->drain) < 0 && queued(h->ends[side], SIOCOUTQ) != 0)
			return false;
	}
	return true;
}

bool handover_may_finish(struct handover *h, uint64_t now_ms)
{
	way_keep(h->splicer, (struct splice *[]){ h->sp, h->sp }, (uint32_t[]){ 0, 1 }, &h->routes);
	if (__atomic_load_n(&h->sp->events, __ATOMIC_ACQUIRE) & SPLICE_RESET)
		return true;
	if (!fence_is_past(h->splicer->fence, h->fence))
		return false;
	if (h->sp->state == SPLICE_SPLICED)
		return true;
	if (now_ms < h->began_ms + GRACE_MS || !is_drained(h))
		return false;
	/* Nothing is passed up any more; an ACK that just was must find its socket, or the kernel
	 * answers it with a reset. */
	__atomic_store_n(&h->sp->state, SPLICE_SPLICED, __ATOMIC_RELEASE);
	h->fence = fence_request(h->splicer->fence);
	return false;
}

void handover_finish(struct handover *h)
{
	int on = 1;

	__atomic_store_n(&h->sp->state, SPLICE_SPLICED, __ATOMIC_RELEASE);
	for (int side = 0; side < 2; side++) {
		/* In repair mode a close sends nothing; the right to it was tried at start. */
		if (setsockopt(h->ends[side]->fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
			MUST(errno != EPERM);
		conn_close(h->ends[side]);
	}
	slot_to_control(h->splicer, h->slot);
	way_hand_on(h->splicer, h->routes);
	free(h);
}

void handover_abandon(struct handover *h)
{
	slot_uninstall(h->splicer, h->slot);
	slot_give(h->splicer, h->slot);
	free(h);
}
