#include "userspace/splice/leg.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/base/must.h"

struct conn_leg {
	struct splicer *splicer;
	uint32_t slot;
	uint64_t fence; /* ticket: what came before the key is in the socket; 0: is past */
};

/* The kernel still speaks for it: FIN, what is resent, TIME_WAIT. */
static void on_closed(void *context)
{
	struct conn_leg *own = context;

	slot_to_control(own->splicer, own->slot);
	free(own);
}

static void fill(struct splice *sp, struct conn *conn, const struct sk_state *st, uint32_t worker,
		 const char *name)
{
	uint32_t generation = sp->generation + 1;

	memset(sp, 0, sizeof(*sp));
	sp->generation = generation;
	sp->worker = worker;
	sp->started_ms = clock_ns(CLOCK_BOOTTIME) / 1000000u;
	sp->flags = st->flags & SK_TIMESTAMPS ? SPLICE_TIMESTAMPS : 0;
	snprintf((char *)sp->name, sizeof(sp->name), "%s", name);
	sp->leg.key = splice_key(&conn->peer, conn_local(conn));
	sp->leg.sent = st->snd_nxt;
	sp->leg.acked = st->rcv_nxt;
	sp->leg.window = st->rcv_wnd >> st->rcv_wscale;
	sp->leg.scale = st->rcv_wscale;
	sp->leg.passed = st->rcv_nxt;
}

static bool enter(struct splicer *splicer, const struct splice *sp, uint32_t slot)
{
	struct addr to = { 0 };

	memcpy(to.ip, sp->leg.key.dst, sizeof(to.ip));
	return splicer->maps.expects(splicer->maps.context, &to) &&
	       flow_table_enter_splice(&splicer->maps.flows, &sp->leg.key, 0, slot, sp->generation);
}

enum splice_reason leg_of(struct splicer *splicer, struct conn *conn, const struct sk_state *st,
			  uint32_t worker, const char *name, struct splice **out_leg)
{
	struct conn_leg *own = conn->closed_context;
	struct splice *sp;
	uint32_t slot;

	if (own) {
		if (own->fence && !fence_is_past(splicer->fence, own->fence))
			return SPLICE_REASON_NOT_QUIET;
		own->fence = 0;
		*out_leg = &splicer->maps.splices[own->slot];
		return SPLICE_REASON_DONE;
	}
	slot = slot_take(splicer);
	if (slot == SLOT_NONE)
		return SPLICE_REASON_NO_SLOT;
	sp = &splicer->maps.splices[slot];
	fill(sp, conn, st, worker, name);
	__atomic_store_n(&sp->state, SPLICE_LEG, __ATOMIC_RELEASE);
	if (!enter(splicer, sp, slot)) {
		slot_uninstall(splicer, slot);
		slot_give(splicer, slot);
		return SPLICE_REASON_SYSTEM;
	}
	own = must_alloc(sizeof(*own));
	own->splicer = splicer;
	own->slot = slot;
	own->fence = fence_request(splicer->fence);
	conn->closed_context = own;
	conn->on_closed = on_closed;
	return SPLICE_REASON_NOT_QUIET;
}

void leg_plan_begin(struct leg *leg)
{
	__atomic_fetch_add(&leg->turn, 1, __ATOMIC_SEQ_CST);
}

/* What was written of a connection whose addresses have another one by now; the programs raise the
 * flag before they forget, and we look for it after we have written: one of us is the second. */
static void forget_where_anew(struct leg *leg)
{
	struct splice *sp = CONTAINER_OF(leg, struct splice, leg);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&sp->events, __ATOMIC_RELAXED) & SPLICE_ANEW))
		return;
	leg->tx = leg->rx = 0;
	leg->body = LEG_NONE;
	leg->stamped = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void leg_plan_end(struct leg *leg)
{
	forget_where_anew(leg);
	__atomic_fetch_add(&leg->turn, 1, __ATOMIC_SEQ_CST);
}

void leg_raise(__u32 *field, __u32 to)
{
	__u32 now = __atomic_load_n(field, __ATOMIC_RELAXED);

	while ((int32_t)(to - now) > 0 &&
	       !__atomic_compare_exchange_n(field, &now, to, true, __ATOMIC_ACQ_REL,
					    __ATOMIC_RELAXED))
		;
}

void leg_poke(struct conn *conn)
{
	int on = 1, off = 0;

	if (setsockopt(conn->fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
		return;
	setsockopt(conn->fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
	/* Which that took away: while it lingers, a listener could not bind again. */
	setsockopt(conn->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}
