/* Rules of a leg to which a body goes (docs/splice.md, Bodies), through the verified programs. */
#include "tests/bpf/leg_rows.h"

BOTH_TWINS

static void unsent(struct splice *c, struct splice *e)
{
	unheard(c, e);
	c->leg.sent -= 90;
}

/* A SYN of another connection, or our reset, came in the midst of the body. */
static void endpoint_anew(struct splice *c, struct splice *e)
{
	(void)c;
	e->leg.body = LEG_NONE;
}

TEST(what_acknowledges_a_body_goes_to_its_sender_and_all_else_to_the_socket)
{
	static const struct row rows[] = {
		{ "an ack from inside the body, its window as it is", false,
		  P(.seq = C_ACKED, .ack = C_FROM + 0x500, .window = 20), PAST, E_SENT,
		  E_FROM + 0x500, 20 << C_SCALE >> E_TOLD },
		{ "its window cut to the rest of the body and what the socket takes behind", false,
		  P(.seq = C_ACKED, .ack = C_FROM + 0x501, .window = 500), PAST, E_SENT,
		  E_FROM + 0x501, CUT(C_FROM + 0x501) },
		{ "of all that was sent", false, P(.seq = C_ACKED, .ack = C_MAX, .window = 65535),
		  PAST, E_SENT, E_FROM + 0x800, CUT(C_MAX) },
		{ "of one byte more than anybody has sent", false,
		  P(.seq = C_ACKED, .ack = C_MAX + 1), LOST(SPLICE_FORGED) },
		{ "of all of the body, when half of it was sent", false,
		  P(.seq = C_ACKED, .ack = C_TO), LOST(SPLICE_FORGED) },
		{ "of half the space ahead", false, P(.seq = C_ACKED, .ack = C_MAX + 0x70000000),
		  LOST(SPLICE_FORGED) },
		{ "of what is before the body: the socket's", false,
		  P(.seq = C_ACKED, .ack = C_FROM - 1), TO_SOCKET, C_SOCKET_SEQ(C_ACKED),
		  C_SOCKET_ACK(C_FROM - 1) },
		{ "exactly up to the body, once the socket knows", false,
		  P(.seq = C_ACKED, .ack = C_FROM, .window = 20), PAST, E_SENT, E_FROM,
		  20 << C_SCALE >> E_TOLD },
		{ "the first from there on is the socket's", false,
		  P(.seq = C_ACKED, .ack = C_FROM), TO_SOCKET, C_SOCKET_SEQ(C_ACKED),
		  C_SOCKET_ACK(C_FROM), .tweak = unheard },
		{ "also from inside the body: it says no more than all before it", false,
		  P(.seq = C_ACKED, .ack = C_FROM + 0x700), TO_SOCKET, C_SOCKET_SEQ(C_ACKED),
		  C_SOCKET_ACK(C_FROM), .tweak = unheard },
		{ "no more than the socket has sent, where the rest came past it", false,
		  P(.seq = C_ACKED, .ack = C_FROM + 0x700), TO_SOCKET, C_SOCKET_SEQ(C_ACKED),
		  C_SOCKET_ACK(C_FROM - 90), .tweak = unsent },
		{ "an older one within the body", false,
		  P(.seq = C_ACKED, .ack = C_PROGRESS - 1, .window = 20), PAST, E_SENT,
		  E_FROM + 0x3ff, 20 << C_SCALE >> E_TOLD },
		{ "the next request", false,
		  P(.seq = C_ACKED, .ack = C_FROM + 0x500, .flags = PSH | ACK, .payload = "GET /"),
		  TO_SOCKET, C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM) },
		{ "the next request, by which it acks nothing new", false,
		  P(.seq = C_ACKED, .ack = C_FROM - 8, .payload = "GET /"), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM - 8) },
		{ "a request that acks what nobody has sent", false,
		  P(.seq = C_ACKED, .ack = C_MAX + 1, .payload = "GET /"), LOST(SPLICE_FORGED) },
		{ "an old request again", false,
		  P(.seq = C_ACKED - 90, .ack = C_PROGRESS, .payload = "GET /"), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED - 90), C_SOCKET_ACK(C_FROM) },
		{ "its end", false, P(.seq = C_ACKED, .ack = C_PROGRESS, .flags = FIN | ACK),
		  TO_SOCKET, C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM) },
		{ "a reset, which the socket judges", false, P(.seq = C_ACKED + 5, .flags = RST),
		  TO_SOCKET, C_SOCKET_SEQ(C_ACKED + 5), 0 },
		{ "a reset with an ack", false,
		  P(.seq = C_ACKED, .ack = C_PROGRESS, .flags = RST | ACK), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM) },
		{ "a keepalive probe", false, P(.seq = C_ACKED - 1, .ack = C_PROGRESS), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED - 1), C_SOCKET_ACK(C_FROM) },
		{ "an ack with a number from long ago", false,
		  P(.seq = C_ACKED - 2, .ack = C_PROGRESS + 9), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED - 2), C_SOCKET_ACK(C_FROM) },
		{ "an ack with a number beyond any window", false,
		  P(.seq = C_ACKED + (WINDOW << 3) + 65537, .ack = C_PROGRESS + 9), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED + (WINDOW << 3) + 65537), C_SOCKET_ACK(C_FROM) },
		{ "while the plan changes", false, P(.seq = C_ACKED, .ack = C_PROGRESS),
		  LOST(LEG_CHANGING), .tweak = turning_client },
		{ "the other leg is gone", false, P(.seq = C_ACKED, .ack = C_PROGRESS), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM), .tweak = peer_gone },
		{ "it has another connection, which is told nothing", false,
		  P(.seq = C_ACKED, .ack = C_PROGRESS), TO_SOCKET, C_SOCKET_SEQ(C_ACKED),
		  C_SOCKET_ACK(C_FROM), .tweak = endpoint_anew },
		{ "its element has another use", false, P(.seq = C_ACKED, .ack = C_PROGRESS),
		  TO_SOCKET, C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM),
		  .tweak = peer_of_another_use },
		{ "a SYN is for the socket as it is", false, P(.seq = 77, .flags = SYN), TO_SOCKET,
		  77, 0 },
		{ "no body: all is the socket's", false, P(.seq = C_ACKED, .ack = C_TO), TO_SOCKET,
		  C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_TO), .tweak = no_body },
	};

	NEED_PROGRAM;
	CHECK_ROWS(rows);
}

static void behind(struct splice *c, struct splice *e)
{
	unheard(c, e);
	c->leg.progress = c->leg.from - 1;
}

static void closed(struct splice *c, struct splice *e)
{
	unheard(c, e);
	c->past.window = 0;
	c->leg.progress = c->leg.from;
}

/* The notes of the endpoint's leg, by which a worker has its socket say what is so now. */
TEST(who_waits_for_a_window_hears_that_it_opens_though_only_the_socket_got_that)
{
	static const struct {
		struct row row;
		uint32_t notes;
	} rows[] = {
		{ { "open before", false, P(.seq = C_ACKED, .ack = C_FROM, .window = 20), TO_SOCKET,
		    C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM), .tweak = unheard },
		  0 },
		{ { "behind before", false, P(.seq = C_ACKED, .ack = C_FROM, .window = 20),
		    TO_SOCKET, C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM), .tweak = behind },
		  LEG_DEAF },
		{ { "closed before", false, P(.seq = C_ACKED, .ack = C_FROM, .window = 20),
		    TO_SOCKET, C_SOCKET_SEQ(C_ACKED), C_SOCKET_ACK(C_FROM), .tweak = closed },
		  LEG_DEAF },
	};

	NEED_PROGRAM;
	at = &families[0];
	for (size_t i = 0; i < 3; i++) {
		check_row(&rows[i].row, 0);
		CHECK_INT(get(E_SLOT).leg.notes, rows[i].notes);
	}
}
