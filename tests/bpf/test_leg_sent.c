/* What sockets send past which bodies go (docs/splice.md, Bodies): its numbers and windows. */
#include "tests/bpf/leg_sent_rows.h"

static void client_is_behind(struct splice *c, struct splice *e)
{
	c->leg.progress = e->leg.from + DELTA - 0x80;
}

static void client_has_not_all_before(struct splice *c, struct splice *e)
{
	(void)e;
	c->leg.progress = c->leg.from - 0x20;
}

static void client_has_all_and_more(struct splice *c, struct splice *e)
{
	(void)e;
	c->leg.progress = c->leg.to + 5;
}

static void peer_gone(struct splice *c, struct splice *e)
{
	c->leg.peer = e->leg.peer = 4000000000u;
}

static void more_went_past(struct splice *c, struct splice *e)
{
	(void)c;
	e->past.max_seq = e->leg.from + 0x800;
}

static void no_body(struct splice *c, struct splice *e)
{
	c->leg.body = e->leg.body = LEG_NONE;
}

static void client_takes_a_little(struct splice *c, struct splice *e)
{
	(void)e;
	c->past.window = 3; /* 384 bytes */
}

static void more_than_it_takes_went_past(struct splice *c, struct splice *e)
{
	client_takes_a_little(c, e);
	e->past.max_seq = e->leg.from + 0x80000;
}

static void client_behind_takes_a_little(struct splice *c, struct splice *e)
{
	client_is_behind(c, e);
	client_takes_a_little(c, e);
}

static void client_takes_what_no_unit_holds(struct splice *c, struct splice *e)
{
	(void)e;
	c->past.window = 7;
	c->past.ws_in = 0;
}

TEST(a_window_is_told_no_larger_than_the_other_end_of_the_body_has)
{
	static const struct row rows[] = {
		{ "IN: in units of our socket's", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM), .window = 500), E_SENT, E_PROGRESS,
		  client_takes_a_little, .window = 384 / 4 },
		{ "IN: from where the client is, which has not all before the body", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM), .window = 500), E_SENT, E_FROM,
		  client_behind_takes_a_little, .window = (384 - 0x80) / 4 },
		{ "IN: what the socket has not acknowledged yet may come, too", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM - 0x40), .window = 500), E_SENT,
		  E_FROM - 0x40, client_behind_takes_a_little, .window = (384 - 0x40) / 4 },
		{ "IN: the least of all", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM), .window = 500), E_SENT, E_PROGRESS,
		  client_takes_what_no_unit_holds, .window = 1 },
		{ "IN: the socket has less", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM), .window = 95), E_SENT, E_PROGRESS,
		  client_takes_a_little },
		{ "IN: with payload", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM), .window = 500, .payload = "GET"),
		  E_SENT, E_PROGRESS, client_takes_a_little, .window = 384 / 4 },
		{ "OUT: the client sends to our socket", false,
		  P(.seq = C_SEQ(C_FROM), .ack = C_ACK(C_ACKED), .window = 500), C_PROGRESS,
		  C_ACKED, client_takes_a_little },
		{ "no body", true, P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM), .window = 500),
		  E_SENT, E_FROM, no_body },
		{ "the other leg is gone", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM), .window = 500), E_SENT, E_FROM,
		  peer_gone },
	};

	NEED_PROGRAM;
	CHECK_ROWS(rows);
}

TEST(numbers_leave_as_they_are_on_the_wire)
{
	static const struct row rows[] = {
		{ "OUT: what comes before the body", false,
		  P(.seq = C_SEQ(C_FROM - 3), .ack = C_ACK(C_ACKED), .payload = "abc"), C_FROM - 3,
		  C_ACKED },
		{ "OUT: a bare segment is as new as what went past", false,
		  P(.seq = C_SEQ(C_FROM), .ack = C_ACK(C_ACKED)), C_PROGRESS, C_ACKED },
		{ "OUT: a probe of a client that has not all before the body is older, or gets no "
		  "answer",
		  false, P(.seq = C_SEQ(C_FROM - 0x21), .ack = C_ACK(C_ACKED)), C_FROM - 0x21,
		  C_ACKED, client_has_not_all_before },
		{ "OUT: one that is newer", false,
		  P(.seq = C_SEQ(C_PROGRESS + 1), .ack = C_ACK(C_ACKED)), C_PROGRESS + 1, C_ACKED },
		{ "OUT: its end", false,
		  P(.seq = C_SEQ(C_FROM), .ack = C_ACK(C_ACKED), .flags = FIN | ACK), C_PROGRESS,
		  C_ACKED },
		{ "OUT: a reset", false,
		  P(.seq = C_SEQ(C_FROM), .ack = C_ACK(C_ACKED), .flags = RST | ACK), C_PROGRESS,
		  C_ACKED },
		{ "OUT: a reset is as new as what may have come there", false,
		  P(.seq = C_SEQ(C_FROM), .ack = C_ACK(C_ACKED), .flags = RST | ACK),
		  C_FROM + 0x800, C_ACKED, more_went_past },
		{ "OUT: but not beyond what the client takes", false,
		  P(.seq = C_SEQ(C_FROM), .ack = C_ACK(C_ACKED), .flags = RST | ACK),
		  C_PROGRESS + 384, C_ACKED, more_than_it_takes_went_past },
		{ "IN: a request", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM - 9), .payload = "GET /"), E_SENT,
		  E_PROGRESS },
		{ "IN: an ack of the body is what the client has of it", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM)), E_SENT, E_PROGRESS },
		{ "IN: never of more, whatever the socket has", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM + 0x900)), E_SENT, E_PROGRESS },
		{ "IN: of no more than the socket has before it, where the client is behind", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM + 9)), E_SENT, E_FROM,
		  client_is_behind },
		{ "IN: of less, where the socket has less", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM - 0x70)), E_SENT, E_FROM - 0x70,
		  client_is_behind },
		{ "IN: never beyond the body", true, P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM)),
		  E_SENT, E_TO, client_has_all_and_more },
		{ "IN: a probe comes with a number that is heeded", true,
		  P(.seq = E_SEQ(E_SENT - 1), .ack = E_ACK(E_FROM)), E_SENT, E_PROGRESS },
		{ "IN: what is resent keeps its number", true,
		  P(.seq = E_SEQ(E_SENT - 5), .ack = E_ACK(E_FROM), .payload = "GET /"), E_SENT - 5,
		  E_PROGRESS },
		{ "IN: the other leg is gone", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM + 7)), E_SENT, E_FROM, peer_gone },
		{ "no body: data", false,
		  P(.seq = C_SEQ(C_FROM), .ack = C_ACK(C_ACKED), .payload = "abc"), C_FROM, C_ACKED,
		  no_body },
		{ "no body: a probe keeps its number", true,
		  P(.seq = E_SEQ(E_SENT - 1), .ack = E_ACK(E_TO)), E_SENT - 1, E_TO, no_body },
		{ "no body: a reset", true,
		  P(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_TO), .flags = RST | ACK), E_SENT, E_TO,
		  no_body },
	};

	NEED_PROGRAM;
	CHECK_ROWS(rows);
}

TEST(what_is_sent_is_recorded)
{
	struct packet data = TCP4(.seq = C_SEQ(C_FROM - 3), .ack = C_ACK(C_ACKED), .window = 5,
				  .payload = "abc"),
		      old = TCP4(.seq = C_SEQ(C_FROM - 9), .ack = C_ACK(C_ACKED - 9), .window = 9),
		      fin = TCP4(.seq = C_SEQ(C_FROM + LEN), .ack = C_ACK(C_ACKED),
				 .flags = FIN | ACK);
	uint8_t got[PACKET_BYTES_MAX];
	struct splice c;
	size_t len;

	NEED_PROGRAM;
	at = &families[0];
	begin_client(&c, 0);
	put(&c, C_SLOT);
	address(&data, false);
	address(&old, false);
	address(&fin, false);
	run(&data, got, &len);
	CHECK_INT(get(C_SLOT).leg.sent, C_FROM);
	CHECK_INT(get(C_SLOT).leg.acked, C_ACKED);
	CHECK_INT(get(C_SLOT).leg.window, 5);
	CHECK_INT(get(C_SLOT).leg.heard, 0); /* what X says of it is for the socket */
	run(&old, got, &len);
	CHECK_INT(get(C_SLOT).leg.acked, C_ACKED);
	CHECK_INT(get(C_SLOT).leg.window, 5);
	run(&fin, got, &len);
	CHECK_INT(get(C_SLOT).leg.sent, C_FROM + LEN + 1);
}

TEST(nothing_leaves_while_the_plan_changes_and_a_syn_ends_the_shifts)
{
	struct packet data = TCP4(.seq = 9, .ack = 9, .payload = "abc"),
		      syn = TCP4(.seq = 9, .ack = 9, .flags = SYN | ACK);
	uint8_t got[PACKET_BYTES_MAX];
	struct splice c, e;
	size_t len;

	NEED_PROGRAM;
	at = &families[0];
	begin_client(&c, 0);
	begin_endpoint(&e, 0);
	c.leg.turn++;
	put(&c, C_SLOT);
	put(&e, E_SLOT);
	address(&data, false);
	address(&syn, false);
	CHECK_INT(run(&data, got, &len), TC_ACT_SHOT);
	CHECK_INT(run(&syn, got, &len), TC_ACT_UNSPEC);
	check_same(got, len, &syn, 0);
	c = get(C_SLOT);
	CHECK_INT(c.leg.tx, 0);
	CHECK_INT(c.leg.rx, 0);
	CHECK_INT(c.leg.body, LEG_NONE);
	CHECK_INT(c.events, SPLICE_ANEW); /* so that nobody writes them again */
}

TEST(a_reset_of_ours_ends_the_body_and_keeps_the_shifts)
{
	struct packet fin = TCP4(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM), .flags = FIN | ACK),
		      reset = TCP4(.seq = E_SEQ(E_SENT), .ack = E_ACK(E_FROM), .flags = RST | ACK);
	uint8_t got[PACKET_BYTES_MAX];
	struct splice c, e;
	size_t len;

	NEED_PROGRAM;
	at = &families[0];
	begin_client(&c, 0);
	begin_endpoint(&e, 0);
	put(&c, C_SLOT);
	put(&e, E_SLOT);
	address(&fin, true);
	address(&reset, true);
	run(&fin, got, &len);
	CHECK_INT(get(E_SLOT).leg.body, LEG_IN);
	run(&reset, got, &len);
	CHECK_INT(get(E_SLOT).leg.body, LEG_NONE);
	CHECK_INT(get(E_SLOT).leg.tx, E_TX);
	CHECK_INT(get(E_SLOT).leg.rx, E_RX);
	CHECK_INT(get(C_SLOT).leg.body, LEG_OUT);
}
