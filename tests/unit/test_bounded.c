/*
 * The worker's arithmetic of a body that goes past two sockets, with each number in turn next to
 * 2^32. What the kernel says of sockets is made up here, and what is done to them is noted.
 */
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

static int end_of(int fd)
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

static void set_up(uint32_t base)
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

static struct bounded_request request(void)
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

static struct bounded *begun(uint32_t base)
{
	struct bounded_request r = request();
	struct bounded *b = NULL;

	set_up(base);
	CHECK_INT(bounded_begin(&splicer, &r, &b), SPLICE_REASON_DONE);
	return b;
}

/* The socket of IN has given all that it had, and the other one has sent it. */
static void relayed(struct bounded *b, uint32_t base)
{
	bounded_read(b, IN_NXT - IN_COPIED);
	states[IN].copied_seq = states[IN].rcv_nxt;
	states[OUT].write_seq = states[OUT].snd_nxt = OUT_FROM - OUT_TX + base;
}

#define FOR_BASES(base)                                                                            \
	for (const uint32_t *one = bases; one < bases + sizeof(bases) / sizeof(bases[0]); one++)   \
		for (uint32_t base = *one, once = 1; once; once = 0)

TEST(a_plan_has_the_numbers_on_the_wire)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);
		const struct splice *in = &elements[IN], *out = &elements[OUT];

		CHECK_INT(in->leg.body, LEG_IN);
		CHECK_INT(in->leg.from, (uint32_t)(IN_FROM + base));
		CHECK_INT(in->leg.to - in->leg.from, N);
		CHECK_INT(out->leg.body, LEG_OUT);
		CHECK_INT(out->leg.from, (uint32_t)(OUT_FROM + base));
		CHECK_INT(out->leg.to - out->leg.from, N);
		CHECK_INT(in->past.seq_delta, (uint32_t)(OUT_FROM - IN_FROM));
		CHECK_INT(out->past.ack_delta, (uint32_t)(IN_FROM - OUT_FROM));
		CHECK_INT(in->past.floor, (uint32_t)(IN_COPIED + IN_RX - UNWRITTEN + base));
		CHECK_INT(in->past.max_seq, in->leg.from);
		CHECK_INT(out->leg.progress, (uint32_t)(OUT_UNA + OUT_TX + base));
		CHECK_INT(out->leg.heard, 0);
		CHECK_INT(in->leg.sent, (uint32_t)(IN_SENT + base));
		CHECK_INT(in->leg.turn | out->leg.turn, 2); /* even again, both */
		CHECK_INT(resets[IN] + resets[OUT], 2);     /* whatever ends it now, by a reset */
		CHECK_INT(bounded_progress(b), 0);
		CHECK(!bounded_is_acked(b));
		bounded_abandon(b);
	}
}

TEST(a_body_that_cannot_go_changes_nothing)
{
	static const struct {
		const char *name;
		enum splice_reason why;
		int32_t passed, una; /* beyond what the sockets have */
		uint32_t flags, left;
	} rows[] = {
		{ "packets are on their way to the socket", SPLICE_REASON_NOT_QUIET, 1, 0, 0,
		  LEFT },
		{ "its sender has to acknowledge", SPLICE_REASON_NOT_QUIET, 0, -1, 0, LEFT },
		{ "a gap", SPLICE_REASON_OUT_OF_ORDER, 0, 0, SK_OUT_OF_ORDER, LEFT },
		{ "too little past the sockets", SPLICE_REASON_SMALL, 0, 0, 0, LEFT - 1 },
	};

	FOR_ROWS (row, rows) {
		FOR_BASES(base)
		{
			struct bounded_request r = request();
			struct bounded *b = NULL;

			set_up(base);
			elements[IN].leg.passed += (uint32_t)row->passed;
			states[IN].snd_una += (uint32_t)row->una;
			states[IN].flags = row->flags;
			r.left = row->left;
			CHECK_INT(bounded_begin(&splicer, &r, &b), row->why);
			CHECK(!b);
			CHECK_INT(elements[IN].leg.body | elements[OUT].leg.body, LEG_NONE);
			CHECK_INT((elements[IN].leg.turn | elements[OUT].leg.turn) & 1, 0);
			CHECK_INT(resets[IN] + resets[OUT], 0);
		}
	}
}

TEST(of_a_body_longer_than_a_plan_the_rest_is_another_one)
{
	struct bounded_request r = request();
	struct bounded *b = NULL;

	set_up(0);
	r.left = 5ull << 32;
	CHECK_INT(bounded_begin(&splicer, &r, &b), SPLICE_REASON_DONE);
	CHECK_INT(elements[IN].leg.to - elements[IN].leg.from, BOUNDED_BYTES_MAX);
	bounded_abandon(b);
}

TEST(what_the_socket_still_gets_of_it_moves_the_beginning_of_both)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);
		const struct leg *in = &elements[IN].leg, *out = &elements[OUT].leg;

		bounded_read(b, 0x100); /* was in the socket at the beginning */
		CHECK_INT(in->from, (uint32_t)(IN_FROM + base));
		bounded_read(b, 0x205); /* five bytes more than the rest of that */
		CHECK_INT(in->from, (uint32_t)(IN_FROM + 5 + base));
		CHECK_INT(out->from, (uint32_t)(OUT_FROM + 5 + base));
		CHECK_INT(elements[IN].past.max_seq, in->from);
		bounded_read(b, 2 * N); /* the next request, too */
		CHECK_INT(in->from, in->to);
		CHECK_INT(out->from, out->to);
		CHECK_INT((in->turn | out->turn) & 1, 0);
		bounded_abandon(b);
	}
}

static void at(uint32_t base, uint32_t there)
{
	elements[OUT].leg.progress = OUT_FROM + there + base;
	elements[IN].past.max_seq = IN_FROM + there + base;
}

TEST(it_is_done_when_all_has_arrived_and_nothing_is_on_its_way)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		at(base, N);
		CHECK(bounded_is_acked(b));
		CHECK(!bounded_is_done(b)); /* what was in the socket was not read */
		relayed(b, base);
		at(base, N - 1);
		CHECK_INT(bounded_progress(b), N - 1);
		CHECK(!bounded_is_done(b));
		at(base, N);
		states[OUT].snd_nxt--;
		CHECK(!bounded_is_done(b)); /* our socket has yet to send what comes before it */
		states[OUT].snd_nxt++;
		past = false;
		elements[IN].leg.passed++;
		CHECK(!bounded_is_done(b)); /* a packet is on its way to the socket of IN, */
		past = true;
		CHECK(bounded_is_done(b)); /* or it was lost */
		elements[IN].leg.progress = IN_FROM + N + base;
		CHECK_INT(bounded_end(b), N);
		CHECK_INT(elements[IN].leg.rx, IN_RX + N);
		CHECK_INT(elements[OUT].leg.tx, OUT_TX + N);
		CHECK_INT(elements[IN].leg.tx, IN_TX);
		CHECK_INT(elements[OUT].leg.rx, OUT_RX);
		CHECK_INT(elements[IN].leg.body | elements[OUT].leg.body, LEG_NONE);
		CHECK_INT(pokes[IN], 0);
		CHECK_INT(resets[IN] | resets[OUT], 0);
	}
}

TEST(its_sender_hears_of_the_end_if_nobody_has_told_it)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		relayed(b, base);
		at(base, N);
		elements[IN].leg.progress = IN_FROM + N - 1 + base;
		CHECK(bounded_is_done(b));
		bounded_end(b);
		CHECK_INT(pokes[IN], 1);
		CHECK_INT(pokes[OUT], 0);
	}
}

TEST(its_sender_hears_of_our_window_if_it_knows_of_a_narrow_one)
{
	struct bounded *b = begun(0);

	CHECK_INT(elements[OUT].past.window << 2, WINDOW);
	relayed(b, 0);
	at(0, N);
	elements[IN].leg.progress = IN_FROM + N;
	elements[OUT].past.window = (NARROW_BYTES >> 2) - 1;
	bounded_end(b);
	CHECK_INT(pokes[IN], 1);
}

TEST(a_request_in_the_last_segment_ends_the_body_before_it)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);
		struct leg *in = &elements[IN].leg;

		relayed(b, base);
		in->notes = LEG_CROSSED;
		in->crossing = IN_FROM + N - 3 + base;
		at(base, N - 4);
		CHECK(!bounded_is_done(b)); /* what is in front of it has not arrived */
		CHECK_INT(in->to - in->from, N);
		at(base, N - 3);
		past = false;
		CHECK(!bounded_is_done(b)); /* somebody may judge by the old plan */
		CHECK_INT(in->to - in->from, N - 3);
		past = true;
		CHECK(bounded_is_done(b));
		CHECK_INT(bounded_end(b), N - 3);
		CHECK_INT(elements[IN].leg.rx, IN_RX + N - 3);
		CHECK_INT(elements[OUT].leg.tx, OUT_TX + N - 3);
	}
}

TEST(who_sends_it_is_told_when_it_knows_too_little_twice)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		at(base, 100);
		elements[IN].leg.progress = IN_FROM + 99 + base;
		bounded_tend(b);
		CHECK_INT(pokes[IN], 0);
		bounded_tend(b);
		CHECK_INT(pokes[IN], 1);
		elements[IN].leg.progress++;
		bounded_tend(b);
		bounded_tend(b);
		CHECK_INT(pokes[IN], 1);
		elements[IN].leg.notes = LEG_DEAF;
		bounded_tend(b);
		CHECK_INT(pokes[IN], 2);
		CHECK_INT(elements[IN].leg.notes, 0);
		bounded_abandon(b);
	}
}

TEST(of_an_abandoned_one_each_leg_keeps_what_went_past_it)
{
	static const struct {
		const char *name;
		uint32_t there; /* bytes that the other end has acknowledged */
		uint32_t has;   /* bytes of it that the socket of IN has, or will have, */
		bool coming;    /* which are on their way there */
		bool gone;      /* the socket of IN has died */
		uint32_t in, out;
	} rows[] = {
		{ "nothing has arrived", 0, 0, false, false, 0, 0 },
		{ "half of it", N / 2, 0, false, false, N / 2, N / 2 },
		{ "all", N, 0, false, false, N, N },
		{ "some of it was passed up as well", 500, 200, false, false, 300, 500 },
		{ "or will be", 500, 200, true, false, 300, 500 },
		{ "more than has arrived", 100, 200, true, false, 0, 100 },
		{ "its sender has died", 500, 0, false, true, 500, 500 },
	};

	FOR_ROWS (row, rows) {
		FOR_BASES(base)
		{
			struct bounded *b = begun(base);

			relayed(b, base);
			at(base, row->there);
			elements[IN].leg.passed = IN_NXT + row->has + base;
			if (!row->coming)
				states[IN].rcv_nxt += row->has;
			gone[IN] = row->gone;
			bounded_abandon(b);
			CHECK_INT(elements[IN].leg.rx, IN_RX + row->in);
			CHECK_INT(elements[OUT].leg.tx, OUT_TX + row->out);
			CHECK_INT(elements[IN].leg.body | elements[OUT].leg.body, LEG_NONE);
			CHECK_INT(resets[IN], 0); /* may go on; what goes out has no end */
			CHECK_INT(resets[OUT], 1);
		}
	}
}

TEST(the_reset_of_an_abandoned_one_is_not_older_than_what_is_on_its_way)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		relayed(b, base);
		at(base, 100);
		elements[IN].past.max_seq += 50;
		bounded_abandon(b);
		CHECK_INT(elements[IN].leg.rx, IN_RX + 100);
		CHECK_INT(elements[OUT].leg.tx, OUT_TX + 150);
	}
}

TEST(who_holds_it_up_is_known)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		at(base, 100);
		CHECK(!bounded_is_full(b));
		elements[IN].past.max_seq++; /* one byte on its way */
		CHECK(bounded_is_full(b));
		elements[IN].past.max_seq--;
		elements[OUT].past.window = 0;
		CHECK(bounded_is_full(b));
		CHECK(!bounded_is_lost(b));
		states[IN].tcp_state = TCP_CLOSE;
		CHECK(!bounded_is_lost(b));
		states[OUT].tcp_state = TCP_CLOSE;
		CHECK(bounded_is_lost(b));
		CHECK(!bounded_is_cut(b));
		elements[IN].leg.notes = LEG_EARLY;
		CHECK(bounded_is_cut(b));
		bounded_abandon(b);
	}
}
