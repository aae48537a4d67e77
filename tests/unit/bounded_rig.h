/*
 * bounded_rig.h - the worker's arithmetic of a body that goes past two sockets, with each number in
 * turn next to 2^32. What the kernel says of sockets is made up here, and what is done to them is
 * noted.
 */
#pragma once
#define sk_state_read  made_up_state
#define splice_hop     made_up_hop
#define segments_fit   made_up_fit
#define leg_of         made_up_leg
#define leg_poke       noted_poke
#define conn_reset     noted_reset
#define conn_reset_not noted_reset_not
#define fence_request  made_up_request
#define fence_is_past  made_up_past
#include "userspace/splice/bounded.c"

#include <arpa/inet.h>

#include "tests/harness/test.h"
#include "userspace/splice/splicer_slots.h"

enum { IN, OUT };

/* Of the sockets, and of the wire: what lies in between are the shifts. `base` is added to all. */
enum {
	IN_COPIED = 0x4000,
	IN_NXT = IN_COPIED + 0x300, /* so much the socket has that nobody has read */
	IN_SENT = 0x9000,
	OUT_WRITE = 0x2000,
	OUT_UNA = OUT_WRITE - 0x80,
	OUT_COPIED = 0x7000,
	IN_TX = 0x50,
	IN_RX = 0x700,
	OUT_TX = 0x900,
	OUT_RX = 0x20,
	WINDOW = 0x20000, /* what OUT's peer takes */
	PENDING = 0x40,
	UNWRITTEN = 0x10,
	LEFT = 0x10300,
	N = LEFT - 0x300,
	IN_FROM = IN_NXT + IN_RX,
	OUT_FROM = OUT_WRITE + PENDING + 0x300 + OUT_TX,
};

static const uint32_t bases[] = { 0,
				  -IN_COPIED,
				  -IN_NXT,
				  -IN_FROM,
				  -IN_FROM - 1,
				  -IN_FROM - N,
				  -IN_FROM - N / 2,
				  -OUT_WRITE,
				  -OUT_FROM,
				  -OUT_FROM - 1,
				  -OUT_FROM - N,
				  -OUT_FROM - N / 2,
				  -IN_SENT,
				  0x80000000u,
				  0x7fff0000u };

static struct sk_state states[2];
static struct splice elements[2];
static struct conn ends[2];
static struct slot slots[2];
static struct splicer splicer;
static bool gone[2], past;
static int pokes[2], resets[2];

static inline int end_of(int fd)
{
	return fd == 11;
}

bool made_up_state(int fd, struct sk_state *out_state)
{
	*out_state = states[end_of(fd)];
	return !gone[end_of(fd)];
}

bool made_up_hop(struct splicer *s, const struct conn *to, uint32_t *out_index)
{
	(void)s;
	*out_index = (uint32_t)to->fd;
	return true;
}

bool made_up_fit(const struct conn *from, const struct conn *to)
{
	return from != to;
}

enum splice_reason made_up_leg(struct splicer *s, struct conn *conn, const struct sk_state *st,
			       uint32_t worker, const char *name, struct splice **out_leg)
{
	(void)s, (void)st, (void)worker, (void)name;
	*out_leg = &elements[end_of(conn->fd)];
	return SPLICE_REASON_DONE;
}

void noted_poke(struct conn *conn)
{
	pokes[end_of(conn->fd)]++;
}

void noted_reset(struct conn *conn)
{
	resets[end_of(conn->fd)]++;
}

void noted_reset_not(struct conn *conn)
{
	resets[end_of(conn->fd)]--;
}

uint64_t made_up_request(struct fence *f)
{
	(void)f;
	return 1;
}

bool made_up_past(struct fence *f, uint64_t ticket)
{
	(void)f;
	return past && ticket == 1;
}

static inline void set_up(uint32_t base)
{
	states[IN] = (struct sk_state){ .tcp_state = TCP_ESTABLISHED,
					.write_seq = IN_SENT - IN_TX + base,
					.snd_nxt = IN_SENT - IN_TX + base,
					.snd_una = IN_SENT - IN_TX + base,
					.copied_seq = IN_COPIED + base,
					.rcv_nxt = IN_NXT + base,
					.rcv_wnd = 0x8000 };
	states[OUT] = (struct sk_state){ .tcp_state = TCP_ESTABLISHED,
					 .write_seq = OUT_WRITE + base,
					 .snd_nxt = OUT_WRITE + base,
					 .snd_una = OUT_UNA + base,
					 .snd_wnd = WINDOW,
					 .snd_wscale = 2,
					 .copied_seq = OUT_COPIED + base,
					 .rcv_nxt = OUT_COPIED + base };
	memset(elements, 0, sizeof(elements));
	elements[IN].leg = (struct leg){ .tx = IN_TX, .rx = IN_RX, .passed = IN_NXT + base };
	elements[OUT].leg = (struct leg){ .tx = OUT_TX, .rx = OUT_RX };
	elements[IN].leg.sent = elements[OUT].leg.sent = base; /* older than all */
	for (int i = 0; i < 2; i++) {
		ends[i] = (struct conn){ .fd = 10 + i };
		ends[i].local.ip[2] = htonl(0xffff);
		ends[i].peer = ends[i].local;
		ends[i].local.port = (uint16_t)(1 + i);
		pokes[i] = resets[i] = 0;
		gone[i] = false;
	}
	splicer.maps.splices = elements;
	splicer.maps.count = 2;
	splicer.slots = slots;
	past = true;
}

static inline struct bounded_request request(void)
{
	return (struct bounded_request){ .from = &ends[IN],
					 .to = &ends[OUT],
					 .pending = PENDING,
					 .unwritten = UNWRITTEN,
					 .left = LEFT,
					 .least = N,
					 .anywhere = true,
					 .name = "u" };
}

static inline struct bounded *begun(uint32_t base)
{
	struct bounded_request r = request();
	struct bounded *b = NULL;

	set_up(base);
	CHECK_INT(bounded_begin(&splicer, &r, &b), SPLICE_REASON_DONE);
	return b;
}

/* The socket of IN has given all that it had, and the other one has sent it. */
static inline void relayed(struct bounded *b, uint32_t base)
{
	bounded_read(b, IN_NXT - IN_COPIED);
	states[IN].copied_seq = states[IN].rcv_nxt;
	states[OUT].write_seq = states[OUT].snd_nxt = OUT_FROM - OUT_TX + base;
}

static inline void at(uint32_t base, uint32_t there)
{
	elements[OUT].leg.progress = OUT_FROM + there + base;
	elements[IN].past.max_seq = IN_FROM + there + base;
}

#define FOR_BASES(base)                                                                            \
	for (const uint32_t *one = bases; one < bases + sizeof(bases) / sizeof(bases[0]); one++)   \
		for (uint32_t base = *one, once = 1; once; once = 0)
