/* Rules of a leg from which a body comes (docs/splice.md, Bodies), through the verified programs.
 */
#include "tests/bpf/leg_rows.h"

BOTH_TWINS

static void changing_client(struct splice *c, struct splice *e)
{
	turning_client(c, e);
}

/* A SYN of another connection, or our reset, came in the midst of the body. */
static void client_anew(struct splice *c, struct splice *e)
{
	(void)e;
	c->leg.body = LEG_NONE;
}

static void long_body_in_a_closed_window(struct splice *c, struct splice *e)
{
	c->past.window = 0;
	c->leg.to += 0x100000;
	e->leg.to += 0x100000;
}

/* The client has not even acknowledged what our socket has yet to send it. */
static void client_far_behind(struct splice *c, struct splice *e)
{
	long_body_in_a_closed_window(c, e);
	c->leg.progress -= 0x400 + 0x100000;
}

/* The furthest that the client's window, the socket's and some slack allow. */
#define EDGE (E_FROM + 0x400 + ROOM + 65536)

TEST(a_body_goes_past_both_sockets_and_nothing_else_does)
{
	static const struct row rows[] = {
		{ "in the midst", true, P(.seq = E_MAX, .ack = E_SENT, .payload = "abc"), PAST,
		  E_MAX + DELTA, C_ACKED, WINDOW },
		{ "odd bytes, odd number", true, P(.seq = E_MAX + 1, .ack = E_SENT, .payload = "a"),
		  PAST, E_MAX + 1 + DELTA, C_ACKED, WINDOW },
		{ "its first bytes", true, P(.seq = E_FROM, .ack = E_SENT, .payload = "abc"), PAST,
		  C_FROM, C_ACKED, WINDOW },
		{ "its last bytes", true, P(.seq = E_TO - 3, .ack = E_SENT, .payload = "abc"), PAST,
		  C_TO - 3, C_ACKED, WINDOW },
		{ "one byte across its end", true,
		  P(.seq = E_TO - 2, .ack = E_SENT, .payload = "abc"), LOST(BODY_BEHIND) },
		{ "behind it", true, P(.seq = E_TO, .ack = E_SENT, .payload = "abc"),
		  LOST(BODY_BEHIND) },
		{ "across its beginning, but of the body", true,
		  P(.seq = E_FROM - 2, .ack = E_SENT, .payload = "abc"), PAST, C_FROM - 2, C_ACKED,
		  WINDOW },
		{ "from exactly where both sides have the same", true,
		  P(.seq = E_FLOOR, .ack = E_SENT,
		    .payload = "0123456789012345678901234567890123456789012345678901234567890123X"),
		  PAST, E_FLOOR + DELTA, C_ACKED, WINDOW },
		{ "with a byte of the head in front", true,
		  P(.seq = E_FLOOR - 1, .ack = E_SENT,
		    .payload =
			    "H0123456789012345678901234567890123456789012345678901234567890123X"),
		  LOST(BODY_BEFORE) },
		{ "what ends at its beginning, the socket has", true,
		  P(.seq = E_FROM - 3, .ack = E_SENT, .payload = "abc"), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM - 3), E_SOCKET_ACK(E_SENT) },
		{ "an older ack with it", true,
		  P(.seq = E_MAX, .ack = E_SENT - 100, .payload = "abc"), PAST, E_MAX + DELTA,
		  C_ACKED, WINDOW },
		{ "an ack of what our socket never sent", true,
		  P(.seq = E_MAX, .ack = E_SENT + 1, .payload = "abc"), LOST(SPLICE_FORGED) },
		{ "an ack from a quarter of the space ago", true,
		  P(.seq = E_MAX, .ack = E_SENT - (1 << 30) - 1, .payload = "abc"),
		  LOST(SPLICE_FORGED) },
		{ "its end with the last bytes: comes again alone", true,
		  P(.seq = E_TO - 3, .ack = E_SENT, .payload = "abc", .flags = FIN | PSH | ACK),
		  PAST, C_TO - 3, C_ACKED, WINDOW, .flags = PSH | ACK },
		{ "its end right behind the body", true,
		  P(.seq = E_TO, .ack = E_SENT, .flags = FIN | ACK), LOST(BODY_BEHIND) },
		{ "its end behind the next request", true,
		  P(.seq = E_TO + 90, .ack = E_SENT, .flags = FIN | ACK), LOST(BODY_BEHIND) },
		{ "its end where it has sent nothing yet", true,
		  P(.seq = E_MAX + 1, .ack = E_SENT, .flags = FIN | ACK), LOST(BODY_BEHIND) },
		{ "its end in the midst of what went past", true,
		  P(.seq = E_MAX - 1, .ack = E_SENT, .flags = FIN | ACK), LOST(BODY_BEHIND) },
		{ "its end with an ack of what our socket never sent", true,
		  P(.seq = E_MAX, .ack = E_SENT + 1, .flags = FIN | ACK), LOST(BODY_BEHIND) },
		{ "its end too early, right behind what it has sent: the socket's", true,
		  P(.seq = E_MAX, .ack = E_SENT, .flags = FIN | ACK), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM), E_SOCKET_ACK(E_SENT) },
		{ "its end before the body", true,
		  P(.seq = E_FROM, .ack = E_SENT, .flags = FIN | ACK), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM), E_SOCKET_ACK(E_SENT) },
		{ "an acknowledgement of what our socket sent", true,
		  P(.seq = E_MAX, .ack = E_SENT), TO_SOCKET, E_SOCKET_SEQ(E_FROM),
		  E_SOCKET_ACK(E_SENT) },
		{ "a probe of what went past", true, P(.seq = E_MAX - 1, .ack = E_SENT), PAST,
		  E_MAX - 1 + DELTA, C_ACKED, WINDOW },
		{ "a probe of what our socket has", true, P(.seq = E_FROM - 1, .ack = E_SENT),
		  TO_SOCKET, E_SOCKET_SEQ(E_FROM - 1), E_SOCKET_ACK(E_SENT) },
		{ "a reset where the client stands comes as one that the socket heeds", true,
		  P(.seq = E_FROM + 0x300, .flags = RST), TO_SOCKET, E_SOCKET_SEQ(E_FROM), 0 },
		{ "a reset behind all that it sent", true, P(.seq = E_MAX, .flags = RST), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM), 0 },
		{ "a reset one off", true, P(.seq = E_MAX + 1, .flags = RST), LOST(SPLICE_FORGED) },
		{ "a reset one below", true, P(.seq = E_FROM + 0x2ff, .flags = RST),
		  LOST(SPLICE_FORGED) },
		{ "a reset with an ack, one off", true,
		  P(.seq = E_MAX - 1, .ack = E_SENT, .flags = RST | ACK), LOST(SPLICE_FORGED) },
		{ "a reset before the body is for the socket to judge", true,
		  P(.seq = E_FROM - 7, .flags = RST), TO_SOCKET, E_SOCKET_SEQ(E_FROM - 7), 0 },
		{ "while the plan changes", true, P(.seq = E_MAX, .ack = E_SENT, .payload = "abc"),
		  LOST(LEG_CHANGING), .tweak = turning_endpoint },
		{ "the other leg's plan changes: no matter", true,
		  P(.seq = E_MAX, .ack = E_SENT, .payload = "abc"), PAST, E_MAX + DELTA, C_ACKED,
		  WINDOW, .tweak = changing_client },
		{ "the other leg has another connection: nothing of this one's body", true,
		  P(.seq = E_MAX, .ack = E_SENT, .payload = "abc"), LOST(LEG_CHANGING),
		  .tweak = client_anew },
		{ "nor a probe of it", true, P(.seq = E_MAX - 1, .ack = E_SENT), LOST(LEG_CHANGING),
		  .tweak = client_anew },
		{ "the other leg is gone: for the socket", true,
		  P(.seq = E_FROM, .ack = E_SENT, .payload = "abc"), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM), E_SOCKET_ACK(E_SENT), .tweak = peer_gone },
		{ "its element has another use", true,
		  P(.seq = E_FROM, .ack = E_SENT, .payload = "abc"), TO_SOCKET,
		  E_SOCKET_SEQ(E_FROM), E_SOCKET_ACK(E_SENT), .tweak = peer_of_another_use },
		{ "as far as the client's window goes", true,
		  P(.seq = EDGE - 3, .ack = E_SENT, .payload = "abc"), PAST, EDGE - 3 + DELTA,
		  C_ACKED, WINDOW, .tweak = long_body_in_a_closed_window },
		{ "and one byte beyond", true, P(.seq = EDGE - 2, .ack = E_SENT, .payload = "abc"),
		  LOST(SPLICE_FORGED), .tweak = long_body_in_a_closed_window },
		{ "as far as our socket's window went, wherever the client is", true,
		  P(.seq = EDGE - 0x400 - 3, .ack = E_SENT, .payload = "abc"), PAST,
		  EDGE - 0x400 - 3 + DELTA, C_ACKED, WINDOW, .tweak = client_far_behind },
		{ "and a byte beyond that", true,
		  P(.seq = EDGE - 0x400 - 2, .ack = E_SENT, .payload = "abc"), LOST(SPLICE_FORGED),
		  .tweak = client_far_behind },
		{ "a SYN is for the socket as it is", true, P(.seq = 77, .flags = SYN), TO_SOCKET,
		  77, 0 },
		{ "no body: all is the socket's", true,
		  P(.seq = E_TO, .ack = E_SENT, .payload = "abc"), TO_SOCKET, E_SOCKET_SEQ(E_TO),
		  E_SOCKET_ACK(E_SENT), .tweak = no_body },
	};

	NEED_PROGRAM;
	CHECK_ROWS(rows);
}

static void all_but_two(struct splice *c, struct splice *e)
{
	(void)c;
	e->past.max_seq = e->leg.to - 2;
}

static void nothing_yet_and_two_left(struct splice *c, struct splice *e)
{
	(void)c;
	e->leg.to = e->leg.from + 2;
	e->past.max_seq = e->leg.from - 9;
}

/* The notes of the endpoint's leg after each. */
TEST(what_goes_across_the_end_or_comes_too_early_is_noted)
{
	static const struct {
		const char *name;
		struct row row;
		uint32_t notes;
	} rows[] = {
		{ "across the end, and all before it went past",
		  { .packet = P(.seq = E_TO - 2, .ack = E_SENT, .payload = "abc"),
		    LOST(BODY_BEHIND),
		    .tweak = all_but_two },
		  LEG_CROSSED },
		{ "across the end, as the first there is",
		  { .packet = P(.seq = E_FROM, .ack = E_SENT, .payload = "abc"),
		    LOST(BODY_BEHIND),
		    .tweak = nothing_yet_and_two_left },
		  LEG_CROSSED },
		{ "across the end, with a gap before",
		  { .packet = P(.seq = E_TO - 2, .ack = E_SENT, .payload = "abc"),
		    LOST(BODY_BEHIND) },
		  LEG_CROSSED },
		{ "across the end, with bytes that went past",
		  { .packet = P(.seq = E_TO - 3, .ack = E_SENT, .payload = "abcd"),
		    LOST(BODY_BEHIND),
		    .tweak = all_but_two },
		  LEG_CROSSED },
		{ "behind the end",
		  { .packet = P(.seq = E_TO, .ack = E_SENT, .payload = "abc"),
		    LOST(BODY_BEHIND),
		    .tweak = all_but_two },
		  0 },
		{ "across the end, forged",
		  { .packet = P(.seq = E_TO - 2, .ack = E_SENT + 1, .payload = "abc"),
		    LOST(SPLICE_FORGED),
		    .tweak = all_but_two },
		  0 },
		{ "an end too early",
		  { .packet = P(.seq = E_MAX, .ack = E_SENT, .flags = FIN | ACK),
		    TO_SOCKET,
		    E_SOCKET_SEQ(E_FROM),
		    E_SOCKET_ACK(E_SENT) },
		  LEG_EARLY },
		{ "an end that somebody has guessed",
		  { .packet = P(.seq = E_MAX + 7, .ack = E_SENT, .flags = FIN | ACK),
		    LOST(BODY_BEHIND) },
		  0 },
		{ "a reset one off: the socket asks",
		  { .packet = P(.seq = E_MAX + 1, .flags = RST), LOST(SPLICE_FORGED) },
		  LEG_DEAF },
		{ "a reset that fits",
		  { .packet = P(.seq = E_MAX, .flags = RST), TO_SOCKET, E_SOCKET_SEQ(E_FROM), 0 },
		  0 },
		{ "bytes of the head with the body's",
		  { .packet = P(.seq = E_FLOOR - 1, .ack = E_SENT,
				.payload = "H01234567890123456789012345678901234567890123456789012"
					   "34567890123X"),
		    LOST(BODY_BEFORE) },
		  LEG_DEAF },
	};

	NEED_PROGRAM;
	at = &families[0];
	FOR_ROWS (row, rows) {
		struct row with = row->row;

		with.from_endpoint = true;
		for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
			check_row(&with, bases[i]);
			CHECK_INT(get(E_SLOT).leg.notes, row->notes);
		}
	}
}
